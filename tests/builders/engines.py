"""Real engines for tests: named by OVR_TEST_* variables, and missed loudly where they are required."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Open = Callable[[], Awaitable[Any]]
"""Opens the same store once more, as another process would."""
World = Callable[[Path], AbstractAsyncContextManager[Open]]
"""Gives a test a store that nobody else has, in a directory of its own, and removes it afterwards."""


def required() -> bool:
    """Whether an engine that is not there fails its tests, rather than leaving them out."""
    return bool(os.environ.get("OVR_TEST_REQUIRED") or os.environ.get("CI"))


def missing(variables: tuple[str, ...]) -> str:
    """Says which of the variables are not set; empty if all are."""
    unset = [name for name in variables if not os.environ.get(name)]
    return f"needs {' and '.join(unset)}" if unset else ""


def needs(*variables: str) -> list[pytest.MarkDecorator]:
    """The `pytestmark` of a module that needs real engines: left out without them, unless they are
    required."""
    why = missing(variables)
    return [pytest.mark.integration, pytest.mark.skipif(bool(why) and not required(), reason=why or "never")]


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that a contract suite runs on; `needs` names its engine's variables, none if embedded."""

    name: str
    world: World
    needs: tuple[str, ...] = ()


def adapters(table: list[Adapter]) -> list[Any]:
    """Parameters of a fixture: the embedded adapters, and the engines that are there or required."""
    return [
        pytest.param(adapter, id=adapter.name, marks=[pytest.mark.integration] if adapter.needs else [])
        for adapter in table
        if not missing(adapter.needs) or required()
    ]


def embedded(opener: Callable[[Path], Awaitable[Any]]) -> World:
    """The world of an adapter that keeps everything in the directory it is given."""

    @asynccontextmanager
    async def world(home: Path) -> AsyncIterator[Open]:
        yield lambda: opener(home)

    return world
