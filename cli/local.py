"""The mesh on this machine: joined if one runs in the data directory, started for the time being if not."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from cli.peers import is_ready
from cli.processes import PARTS, Part

if TYPE_CHECKING:
    from mesh.settings import MeshSettings
    from mesh.supervisor import Change, ProcessSpec, Supervisor


def spec(part: Part, settings: MeshSettings, env: Mapping[str, str] | None = None) -> ProcessSpec:
    """How the supervisor keeps a part running; its output goes to a log file in the data directory."""
    from mesh.supervisor import ProcessSpec

    address = settings.target(part.name) if part.serves else ""

    async def ready() -> bool:
        return await is_ready(address, part.name)

    return ProcessSpec(
        part.name,
        (sys.executable, "-m", part.module),
        env={"OVR_LOG_FORMAT": "json", **(env or {})},
        ready=ready if part.serves else None,
        log=settings.home / "logs" / f"{part.name}.log",
    )


async def is_up(settings: MeshSettings) -> bool:
    """Whether a mesh runs in this data directory."""
    return await is_ready(settings.target("query"), "query")


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
    from mesh.supervisor import Supervisor

    if await is_up(settings):
        yield None
        return
    async with Supervisor([spec(part, settings, env) for part in parts], on_change=on_change) as supervisor:
        yield supervisor
