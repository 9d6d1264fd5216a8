"""Outages: the back of the mesh as processes, on whatever engines the environment names, an edge box that
never stops sending, and faults that last.

Unlike `tests.faults.backend` nothing is simulated: engines and processes are killed or stopped by signals.
What must hold is the same: what the edge's disk has taken is seen exactly once everywhere.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import uuid6

from cli.local import spec
from cli.processes import PARTS
from edge.meters import Stages
from edge.passes.event import Identity
from edge.publish import Publisher, PublishOptions
from edge.spool import Spool
from mesh.client import MeshChannel, connect
from mesh.health import READINESS, ask
from mesh.settings import MeshSettings
from mesh.supervisor import Change, Restarts, Supervisor
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import alert_pb2_grpc, ingest_pb2_grpc, query_pb2_grpc
from plates.event import PlateEvent
from tests.builders.events import event, picture
from tests.builders.published import published
from tests.faults.audit import ALERTING, Auditor, Ledger, Verdict, audit, watch

SERVING = ("ingest", "query", "alert")
SERVICES = ("ingest", "event-writer", "search-indexer", "query", "alert")
RULES = f"""
rules:
  - {{id: every-ninth, name: Every ninth, severity: info, match: prefix, patterns: [{ALERTING}], cooldown: 0}}
"""


@dataclass(frozen=True, slots=True)
class Outage:
    """A fault that lasts so many seconds: of a process of ours, or of an engine."""

    what: str
    how: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.how} {self.what} for {self.seconds:.0f} s"


class Control:
    """Kills, pauses and brings back engines by a command: `COMMAND kill|pause|resume|up ENGINE`."""

    def __init__(self, command: str) -> None:
        self._command = command

    async def __call__(self, verb: str, engine: str) -> None:
        """Run the command to its end; RuntimeError with what it printed if it fails."""
        process = await asyncio.create_subprocess_exec(
            self._command, verb, engine, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{self._command} {verb} {engine}: {said.decode()[-500:]}")


class Deployment:
    """The services as processes, supervised, in a data directory; `env` names the engines."""

    def __init__(self, home: Path, env: Mapping[str, str], ledger: Ledger) -> None:
        rules = home / "rules.yaml"
        rules.write_text(RULES)
        self.settings = MeshSettings(home=home)
        self._ledger = ledger
        self.env = {**env, "OVR_HOME": str(home), "OVR_ALERT_RULES": str(rules)}
        specs = [spec(part, self.settings, self.env) for part in PARTS if part.name in SERVICES]
        # an outage may be longer than what a process endures at its start
        restarts = Restarts(budget=1000, cap=2.0)
        self.supervisor = Supervisor(specs, restarts=restarts, on_change=self._changed)

    def _changed(self, change: Change) -> None:
        self._ledger.note(f"{change.name} {change.state.value} {change.detail}".strip())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Deployment]:
        """Started, all ready; stopped in order at the end."""
        async with self.supervisor:
            yield self

    def channel(self, peer: str) -> MeshChannel:
        """A channel to one of the services."""
        return connect(self.settings.target(peer), peer=peer, settings=self.settings)

    def send(self, name: str, number: signal.Signals) -> None:
        """A signal to a process."""
        with suppress(ProcessLookupError, KeyError):
            os.kill(self.supervisor.pids()[name], number)


class SteadyEdge:
    """A spool and its publisher, fed with events at a steady rate."""

    def __init__(self, directory: Path, channel: MeshChannel, ledger: Ledger, seed: int) -> None:
        self._directory, self._channel, self._ledger = directory, channel, ledger
        self._chance = random.Random(seed)

    async def run(self, rate: float, stop: asyncio.Event, patience: float) -> float:
        """Take `rate` events a second until `stop`; the seconds it then took until all were acknowledged.

        TimeoutError if that took longer than `patience`.
        """
        spool = await Spool.open(self._directory)
        options = PublishOptions(ack_timeout=10.0, retry_first=0.1, retry_longest=1.0)
        telemetry = Telemetry("edge-box")
        stub = ingest_pb2_grpc.IngestServiceStub(self._channel)
        publisher = Publisher(
            spool, stub, Identity("site-1", "node-1", "test"), telemetry, Stages(telemetry), options
        )
        publishing = asyncio.create_task(publisher.run())
        try:
            await self._feed(spool, rate, stop)
            stopped = time.monotonic()
            await asyncio.wait_for(publisher.emptied(lambda: spool.status().events == 0), patience)
            return time.monotonic() - stopped
        finally:
            publishing.cancel()
            await asyncio.wait([publishing])
            await spool.close()

    async def _feed(self, spool: Spool, rate: float, stop: asyncio.Event) -> None:
        began, number = time.monotonic(), 0
        while not stop.is_set():
            sent, data = self._event(number)
            await spool.append(published(sent, 0, [data]).event.SerializeToString())
            self._ledger.taken[sent.event_id] = sent
            number += 1
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))

    def _event(self, number: int) -> tuple[PlateEvent, bytes]:
        item, data = picture(b"picture %d %d" % (number, self._chance.getrandbits(64)))
        text = f"F{number % 10}{number:06}"
        now = datetime.now(timezone.utc).replace(microsecond=0)
        made = event(text, id=str(uuid6.uuid7()), at=now, camera=f"cam-{number % 4}", evidence=(item,))
        return made, data


async def watch_readiness(deployment: Deployment, ledger: Ledger) -> None:
    """Note every change of every service's readiness; until cancelled."""
    async with AsyncExitStack() as stack:
        channels = {
            name: await stack.enter_async_context(deployment.channel(name))
            for name in ("ingest", "query", "alert")
        }
        while True:
            for name, channel in channels.items():
                seen = ledger.ready.setdefault(name, [])
                ready = await ask(channel, READINESS, 3.0)
                if not seen or seen[-1][1] is not ready:
                    seen.append((time.monotonic(), ready))
            await asyncio.sleep(0.5)


async def quiet(ledger: Ledger, patience: float) -> None:
    """Return when every service says that it is ready, after `patience` seconds at the latest."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if len(ledger.ready) == len(SERVING) and all(seen[-1][1] for seen in ledger.ready.values()):
            return
        await asyncio.sleep(0.2)


async def suffer(outage: Outage, deployment: Deployment, control: Control | None, ledger: Ledger) -> None:
    """One outage from its beginning to its end: afterwards the engine answers again, or the process runs."""
    ledger.note(str(outage))
    if outage.what in SERVICES:
        if outage.how == "kill":
            deployment.send(outage.what, signal.SIGKILL)  # the supervisor starts it again
            await asyncio.sleep(outage.seconds)
        else:
            deployment.send(outage.what, signal.SIGSTOP)
            await asyncio.sleep(outage.seconds)
            deployment.send(outage.what, signal.SIGCONT)
    else:
        assert control is not None, f"no command controls {outage.what}"
        await control(outage.how, outage.what)
        await asyncio.sleep(outage.seconds)
        await control("up" if outage.how == "kill" else "resume", outage.what)
    ledger.note(f"end of {outage.how} {outage.what}")


async def endure(
    home: Path,
    env: Mapping[str, str],
    outages: AsyncIterator[Outage],
    *,
    rate: float,
    control: Control | None,
    seed: int = 1,
    patience: float = 120.0,
    ledger: Ledger,
) -> Verdict:
    """Run the deployment, send steadily, suffer the outages one after the other, then audit."""
    async with AsyncExitStack() as stack:
        deployment = await stack.enter_async_context(Deployment(home, env, ledger).running())
        ingest, query, alert = [await stack.enter_async_context(deployment.channel(n)) for n in SERVING]
        stub = query_pb2_grpc.QueryServiceStub(query)
        stop = asyncio.Event()
        watching = [
            asyncio.create_task(watch(stub, ledger)),
            asyncio.create_task(watch_readiness(deployment, ledger)),
        ]
        try:
            await asyncio.sleep(1.0)  # the watch begins with what comes now
            feeding = asyncio.create_task(
                SteadyEdge(home / "edge", ingest, ledger, seed).run(rate, stop, patience)
            )
            async for outage in outages:
                await suffer(outage, deployment, control, ledger)
            stop.set()
            drained = await feeding
            auditor = Auditor(stub, alert_pb2_grpc.AlertServiceStub(alert))
            return await audit(auditor, ledger, drained, patience)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)
