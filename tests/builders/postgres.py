"""Databases of their own for tests, on the server that OVR_TEST_POSTGRES names."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from storage.migrations.runner import Migrator
from storage.settings import StorageSettings
from tests.builders.engines import Open, World

NEEDS = ("OVR_TEST_POSTGRES",)


def settings_of(dsn: str, **more: Any) -> StorageSettings:
    """Settings of a process on the database."""
    return StorageSettings(database=dsn, **more)


@asynccontextmanager
async def empty_database() -> AsyncIterator[str]:
    """The address of a new, empty database; it is dropped afterwards, whoever is still connected."""
    dsn = _address(f"ovr_test_{secrets.token_hex(6)}")
    await _make(dsn)
    try:
        yield dsn
    finally:
        await _drop(dsn)


@asynccontextmanager
async def database() -> AsyncIterator[str]:
    """The address of a new database with all its tables."""
    async with empty_database() as dsn:
        async with Migrator.open(settings_of(dsn)) as migrator:
            await migrator.migrate()
        yield dsn


@asynccontextmanager
async def shared_database() -> AsyncIterator[str]:
    """The address of a database with all its tables, empty, that the tests of this process use in turns: to
    make one takes seconds. `drop_shared_database` removes it."""
    dsn = _shared()
    if not await fetch_one(os.environ[NEEDS[0]], f"SELECT 1 FROM pg_database WHERE datname = '{_name(dsn)}'"):
        await _make(dsn)
        async with Migrator.open(settings_of(dsn)) as migrator:
            await migrator.migrate()
    yield dsn
    await execute(dsn, "DELETE FROM plate_events; DELETE FROM cameras; DELETE FROM alerts")


def drop_shared_database() -> None:
    """Remove what `shared_database` made."""
    if os.environ.get(NEEDS[0]):
        asyncio.run(_drop(_shared()))


def world_of(opener: Callable[[StorageSettings], Awaitable[Any]]) -> World:
    """The world of an adapter on PostgreSQL."""

    @asynccontextmanager
    async def world(home: Path) -> AsyncIterator[Open]:
        async with shared_database() as dsn:
            yield lambda: opener(settings_of(dsn))

    return world


def _shared() -> str:
    return _address(f"ovr_test_{os.getpid()}")


def _address(name: str) -> str:
    return urlunsplit(urlsplit(os.environ[NEEDS[0]])._replace(path=f"/{name}"))


def _name(dsn: str) -> str:
    return urlsplit(dsn).path[1:]


async def _make(dsn: str) -> None:
    await execute(os.environ[NEEDS[0]], f"CREATE DATABASE {_name(dsn)}")


async def _drop(dsn: str) -> None:
    await execute(os.environ[NEEDS[0]], f"DROP DATABASE IF EXISTS {_name(dsn)} WITH (FORCE)")


async def execute(dsn: str, statements: str) -> None:
    """Run statements on a connection of their own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def fetch_one(dsn: str, statement: str) -> Any:
    """The first value of a statement on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
