"""A small world and a gateway before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timezone

import httpx
import pytest

from mesh.testing import Harness
from tests.builders.mesh_world import World, gateway_before, small_world

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


@pytest.fixture
async def mesh() -> AsyncIterator[Harness]:
    """An empty mesh."""
    async with Harness() as harness:
        yield harness


@pytest.fixture
async def world(mesh: Harness) -> World:
    """A few passes, an alert, cameras and a rule, being served."""
    made = small_world(NOW)
    await made.serve(mesh)
    return made


@pytest.fixture
async def gateway(mesh: Harness, world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway on loopback, without rate limit."""
    async with gateway_before(mesh) as client:
        yield client
