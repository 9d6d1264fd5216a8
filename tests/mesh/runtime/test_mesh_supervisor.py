"""The supervisor: real processes, restarted within a budget, drained in reverse order, never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mesh.supervisor import Change, ProcessSpec, Restarts, State, Supervisor, SupervisorError

ROOT = Path(__file__).parents[3]
QUICK = Restarts(budget=2, window=60.0, base=0.02, cap=0.05)
# Writes its name when told to stop; `sh` starts a hundred times faster than Python.
OBEDIENT = 'trap "echo $NAME >> $LOG; exit 0" TERM; : > $LOG.$NAME.ready; while :; do sleep 0.02; done'


def shell(name: str, script: str, tmp_path: Path, **fields: object) -> ProcessSpec:
    """A process that is a shell script, ready when it has touched its file."""
    mark = tmp_path / f"log.{name}.ready"

    async def ready() -> bool:
        return mark.exists()

    fields.setdefault("ready", ready)
    environment = {"NAME": name, "LOG": str(tmp_path / "log")}
    return ProcessSpec(name, ("/bin/sh", "-c", script), environment, **fields)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    """Whether the process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(condition: object, seconds: float = 20.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "did not happen in time"
        await asyncio.sleep(0.02)


async def test_processes_start_and_are_drained_in_reverse_order(tmp_path: Path) -> None:
    """All are ready when start returns; at the stop each one ends before the one started before it is told
    to."""
    changes: list[Change] = []
    specs = [shell(name, OBEDIENT, tmp_path) for name in ("store", "ingest", "edge")]
    supervisor = Supervisor(specs, on_change=changes.append)
    await supervisor.start()
    assert {change.name for change in changes if change.state is State.READY} == {"store", "ingest", "edge"}
    assert [change.name for change in changes if change.state is State.STARTING] == [
        "store",
        "ingest",
        "edge",
    ]
    pids = supervisor.pids()
    assert all(map(alive, pids.values()))
    await supervisor.stop()
    assert (tmp_path / "log").read_text().split() == ["edge", "ingest", "store"]
    assert not any(map(alive, pids.values()))
    assert supervisor.pids() == {}


async def test_a_killed_process_comes_back(tmp_path: Path) -> None:
    """After kill -9 a process is started again, the others are left alone."""
    specs = [shell(name, OBEDIENT, tmp_path) for name in ("a", "b")]
    async with Supervisor(specs, restarts=QUICK) as supervisor:
        before = dict(supervisor.pids())
        os.kill(before["a"], signal.SIGKILL)
        await until(lambda: supervisor.pids().get("a", before["a"]) != before["a"])
        assert supervisor.pids()["b"] == before["b"]


async def test_a_process_that_keeps_failing_is_given_up(tmp_path: Path) -> None:
    """The restart budget ends a process that cannot run, with its name and exit code, and stops the
    others."""
    changes: list[Change] = []
    good = shell("good", OBEDIENT, tmp_path)
    bad = shell("bad", "exit 7", tmp_path, ready=None)
    never = shell("bad", "exit 7", tmp_path)
    supervisor = Supervisor([good, never], restarts=QUICK, on_change=changes.append)
    with pytest.raises(SupervisorError, match=r"bad: exit 7, after 2 restarts"):
        await supervisor.start()
    assert sum(change.state is State.STARTING and change.name == "bad" for change in changes) == 3
    assert supervisor.pids() == {}
    running = Supervisor([good], restarts=QUICK)
    await running.start()
    await running.add(bad)
    with pytest.raises(SupervisorError, match="bad: exit 7"):
        await running.wait("good")
    await running.stop()


async def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    """A process that cannot even start is named, not hung upon."""
    spec = ProcessSpec("ghost", ("/no/such/program",), ready=_never)
    with pytest.raises(SupervisorError, match="ghost: exit 127"):
        await Supervisor([spec], restarts=Restarts(budget=0)).start()


async def _never() -> bool:
    return False


async def test_a_process_that_never_gets_ready_counts_as_failed(tmp_path: Path) -> None:
    """Running without ever being ready is a failure after the time to start."""
    spec = shell("stuck", "sleep 60", tmp_path, ready=_never, start_timeout=0.2)
    with pytest.raises(SupervisorError, match="stuck: killed by SIGKILL"):
        await Supervisor([spec], restarts=Restarts(budget=0)).start()


async def test_a_task_ends_by_itself(tmp_path: Path) -> None:
    """A process of `once` may end with 0 and is not restarted; wait returns when it has."""
    supervisor = Supervisor([shell("service", OBEDIENT, tmp_path)], restarts=QUICK)
    async with supervisor:
        await supervisor.add(shell("job", "sleep 0.1; echo done > $LOG.job", tmp_path, once=True, ready=None))
        await asyncio.wait_for(supervisor.wait("job"), 20)
        assert (tmp_path / "log.job").read_text() == "done\n"
        assert set(supervisor.pids()) == {"service"}


async def test_a_process_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """Who ignores SIGTERM is killed after its time."""
    deaf = 'trap "" TERM; : > $LOG.$NAME.ready; while :; do sleep 0.02; done'
    supervisor = Supervisor([shell("deaf", deaf, tmp_path, stop_timeout=0.2)])
    await supervisor.start()
    pid = supervisor.pids()["deaf"]
    await asyncio.wait_for(supervisor.stop(), 20)
    assert not alive(pid)


async def test_stopping_during_a_pause_between_restarts(tmp_path: Path) -> None:
    """A stop does not wait for a restart to come, nor does the restart come after it."""
    spec = shell("flaky", "exit 1", tmp_path, ready=None)
    supervisor = Supervisor([spec], restarts=Restarts(budget=9, base=30, cap=30))
    await supervisor.add(*[])
    starting = asyncio.ensure_future(supervisor.start())
    await asyncio.sleep(0.3)
    await asyncio.wait_for(supervisor.stop(), 20)
    await asyncio.wait([starting], timeout=20)
    assert starting.done()
    assert supervisor.pids() == {}


async def test_output_goes_to_the_log(tmp_path: Path) -> None:
    """What a process prints is appended to its file, which only its user can read."""
    log = tmp_path / "logs" / "job.log"
    supervisor = Supervisor(
        [shell("job", "echo out; echo err >&2", tmp_path, once=True, ready=None, log=log)]
    )
    await supervisor.start()
    await supervisor.wait("job")
    assert log.read_text() == "out\nerr\n"
    assert log.stat().st_mode & 0o077 == 0
    await supervisor.stop()


SUPERVISE = """
import asyncio, sys
from mesh.supervisor import ProcessSpec, Supervisor
CHILD = '''
from mesh.process import run
from mesh.settings import MeshSettings
async def main(settings, process):
    print("up", flush=True)
    await process.stop.wait()
    print("down", flush=True)
    return 0
run(main, MeshSettings, "child")
'''
async def main():
    supervisor = Supervisor([ProcessSpec("child", (sys.executable, "-c", CHILD))])
    await supervisor.start()
    print(supervisor.pids()["child"], flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    """After kill -9 of the supervisor its processes drain and end by themselves."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}"}
    process = subprocess.Popen(  # noqa: ASYNC220 - quick, and kept for the test
        [sys.executable, "-c", SUPERVISE],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    lines = [await asyncio.to_thread(process.stdout.readline) for _ in range(2)]
    pid = next(int(line) for line in lines if line.strip().isdigit())
    assert "up\n" in lines
    assert alive(pid)
    process.kill()
    assert await asyncio.to_thread(process.stdout.readline) == "down\n"
    process.wait()
    await until(lambda: not alive(pid))


async def test_a_log_file_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    """A process whose output has nowhere to go is not kept running, and the reason is told."""
    (tmp_path / "file").write_text("")
    changes: list[Change] = []
    spec = ProcessSpec("mute", ("/bin/true",), ready=_never, log=tmp_path / "file" / "mute.log")
    with pytest.raises(SupervisorError, match="mute: exit 127"):
        await Supervisor([spec], restarts=QUICK, on_change=changes.append).start()
    assert any("File exists" in change.detail for change in changes)
