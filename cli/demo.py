"""`ovr demo`: a rendered clip through every service, and what came of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli import peers
from cli.console import err, fail, out, pass_line
from cli.progress import Progress
from cli.run import print_summary
from cli.up import gateway_url, until_stopped

if TYPE_CHECKING:
    from cli.pilot import PilotRun
    from mesh.settings import MeshSettings
    from mesh.supervisor import Supervisor
    from ovr.alpr.v1 import alert_pb2, event_pb2
    from synth.clip import GroundTruthPass

CAMERA = "demo-gate"
ALERT_SECONDS = 10.0
RULES = """\
# Written by `ovr demo`: the watchlist of the rendered clip.
rules:
  - id: demo-watchlist
    name: Vehicle on the demo's watchlist
    severity: critical
    match: exact
    patterns: [{text}]
"""


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the clip instead of keeping the console up.")
    ] = False,
) -> None:
    """Render a clip, run it through every service over real gRPC, and show the passes, the alert and a trace.

    Needs no camera, no GPU and no network. Works in OVR_HOME/demo, which it empties first.

    Example: ovr demo --once
    """
    home = peers.settings().home / "demo"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    os.environ["OVR_HOME"] = str(home)
    os.environ.setdefault("OVR_TRACE_DIR", str(home / "traces"))
    os.environ.setdefault("OVR_GATEWAY_LISTEN", f"127.0.0.1:{_free_port(8000)}")
    try:
        good = asyncio.run(_demo(peers.settings(), once))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    if not good:
        raise SystemExit(1)


def _free_port(wanted: int) -> int:
    """The port that is wanted, or any free one if it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            free: int = probe.getsockname()[1]
            return free
    raise OSError("no free port on 127.0.0.1")


async def _demo(settings: MeshSettings, once: bool) -> bool:
    from cli.local import local_mesh
    from cli.pilot import PilotError, follow
    from mesh.supervisor import SupervisorError
    from synth.clip import WATCHLIST_TEXT, render_demo_clip
    from wire.event import event_from_wire

    progress = Progress(err())
    clip, rules = settings.home / "demo.mp4", settings.home / "alert_rules.yaml"
    rules.write_text(RULES.format(text=WATCHLIST_TEXT), "utf-8")

    def on_event(event: event_pb2.PlateEvent) -> None:
        out().print(pass_line(event_from_wire(event)))
        progress.passed()

    try:
        with progress.show("rendering the clip"):
            truth = await asyncio.to_thread(render_demo_clip, clip)
            progress.say("starting nine processes")
            env = {"OVR_ALERT_RULES": str(rules)}
            async with local_mesh(settings, env=env, on_change=progress.change) as supervisor:
                progress.say(f"running {len(truth)} rendered vehicles past the camera")
                done = await follow(settings, [str(clip)], camera=CAMERA, on_event=on_event)
                if done.stopped:
                    raise SystemExit(130)
                alerts = await _alerts(settings)
                good = _show(truth, done, alerts)
                if not once and supervisor is not None:
                    await _stay(supervisor, progress)
                progress.say("draining the processes")
            return good
    except (SupervisorError, PilotError) as error:
        fail(f"{error}\n(logs are in {settings.home / 'logs'})")


async def _alerts(settings: MeshSettings) -> Sequence[alert_pb2.Alert]:
    """The alerts that fired; waits a while for the first."""
    from mesh.client import connect
    from ovr.alpr.v1 import alert_pb2, alert_pb2_grpc

    loop = asyncio.get_running_loop()
    until = loop.time() + ALERT_SECONDS
    async with connect(settings.target("alert"), peer="alert", settings=settings) as channel:
        stub = alert_pb2_grpc.AlertServiceStub(channel)
        while True:
            alerts = (await stub.ListAlerts(alert_pb2.ListAlertsRequest())).alerts
            if alerts or loop.time() > until:
                return list(alerts)
            await asyncio.sleep(0.1)


def _show(truth: Sequence[GroundTruthPass], done: PilotRun, alerts: Sequence[alert_pb2.Alert]) -> bool:
    """Print what came of the clip; whether every pass became an event and the alert fired."""
    from ovr.alpr.v1 import event_pb2

    console = out()
    console.print()
    for alert in alerts:
        plate = alert.event.plate.text
        console.print(f"[bold red]ALERT[/]   {alert.rule_name}: {plate} at {alert.event.camera_id}")
    print_summary(done.summary)
    expected = sorted(vehicle.text for vehicle in truth)
    read = sorted(event.plate.text for event in done.events if event.outcome == event_pb2.OUTCOME_READ)
    right = sum(min(expected.count(text), read.count(text)) for text in set(expected))
    console.print(
        f"truth   {right} of {len(expected)} vehicles read exactly, {len(read) - right} false reads"
    )
    if alerts:
        console.print(f"trace   {alerts[0].event.trace_id} of event {alerts[0].event.event_id}")
    url = gateway_url()
    console.print(f"console {url}/   REST {url}/docs")
    return len(done.events) == done.summary["passes"]["opened"] and bool(alerts)


async def _stay(supervisor: Supervisor, progress: Progress) -> None:
    progress.say("the console stays up; Ctrl-C ends it")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await until_stopped(supervisor, stop)
