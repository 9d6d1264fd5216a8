"""Brings a PostgreSQL database to a version of its schema, forward and back.

A migration is a pair of files `NUMBER_NAME.up.sql` and `.down.sql`; one that differs between TimescaleDB and
plain PostgreSQL is two pairs, `NUMBER_NAME.timescale...` and `NUMBER_NAME.native...`, and one that only one
of them needs is one such pair. Each runs in a transaction of its own, together with its line in
`schema_migrations`; a lock lets one runner at a time work on a database.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from importlib.resources import files

import asyncpg

from mesh.errors import Kind, MeshError
from storage.postgres import CONNECT_SECONDS, login, translated
from storage.settings import StorageSettings

_FILE = re.compile(r"(\d{4})_([a-z_]+)(?:\.(native|timescale))?\.(up|down)\.sql")
_LOCK = 0x6F76725F  # "ovr_"


class Flavour(str, Enum):
    """What kind of server it is."""

    NATIVE = "native"
    TIMESCALE = "timescale"


@dataclass(frozen=True, slots=True)
class Migration:
    """A step of the schema: its scripts forward and back."""

    number: int
    name: str
    up: str
    down: str


@dataclass(frozen=True, slots=True)
class Step:
    """A migration and when it was applied, UTC; None if it was not."""

    migration: Migration
    applied_at: datetime | None


def migrations(flavour: Flavour) -> list[Migration]:
    """All steps for this kind of server, in order."""
    scripts: dict[tuple[int, str], dict[str, str]] = defaultdict(dict)
    for file in files("storage.migrations.postgres").iterdir():
        match = _FILE.fullmatch(file.name)
        if match and match[3] in (None, flavour.value):
            scripts[int(match[1]), match[2]][match[4]] = file.read_text()
    return [Migration(*key, pair["up"], pair["down"]) for key, pair in sorted(scripts.items())]


class Migrator:
    """Works on one database, over a `connection` that may make tables and roles."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], flavour: Flavour) -> None:
        self.connection = connection
        self.flavour = flavour
        self._known = migrations(flavour)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: StorageSettings) -> AsyncIterator[Migrator]:
        """For the database of the settings, alone; waits for another one to end. Errors as in
        `storage.postgres`, and FAILED_PRECONDITION if it was migrated by a later version."""
        with translated():
            connection = await asyncpg.connect(
                **login(settings), server_settings={"application_name": "ovr db", "timezone": "UTC"}
            )
            try:
                await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
                yield cls(connection, await _flavour(connection))
            finally:
                await connection.close(timeout=CONNECT_SECONDS)  # and the lock with it

    async def status(self) -> list[Step]:
        """All steps, in order."""
        applied: dict[int, datetime] = {}
        if await self.connection.fetchval("SELECT to_regclass('public.schema_migrations')"):
            rows = await self.connection.fetch("SELECT number, applied_at FROM public.schema_migrations")
            applied = {row["number"]: row["applied_at"] for row in rows}
        unknown = sorted(applied.keys() - {migration.number for migration in self._known})
        if unknown:
            raise MeshError(
                Kind.FAILED_PRECONDITION,
                "STORE_TOO_NEW",
                f"the database has migration {unknown[-1]}, which this version does not know",
            )
        return [Step(migration, applied.get(migration.number)) for migration in self._known]

    async def migrate(self) -> list[Migration]:
        """Apply all steps that were not; which."""
        todo = [step.migration for step in await self.status() if step.applied_at is None]
        await self.connection.execute(
            "CREATE TABLE IF NOT EXISTS public.schema_migrations (number integer PRIMARY KEY,"
            " name text NOT NULL, flavour text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for migration in todo:
            async with self.connection.transaction():
                await self.connection.execute(migration.up)
                await self.connection.execute(
                    "INSERT INTO public.schema_migrations (number, name, flavour) VALUES ($1, $2, $3)",
                    migration.number,
                    migration.name,
                    self.flavour.value,
                )
        return todo

    async def rollback(self, steps: int) -> list[Migration]:
        """Take the last `steps` back, newest first, with the data in what they made; which."""
        done = [step.migration for step in await self.status() if step.applied_at is not None]
        todo: Sequence[Migration] = done[: -steps - 1 : -1]
        for migration in todo:
            async with self.connection.transaction():
                await self.connection.execute(migration.down)
                await self.connection.execute(
                    "DELETE FROM public.schema_migrations WHERE number = $1", migration.number
                )
        return list(todo)


async def _flavour(connection: asyncpg.Connection[asyncpg.Record]) -> Flavour:
    # A database stays what it was migrated as, also when its server learns of the extension later.
    if await connection.fetchval("SELECT to_regclass('public.schema_migrations')"):
        recorded = await connection.fetchval("SELECT max(flavour) FROM public.schema_migrations")
        if recorded is not None:
            return Flavour(recorded)
    preloaded = await connection.fetchval("SELECT current_setting('shared_preload_libraries')")
    return Flavour.TIMESCALE if "timescaledb" in preloaded else Flavour.NATIVE
