"""An edge box in miniature under chaos: the real spool and the real publisher, which die and start again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from edge.meters import Stages
from edge.passes.event import Identity
from edge.publish import Publisher, PublishOptions
from edge.spool import Spool, SpoolRecord, SpoolSettings
from mesh.errors import MeshError
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import ingest_pb2_grpc
from tests.faults.chaos import Chaos, Crash

SETTINGS = SpoolSettings(segment_bytes=64 << 10)
OPTIONS = PublishOptions(window=48, ack_timeout=5.0, retry_first=0.01, retry_longest=0.05)
IDENTITY = Identity("site-1", "node-1", "test")


class FaultySpool:
    """The spool as the publisher sees it, with faults."""

    def __init__(self, spool: Spool, chaos: Chaos) -> None:
        self._spool = spool
        self._chaos = chaos

    async def read(self, after: int, limit: int) -> Sequence[SpoolRecord]:
        return await self._chaos.around("spool.read", lambda: self._spool.read(after, limit))

    async def wait(self, after: int) -> None:
        await self._spool.wait(after)

    async def acknowledge(self, sequence: int) -> None:
        await self._chaos.around("spool.acknowledge", lambda: self._spool.acknowledge(sequence))


class EdgeBox:
    """Takes payloads into its spool and publishes them from there.

    A crash leaves what the disk has at that moment: the spool's directory is copied as it stands, and the
    next life begins on the copy.
    """

    def __init__(self, home: Path, chaos: Chaos, stub: ingest_pb2_grpc.IngestServiceAsyncStub) -> None:
        self.crashes = 0
        self._home = home
        self._chaos = chaos
        self._stub = stub
        self._telemetry = Telemetry("edge-box")
        self._crashing = asyncio.Lock()
        self._publishing: asyncio.Task[None]

    async def __aenter__(self) -> EdgeBox:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()
        await self._spool.close()

    @property
    def _directory(self) -> Path:
        return self._home / f"spool-{self.crashes}"

    async def _start(self) -> None:
        self._spool = await Spool.open(self._directory, SETTINGS)
        assert self._spool.status().shed.get("damaged", 0) == 0
        self._publishing = asyncio.create_task(self._publish(self.crashes))

    async def _stop(self) -> None:
        self._publishing.cancel()
        await asyncio.wait([self._publishing])

    async def _publish(self, life: int) -> None:
        spool = FaultySpool(self._spool, self._chaos)
        publisher = Publisher(spool, self._stub, IDENTITY, self._telemetry, Stages(self._telemetry), OPTIONS)
        try:
            await publisher.run()
        except Crash:
            self._dying = asyncio.create_task(self._crash(life))

    async def _crash(self, life: int) -> None:
        async with self._crashing:
            if life != self.crashes:
                return  # another part of the process has died of it already
            old, directory = self._spool, self._directory
            self.crashes += 1
            await self._stop()
            # in the spool's own writing thread: what is copied stood on disk at one moment
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(old._writing, shutil.copytree, directory, self._directory)
            await old.close()
            await asyncio.to_thread(shutil.rmtree, directory)
            await self._start()

    async def take(self, payload: bytes) -> None:
        """Return when the spool has the payload for good; it may have it more than once."""
        while True:
            async with self._crashing:  # never a new life's number with the old life's spool
                life, spool = self.crashes, self._spool
            try:
                await self._chaos.around("spool.append", lambda spool=spool: spool.append(payload))
            except MeshError:
                await asyncio.sleep(0.001)
            except Crash:
                await self._crash(life)
            else:
                if life == self.crashes:
                    return  # else the process died before it could say so

    async def emptied(self) -> None:
        """Return when everything taken is acknowledged."""
        while self._crashing.locked() or self._spool.status().events:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
