"""Thousands of seeded faults between ingest and the eyes of people: nothing acknowledged is lost, nothing is
seen twice."""

from __future__ import annotations

import asyncio
import os
import random
from datetime import timedelta

import grpc
import pytest

from mesh.errors import MeshError
from mesh.testing import Harness
from ovr.alpr.v1 import ingest_pb2
from plates.event import PlateEvent
from services.ingest.core import Ingest, Picture, Receipt, Result, Submission
from tests.builders.events import START, event, event_id, picture
from tests.builders.published import hello, published
from tests.faults.backend import Backend
from tests.faults.chaos import Chaos, Crash
from wire.event import event_from_wire

EVENTS = int(os.environ.get("OVR_TEST_FAULT_EVENTS", "300"))
SEEDS = [int(seed) for seed in os.environ.get("OVR_TEST_FAULT_SEEDS", "1,2").split(",")]
WINDOW = 32


class Edge:
    """An edge box's spool in miniature: keeps what is not acked, and sends it again, twice, and in any
    order."""

    def __init__(self, backend: Backend, chance: random.Random) -> None:
        self.backend = backend
        self.chance = chance
        self.pending: dict[int, Submission] = {}
        self.stored: dict[str, PlateEvent] = {}
        self.buried: set[str] = set()
        self.crashes = 0
        self._ingest: Ingest = backend.ingest()

    async def drain(self) -> None:
        """Send until everything is acked."""
        while self.pending:
            batch = self.chance.sample(sorted(self.pending), min(WINDOW, len(self.pending)))
            batch += [number for number in batch if self.chance.random() < 0.1]
            await self._send(batch)

    async def _send(self, batch: list[int]) -> None:
        tasks = {asyncio.create_task(self._ingest.take(self.pending[n])): n for n in batch}
        _, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in running:  # ingest has died: what was under way ends wherever it stood
            task.cancel()
        if running:
            await asyncio.wait(running)
        for task in tasks:
            if not task.cancelled() and task.exception() is None:
                self._acked(tasks[task], task.result())
        if any(not task.cancelled() and isinstance(task.exception(), Crash) for task in tasks):
            self.crashes += 1
            self._ingest = self.backend.ingest()

    def _acked(self, number: int, receipt: Receipt) -> None:
        if receipt.result is Result.RETRY:
            return
        submission = self.pending.pop(number, None)
        if submission is None:
            return  # the second ack of an event sent twice
        if receipt.result is Result.DEAD_LETTERED:
            self.buried.add(submission.event.event_id)
        else:
            self.stored[submission.event.event_id] = submission.event


def submission(number: int, chance: random.Random) -> Submission:
    """An event with a picture, once in a while with the wrong bytes."""
    item, data = picture(b"picture %d" % number)
    sent = event(
        f"A{number}",
        id=event_id(chance),
        at=START + timedelta(seconds=number),
        camera=f"cam-{number % 3}",
        evidence=(item,),
    )
    broken = chance.random() < 0.02
    pictures = (Picture(item.sha256, data + b"!" if broken else data),)
    return Submission(sent, pictures, "", lambda: b"event %d" % number)


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_acknowledged_is_lost_and_nothing_is_visible_twice(tmp_path, seed, capsys):
    """Under refusals, lost replies, crashes at every step, torn commits, duplicates and reordering, what was
    acked as stored is in store, search and watch exactly once with its picture, and dead letters are kept
    once."""
    chaos = Chaos(seed, rate=0.12)
    async with Backend(tmp_path, chaos) as backend:
        edge = Edge(backend, random.Random(seed))
        edge.pending = {number: submission(number, edge.chance) for number in range(EVENTS)}
        await edge.drain()
        await backend.settle()
        await backend.verify(edge.stored, edge.buried)
    assert len(edge.stored) + len(edge.buried) == EVENTS
    assert edge.buried
    assert edge.crashes
    assert backend.restarts.total() > 0
    assert chaos.faults > EVENTS / 2
    with capsys.disabled():
        print(f" seed {seed}: {EVENTS} events, {chaos.faults} faults, lost 0, twice 0;", end="")


async def test_streams_that_break_are_taken_up_again(tmp_path):
    """The same over real gRPC: a crash breaks the stream, the edge connects anew and sends the rest."""
    chaos = Chaos(3, rate=0.08)
    chance = random.Random(3)
    requests = {n: published(event(f"B{n}", id=event_id(chance)), n) for n in range(150)}
    waiting = dict(requests)
    breaks = 0
    async with Backend(tmp_path / "home", chaos) as backend, Harness() as mesh:
        await mesh.serve("ingest", backend.service(credit=32))
        stub = mesh.stub("ovr.alpr.v1.IngestService")
        while waiting:
            stream = stub.Publish()
            try:
                await stream.write(hello())
                for request in chance.sample(list(waiting.values()), min(32, len(waiting))):
                    await stream.write(request)
                await stream.done_writing()
                while (answer := await stream.read()) is not grpc.aio.EOF:
                    if answer.HasField("ack") and answer.ack.result != ingest_pb2.ACK_RESULT_RETRY:
                        waiting.pop(answer.ack.spool_sequence, None)
            except MeshError:
                breaks += 1
        await backend.settle()
        sent = (event_from_wire(request.event.event) for request in requests.values())
        await backend.verify({one.event_id: one for one in sent}, set())
    assert breaks
