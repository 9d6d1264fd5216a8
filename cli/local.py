"""The mesh on this machine: joined if one runs in the data directory, started for the time being if not."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cli.ending import problem
from cli.peers import is_ready
from cli.processes import PARTS, Part

if TYPE_CHECKING:
    from mesh.settings import MeshSettings
    from mesh.supervisor import Change, ProcessSpec, Supervisor

LISTENS_SECONDS = 1.0


def spec(part: Part, settings: MeshSettings, env: Mapping[str, str] | None = None) -> ProcessSpec:
    """How the supervisor keeps a part running; its output goes to a log file in the data directory."""
    from mesh.supervisor import ProcessSpec

    async def ready() -> bool:
        return await is_ready(settings, part.name)

    async def listening() -> bool:
        return await listens(gateway_address())

    probe = ready if part.serves else listening if part.name == "gateway" else None
    return ProcessSpec(
        part.name,
        (sys.executable, "-m", part.module),
        env={"OVR_LOG_FORMAT": "json", **(env or {})},
        ready=probe,
        once=part.ends,
        log=settings.home / "logs" / f"{part.name}.log",
    )


def gateway_address() -> str:
    """HOST:PORT of this environment's gateway."""
    from gateway.settings import GatewaySettings
    from mesh.settings import load

    return load(GatewaySettings).listen


async def listens(address: str) -> bool:
    """Whether anybody takes connections at HOST:PORT."""
    host, _, port = address.rpartition(":")
    opening = asyncio.open_connection(host.strip("[]"), int(port))
    try:
        _, writer = await asyncio.wait_for(opening, LISTENS_SECONDS)
    except (OSError, asyncio.TimeoutError):
        return False
    writer.close()
    return True


async def is_up(settings: MeshSettings) -> bool:
    """Whether a mesh runs in this data directory."""
    return await is_ready(settings, "query")


@contextlib.asynccontextmanager
async def local_mesh(
    settings: MeshSettings,
    *,
    parts: Sequence[Part] = PARTS,
    env: Mapping[str, str] | None = None,
    on_change: Callable[[Change], None] | None = None,
) -> AsyncIterator[Supervisor | None]:
    """The parts, all ready; stopped in reverse order at the end. None if a mesh runs here and is joined.

    Raises SupervisorError naming the part that cannot be kept running.
    """
    from mesh.logs import configure
    from mesh.supervisor import State, Supervisor

    def tell(change: Change) -> None:
        if change.state in (State.EXITED, State.GIVEN_UP):
            said = problem(settings.home / "logs" / f"{change.name}.log")
            change = replace(change, detail=f"{change.detail}: {said}" if said else change.detail)
        if on_change is not None:
            on_change(change)

    configure("error", "console", "ovr")  # `on_change` tells what happens to the processes
    if await is_up(settings):
        yield None
        return
    async with Supervisor([spec(part, settings, env) for part in parts], on_change=tell) as supervisor:
        yield supervisor
