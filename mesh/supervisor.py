"""Processes of one machine: started in order, restarted within a budget, drained in reverse order.

Children run in sessions of their own, so that Ctrl-C reaches the supervisor alone and the drain keeps its
order. Each holds the reading end of a pipe: should the supervisor be killed, the pipe ends and mesh.process
stops the child.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import random
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mesh.logs import logger
from mesh.process import SUPERVISOR_FD

READY_POLL = 0.1


class State(enum.Enum):
    """Where a process is in its life."""

    STARTING = "starting"
    READY = "ready"
    EXITED = "exited"
    RESTARTING = "restarting"
    GIVEN_UP = "given up"
    STOPPED = "stopped"


@dataclass(frozen=True)
class ProcessSpec:
    """A process to keep running.

    `env` is added to the supervisor's environment. `ready` says whether it serves; without it, it is ready
    when it has started. `once` ends by itself: exit 0 is its end, anything else a failure like any other's.
    Output goes to the file `log`, appended, or where the supervisor's goes. Times are in seconds.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[bool]] | None = None
    once: bool = False
    log: Path | None = None
    start_timeout: float = 60.0
    stop_timeout: float = 15.0


@dataclass(frozen=True)
class Restarts:
    """At most `budget` restarts of a process within `window` seconds, after `base` seconds doubling up to
    `cap`."""

    budget: int = 5
    window: float = 120.0
    base: float = 0.2
    cap: float = 10.0

    def delay(self, recent: int) -> float:
        """Seconds to wait before a restart that follows this many recent ones; jittered."""
        return min(self.cap, self.base * 2.0**recent) * random.uniform(0.75, 1.25)


@dataclass(frozen=True)
class Change:
    """What happened to a process."""

    name: str
    state: State
    detail: str = ""
    pid: int | None = None


class SupervisorError(Exception):
    """A process could not be started or kept running; the message says which and why."""


class _Child:
    """One process through its restarts."""

    def __init__(self, spec: ProcessSpec, restarts: Restarts, tell: Callable[[Change], None]) -> None:
        self.spec = spec
        self._restarts = restarts
        self._tell = tell
        self._starts: deque[float] = deque()
        self._stopping = False
        self._process: asyncio.subprocess.Process | None = None
        self._life: asyncio.Task[str] | None = None
        self.ready = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    def start(self) -> asyncio.Task[str]:
        """Begin; the task ends with why the process is not kept running any more, empty for a good end."""
        self._life = asyncio.ensure_future(self._live())
        return self._life

    async def _live(self) -> str:
        while True:
            self.ready.clear()
            code = await self._once()
            if self._stopping or (self.spec.once and code == 0):
                self._tell(Change(self.spec.name, State.STOPPED, f"exit {code}"))
                return ""
            why = f"exit {code}" if code >= 0 else f"killed by {_signal_name(-code)}"
            self._tell(Change(self.spec.name, State.EXITED, why))
            recent = self._recent_restarts()
            if recent >= self._restarts.budget:
                self._tell(Change(self.spec.name, State.GIVEN_UP, why))
                return f"{self.spec.name}: {why}, after {recent} restarts in {self._restarts.window:g} s"
            pause = self._restarts.delay(recent)
            self._tell(Change(self.spec.name, State.RESTARTING, f"in {pause:.1f} s"))
            self._starts.append(time.monotonic())
            await asyncio.sleep(pause)

    def _recent_restarts(self) -> int:
        limit = time.monotonic() - self._restarts.window
        while self._starts and self._starts[0] < limit:
            self._starts.popleft()
        return len(self._starts)

    async def _once(self) -> int:
        alive, watched = os.pipe()
        output: int | None = None
        try:
            output = self._open_log()
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                env={**os.environ, **self.spec.env, SUPERVISOR_FD: str(alive)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(alive,),
                start_new_session=True,
            )
        except OSError as error:
            os.close(watched)
            self._tell(Change(self.spec.name, State.EXITED, f"cannot start: {error.strerror or error}"))
            return 127
        finally:
            os.close(alive)
            if output is not None:
                os.close(output)
        self._tell(Change(self.spec.name, State.STARTING, pid=self._process.pid))
        probe = asyncio.ensure_future(self._probe(self._process))
        try:
            return await self._process.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            raise
        finally:
            probe.cancel()
            os.close(watched)

    def _open_log(self) -> int | None:
        if self.spec.log is None:
            return None
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self.spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    async def _probe(self, process: asyncio.subprocess.Process) -> None:
        until = time.monotonic() + self.spec.start_timeout
        while self.spec.ready is not None and not await self.spec.ready():
            if time.monotonic() > until:
                self._tell(
                    Change(self.spec.name, State.EXITED, f"not ready in {self.spec.start_timeout:g} s")
                )
                process.kill()
                return
            await asyncio.sleep(READY_POLL)
        self.ready.set()
        self._tell(Change(self.spec.name, State.READY, pid=process.pid))

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after the spec's time."""
        self._stopping = True
        if self._life is None or self._life.done():
            return
        if self.pid is None:
            self._life.cancel()  # between two starts
        else:
            self._send(signal.SIGTERM)
        await asyncio.wait([self._life], timeout=self.spec.stop_timeout)
        if not self._life.done():
            self._tell(Change(self.spec.name, State.EXITED, f"did not stop in {self.spec.stop_timeout:g} s"))
            self._send(signal.SIGKILL)
            await asyncio.wait([self._life])

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


class Supervisor:
    """Keeps processes running until stopped; `on_change` hears of everything that happens to one.

    As `async with` it starts on entry, when all are ready, and drains on exit.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        *,
        restarts: Restarts | None = None,
        on_change: Callable[[Change], None] | None = None,
    ) -> None:
        self._specs = tuple(specs)
        self._restarts = restarts or Restarts()
        self._on_change = on_change
        self._children: list[_Child] = []
        self._lives: dict[asyncio.Task[str], _Child] = {}
        self._log = logger("mesh.supervisor")

    def _tell(self, change: Change) -> None:
        bad = change.state in (State.EXITED, State.GIVEN_UP)
        (self._log.warning if bad else self._log.debug)(
            "process " + change.state.value, process=change.name, detail=change.detail, child=change.pid
        )
        if self._on_change is not None:
            self._on_change(change)

    async def start(self) -> None:
        """Start all in their order and return when every one is ready.

        Raises SupervisorError when one cannot be kept running; those that run are stopped before."""
        try:
            await self.add(*self._specs)
        except BaseException:
            await self.stop()
            raise

    async def add(self, *specs: ProcessSpec) -> None:
        """Start further processes and return when they are ready. Raises SupervisorError as `start` does."""
        added = [_Child(spec, self._restarts, self._tell) for spec in specs]
        for child in added:
            self._children.append(child)
            self._lives[child.start()] = child
        for child in added:
            await self._until_ready(child)

    async def _until_ready(self, child: _Child) -> None:
        life = next(task for task, owner in self._lives.items() if owner is child)
        ready = asyncio.ensure_future(child.ready.wait())
        try:
            await asyncio.wait([life, ready], return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if life.done() and not life.cancelled() and life.result():
            raise SupervisorError(life.result())

    async def wait(self, *names: str) -> None:
        """Return when the named processes, or all, have come to a good end; for processes of `once`.

        Raises SupervisorError as soon as any process cannot be kept running."""
        pending = {task for task, child in self._lives.items() if not names or child.spec.name in names}
        watched = set(self._lives)
        while pending:
            done, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for life in done:
                if not life.cancelled() and life.result():
                    raise SupervisorError(life.result())
            pending -= done

    def pids(self) -> Mapping[str, int]:
        """The processes that run, by name."""
        return {child.spec.name: child.pid for child in self._children if child.pid is not None}

    async def stop(self) -> None:
        """Stop all, the last started first, each when the one before has ended."""
        for child in reversed(self._children):
            await child.stop()

    async def __aenter__(self) -> Supervisor:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
