"""`ovr run`: video, folders, streams and cameras through the whole mesh."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import peers
from cli.console import complain, err, fail, json_line, out, pass_line
from cli.processes import PARTS
from cli.progress import Progress

if TYPE_CHECKING:
    from cli.pilot import PilotRun
    from mesh.settings import MeshSettings
    from ovr.alpr.v1 import event_pb2


def run(
    sources: Annotated[
        list[str], typer.Argument(help="Files, folders, rtsp:// addresses, cameras.", metavar="SOURCE...")
    ],
    camera: Annotated[str | None, typer.Option(help="Camera id; by default made from the source.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Passes and the summary as JSON, a line each.")
    ] = False,
    realtime: Annotated[
        bool, typer.Option(help="Play files at their own speed, dropping frames if late.")
    ] = False,
) -> None:
    """Run sources through the whole mesh: a line for each closed pass, then a summary.

    Joins the mesh that runs in the data directory (`ovr up`), or starts one for the time being. Ctrl-C ends
    the run early: open passes are closed, stored and counted like the others.

    Example: ovr run gate.mp4 --camera gate-1
    """
    for source in sources:
        if "://" not in source and not source.isdigit() and not Path(source).exists():
            fail(f"{source}: there is no such file, folder or device")
    peers.check([part for part in PARTS if part.name != "gateway"])
    try:
        done = asyncio.run(_run(peers.settings(), sources, camera, as_json, realtime))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    if as_json:
        import orjson

        print(orjson.dumps({"summary": done.summary}).decode())
    else:
        print_summary(done.summary)
    if waiting := done.summary["spool"]["events"]:
        complain(f"{waiting} passes could not be published yet; `ovr spool drain` does it")
    if done.stopped:
        raise SystemExit(130)


async def _run(
    settings: MeshSettings, sources: list[str], camera: str | None, as_json: bool, realtime: bool
) -> PilotRun:
    from cli.local import local_mesh
    from cli.pilot import PilotError, follow
    from edge.capture.avsource import without_password
    from mesh.supervisor import SupervisorError
    from wire.event import event_from_wire

    progress = Progress(err())

    def on_event(event: event_pb2.PlateEvent) -> None:
        if as_json:
            print(json_line(event), flush=True)
        else:
            out().print(pass_line(event_from_wire(event)))
        progress.passed()

    try:
        with progress.show("starting the mesh"):
            parts = [part for part in PARTS if part.name != "gateway"]
            async with local_mesh(settings, parts=parts, on_change=progress.change) as own:
                where = "" if own is not None else f" through the mesh in {settings.home.resolve()}"
                progress.say(f"running {', '.join(map(without_password, sources))}{where}")
                done = await follow(
                    settings,
                    sources,
                    camera=camera,
                    realtime=realtime,
                    on_event=on_event,
                    on_trouble=progress.trouble,
                )
                if own is not None:
                    progress.say("stopping the mesh")
                return done
    except (SupervisorError, PilotError) as error:
        fail(f"{error}\n(logs are in {settings.home / 'logs'})")


def print_summary(summary: Mapping[str, Any]) -> None:
    """Passes by outcome, frames and why they were dropped, milliseconds by stage."""
    console = out()
    passes, frames = summary["passes"], summary["frames"]
    console.print(f"passes  {passes['opened']} opened; closed: {_counts(passes['closed'])}")
    console.print(
        f"frames  {frames['captured']} captured, {frames['searched']} searched, "
        f"{frames['still']} without motion; dropped: {_counts(frames['dropped'])}"
    )
    stages = (f"{name} {times['mean']:.1f}" for name, times in summary["stages_ms"].items())
    console.print(f"stages  {', '.join(stages)} (mean ms)")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"
