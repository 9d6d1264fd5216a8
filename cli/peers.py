"""How a command finds the services of the mesh: the same settings as every process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cli.console import fail
from cli.processes import Part

if TYPE_CHECKING:
    from mesh.client import MeshChannel
    from mesh.settings import MeshSettings

T = TypeVar("T")


def settings() -> MeshSettings:
    """The shared settings from the environment."""
    from mesh.settings import MeshSettings, load

    return load(MeshSettings)


def check(parts: Sequence[Part]) -> None:
    """Leave with a sentence when the parts cannot start: a wrong setting or file, or no data directory."""
    from mesh.settings import load

    for part in parts:
        load(part.settings_class())
    home = settings().home
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"OVR_HOME={home}: cannot be made: {error.strerror or error}")


def call(peer: str, ask: Callable[[MeshChannel], Coroutine[Any, Any, T]]) -> T:
    """Run `ask` with a channel to a service; leaves with exit code 1 and a sentence when that fails."""
    from mesh.client import connect
    from mesh.errors import Kind, MeshError

    configured = settings()
    target = configured.target(peer)

    async def run() -> T:
        async with connect(target, peer=peer, settings=configured) as channel:
            return await ask(channel)

    try:
        return asyncio.run(run())
    except MeshError as error:
        down = error.kind is Kind.UNAVAILABLE
        if down and target.startswith("unix:") and not Path(target[len("unix:") :]).exists():
            fail(f"no mesh runs here: there is no {target[len('unix:') :]}; `ovr up` starts one")
        fail(f"{error}; looked at {target}: is the mesh up? `ovr up` starts it" if down else str(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


async def is_ready(configured: MeshSettings, peer: str, timeout: float = 1.0) -> bool:
    """Whether a service says that it can do its work, asked where and as the settings say."""
    from mesh.client import connect
    from mesh.health import READINESS, ask

    async with connect(configured.target(peer), peer=peer, settings=configured) as channel:
        return await ask(channel, READINESS, timeout)
