"""The pilot as `ovr run` keeps it: stopped once, in order, and its end explained."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from cli.ending import problem, why
from cli.local import spec
from cli.pilot import PilotRun, _heed, _live
from cli.processes import PARTS
from cli.processes import PILOT as PILOT_PART
from mesh.settings import MeshSettings
from mesh.testing import Harness
from ovr.alpr.v1 import ingest_pb2, query_pb2

# A pilot that says when it can be stopped, and how often it is.
PILOT = """
import signal, sys, time
count = 0
def told(number, frame):
    global count
    count += 1
signal.signal(signal.SIGINT, told)
signal.signal(signal.SIGTERM, told)
print("ready", flush=True)
end = time.monotonic() + 20
while not count and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.5)
print("told", count, flush=True)
"""

# A command whose process group gets Ctrl-C, as a terminal gives it.
COMMAND = """
import asyncio, sys
from cli.pilot import PilotRun, _live
run = PilotRun()
with open(sys.argv[2], "wb") as output:
    code = asyncio.run(_live([sys.executable, "-c", sys.argv[1]], {}, output, run))
print(code, run.stopped)
"""


def test_ctrl_c_reaches_the_pilot_once(tmp_path: Path) -> None:
    """Ctrl-C in a terminal goes to the whole process group, but the pilot drains: it is told once."""
    log = tmp_path / "log"
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND, PILOT, str(log)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (log.exists() and "ready" in log.read_text("utf-8")):
        assert command.poll() is None
    os.killpg(command.pid, signal.SIGINT)
    said, _ = command.communicate(timeout=20)
    assert said.split() == ["0", "True"]
    assert log.read_text("utf-8").splitlines() == ["ready", "told 1"]


def _until_written(descriptor: int) -> None:
    while not os.fstat(descriptor).st_size:
        time.sleep(0.01)


async def test_a_cancelled_run_stops_its_pilot() -> None:
    """Whoever gives the run up leaves no process behind."""
    run = PilotRun()
    with tempfile.TemporaryFile() as output:
        live = asyncio.ensure_future(_live([sys.executable, "-c", PILOT], {}, output, run))
        await asyncio.to_thread(_until_written, output.fileno())
        live.cancel()
        await asyncio.wait([live])
    assert live.cancelled()
    assert run.stopped


def test_the_end_is_explained_by_what_the_pilot_logged(tmp_path: Path) -> None:
    """Of this run's log the problems count, each once; without any, the last lines."""
    log = tmp_path / "pilot.log"
    earlier = '{"problem": "of an earlier run"}\n'
    log.write_text(
        earlier + '{"state": "failed", "why": "a.mp4: cannot be opened"}\n'
        '{"state": "failed", "why": "a.mp4: cannot be opened"}\n{"event": "ended"}\nno JSON\n',
        "utf-8",
    )
    assert why(log, len(earlier)) == "a.mp4: cannot be opened"
    log.write_text("Traceback\nOSError: why\n", "utf-8")
    assert why(log, 0).endswith("OSError: why")
    assert problem(log) == ""


def test_only_the_last_life_of_a_process_explains_its_end(tmp_path: Path) -> None:
    """What a process said before it was restarted is not its problem any more."""
    log = tmp_path / "query.log"
    log.write_text(
        '{"event": "started"}\n{"problem": "old"}\n{"event": "started"}\n{"event": "ended"}\n', "utf-8"
    )
    assert problem(log) == ""
    assert problem(tmp_path / "absent.log") == ""


def test_a_pilot_that_is_done_is_not_started_again(tmp_path: Path) -> None:
    """`ovr up` restarts what dies; a pilot whose recordings have ended would play them once more."""
    settings = MeshSettings(home=tmp_path)
    assert spec(PILOT_PART, settings).once
    assert not any(spec(part, settings).once for part in PARTS)


async def test_a_camera_without_pictures_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trouble is told once however often it is reported; streaming cameras and other boxes' are not."""
    monkeypatch.setattr("cli.pilot.CAMERAS_SECONDS", 0.01)
    asked, told, answers = asyncio.Event(), list[str](), list[query_pb2.ListCamerasResponse]()

    def camera(node: str, name: str, state: str, detail: str) -> query_pb2.Camera:
        status = ingest_pb2.CameraStatus(camera_id=name, state=state, detail=detail)
        return query_pb2.Camera(camera_id=name, node_id=node, status=status)

    def cameras(_: query_pb2.ListCamerasRequest) -> query_pb2.ListCamerasResponse:
        refused = camera("ours", "gate", "connecting", "Connection refused")
        others = (camera("ours", "exit", "streaming", ""), camera("theirs", "ramp", "failed", "gone"))
        answers.append(query_pb2.ListCamerasResponse(cameras=[refused, *others]))
        if len(answers) == 3:
            asked.set()
        return answers[-1]

    async with Harness() as mesh:
        await mesh.neighbour("query", "ovr.alpr.v1.QueryService", ListCameras=cameras)
        heeding = asyncio.ensure_future(_heed(mesh.connect("query"), "ours", told.append))
        await asyncio.wait_for(asked.wait(), 10)
        heeding.cancel()
    assert told == ["gate connecting: Connection refused"]
