"""Sources through the mesh: the pilot as a process of its own, and its passes as they close."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cli.ending import why

if TYPE_CHECKING:
    from mesh.client import MeshChannel
    from mesh.settings import MeshSettings
    from ovr.alpr.v1 import event_pb2

LAST_EVENTS_SECONDS = 10.0
CAMERAS_SECONDS = 2.0


class PilotError(Exception):
    """The pilot ended badly; the message says why."""


@dataclass
class PilotRun:
    """What came of a run: the summary the pilot wrote at its end, the events seen, whether it was stopped."""

    summary: Mapping[str, Any] = field(default_factory=dict)
    events: list[event_pb2.PlateEvent] = field(default_factory=list)
    stopped: bool = False


async def follow(
    settings: MeshSettings,
    sources: Sequence[str],
    *,
    camera: str | None = None,
    realtime: bool = False,
    on_event: Callable[[event_pb2.PlateEvent], None],
    on_trouble: Callable[[str], None] | None = None,
) -> PilotRun:
    """Run the sources to their end; `on_event` hears of each pass once it is stored, `on_trouble` why a
    camera gives no pictures. Raises PilotError.

    SIGINT and SIGTERM stop the pilot, which closes its open passes first; a second one ends it at once.
    The pilot gets a node id of its own, which tells its spool and its passes from any other pilot's here.
    """
    from mesh.client import connect

    node = f"run-{uuid.uuid4().hex[:12]}"
    run = PilotRun()
    async with connect(settings.target("query"), peer="query", settings=settings) as channel:
        seen = asyncio.Event()
        listening = [asyncio.ensure_future(_watch(channel, node, run, on_event, seen))]
        if on_trouble is not None:
            listening.append(asyncio.ensure_future(_heed(channel, node, on_trouble)))
        try:
            run.summary = await _fly(settings, node, sources, camera, realtime, run)
            if not run.summary["spool"]["events"]:  # all acknowledged, and no later run has this node id
                shutil.rmtree(settings.home / "spool" / node, ignore_errors=True)
            expected = sum(run.summary["passes"]["closed"].values())
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(_until(seen, lambda: len(run.events) >= expected), LAST_EVENTS_SECONDS)
        finally:
            for task in listening:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    return run


async def _until(seen: asyncio.Event, enough: Callable[[], bool]) -> None:
    while not enough():
        seen.clear()
        await seen.wait()


async def _watch(
    channel: MeshChannel,
    node: str,
    run: PilotRun,
    on_event: Callable[[event_pb2.PlateEvent], None],
    seen: asyncio.Event,
) -> None:
    async for event in watch_events(channel):
        if event.node_id == node:
            run.events.append(event)
            on_event(event)
            seen.set()


async def _heed(channel: MeshChannel, node: str, on_trouble: Callable[[str], None]) -> None:
    """Tell of cameras that give no pictures, each trouble once, by what their pilot reports."""
    from mesh.errors import MeshError
    from ovr.alpr.v1 import query_pb2, query_pb2_grpc

    stub = query_pb2_grpc.QueryServiceStub(channel)
    told: set[tuple[str, str]] = set()
    while True:
        await asyncio.sleep(CAMERAS_SECONDS)
        try:
            cameras = (await stub.ListCameras(query_pb2.ListCamerasRequest(page_size=1000))).cameras
        except MeshError:
            continue  # who asks in vain asks again; the run does not depend on it
        for camera in cameras:
            trouble = (camera.camera_id, camera.status.detail)
            still = camera.node_id == node and camera.status.state in ("connecting", "stalled", "failed")
            if still and camera.status.detail and trouble not in told:
                told.add(trouble)
                on_trouble(f"{camera.camera_id} {camera.status.state}: {camera.status.detail}")


async def watch_events(channel: MeshChannel) -> AsyncIterator[event_pb2.PlateEvent]:
    """Events from now on, without a gap when the query service is restarted."""
    from mesh.errors import Kind, MeshError
    from ovr.alpr.v1 import query_pb2, query_pb2_grpc

    stub = query_pb2_grpc.QueryServiceStub(channel)
    cursor = ""
    while True:
        try:
            async for message in stub.WatchEvents(query_pb2.WatchEventsRequest(cursor=cursor)):
                cursor = message.cursor
                if message.HasField("event"):
                    yield message.event
        except MeshError as error:
            if error.kind is not Kind.UNAVAILABLE:
                raise
            await asyncio.sleep(0.2)


async def _fly(
    settings: MeshSettings,
    node: str,
    sources: Sequence[str],
    camera: str | None,
    realtime: bool,
    run: PilotRun,
) -> Mapping[str, Any]:
    log = settings.home / "logs" / "pilot.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, log.open("ab") as output:
        summary, begin = Path(scratch) / "summary.json", output.tell()
        argv = [sys.executable, "-m", "edge", "--summary", str(summary)]
        for source in sources:
            argv += ["--source", source]
        if camera is not None:
            argv += ["--camera", camera]
        if realtime:
            argv.append("--realtime")
        code = await _live(argv, {"OVR_NODE_ID": node, "OVR_LOG_FORMAT": "json"}, output, run)
        if code != 0 or not summary.exists():
            raise PilotError(f"the pilot ended with exit code {code}: {why(log, begin)}")
        result: Mapping[str, Any] = json.loads(summary.read_text("utf-8"))
        return result


async def _live(argv: Sequence[str], env: Mapping[str, str], output: IO[bytes], run: PilotRun) -> int:
    """The pilot's process from start to exit code.

    It has a session of its own, so that Ctrl-C reaches it once, from here; and a pipe whose end stops it
    should this process be killed.
    """
    from mesh.process import SUPERVISOR_FD

    alive, watched = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env={**os.environ, **env, SUPERVISOR_FD: str(alive)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(alive,),
            start_new_session=True,
        )
    finally:
        os.close(alive)

    def stop() -> None:
        run.stopped = True
        with contextlib.suppress(ProcessLookupError):
            process.terminate()

    try:
        with _on_signals(stop):
            return await process.wait()
    except asyncio.CancelledError:
        stop()
        await process.wait()
        raise
    finally:
        os.close(watched)


@contextlib.contextmanager
def _on_signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
