"""`ovr up`: all services on this machine, supervised."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import peers
from cli.console import err, fail
from cli.processes import PARTS, PILOT, Part

if TYPE_CHECKING:
    from mesh.settings import MeshSettings
    from mesh.supervisor import Change, Supervisor


def up(
    cameras: Annotated[
        Path | None, typer.Option(help="Cameras to watch; without, only the services run.", exists=True)
    ] = None,
) -> None:
    """Run every service on this machine, restart what dies, and drain on Ctrl-C: nothing is lost.

    Example: ovr up --cameras config/cameras.yaml
    """
    parts = (*PARTS, PILOT) if cameras is not None else PARTS
    if cameras is not None:
        os.environ["OVR_EDGE_CAMERAS"] = str(cameras)
    peers.check(parts)
    asyncio.run(_up(peers.settings(), parts))


async def _up(settings: MeshSettings, parts: Sequence[Part]) -> None:
    from cli.local import gateway_address, is_up, listens, local_mesh
    from mesh.supervisor import SupervisorError

    if await is_up(settings):
        fail(f"a mesh runs in {settings.home.resolve()} already; set OVR_HOME to run another one")
    if await listens(gateway_address()):
        fail(f"something listens at OVR_GATEWAY_LISTEN={gateway_address()} already; set another address")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with local_mesh(settings, parts=parts, on_change=_report) as supervisor:
            if supervisor is None:
                fail(f"another mesh has just been started in {settings.home.resolve()}")
            url = gateway_url()
            err().print(f"console {url}/   REST {url}/docs   Ctrl-C ends it")
            await until_stopped(supervisor, stop)
            err().print("[dim]draining[/]")
    except SupervisorError as error:
        fail(f"{error}\n(logs are in {settings.home / 'logs'})")


async def until_stopped(supervisor: Supervisor, stop: asyncio.Event) -> None:
    """Return when `stop` is set. Raises SupervisorError when a process cannot be kept running."""
    gone = asyncio.ensure_future(supervisor.wait())
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait([gone, asked], return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if gone.done():
        gone.result()
    gone.cancel()


def _report(change: Change) -> None:
    from mesh.supervisor import State

    style = {State.READY: "green", State.EXITED: "red", State.GIVEN_UP: "bold red"}.get(change.state, "dim")
    err().print(f"[{style}]{change.name:<15} {change.state.value} {change.detail}[/]")


def gateway_url() -> str:
    """Where the gateway of this environment is found."""
    from gateway.settings import GatewaySettings
    from mesh.settings import load

    settings = load(GatewaySettings)
    return f"{'https' if settings.https_cert else 'http'}://{settings.listen}"
