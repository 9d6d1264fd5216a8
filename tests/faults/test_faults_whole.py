"""The whole way under seeded faults: spool, publisher, ingest over gRPC, log, writer, index, watch."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from mesh.testing import Harness
from tests.builders.events import event, event_id, picture
from tests.builders.published import published
from tests.faults.backend import Backend
from tests.faults.chaos import Chaos
from tests.faults.edge_box import EdgeBox
from wire.event import event_from_wire

EVENTS = int(os.environ.get("OVR_TEST_FAULT_EVENTS", "150"))
SEEDS = [int(seed) for seed in os.environ.get("OVR_TEST_FAULT_SEEDS", "1").split(",")]
AT_ONCE = 32
RESTARTS = 3


def request(number: int, chance: random.Random):
    """What the edge spools for a pass, with a picture."""
    item, data = picture(b"picture %d" % number)
    sent = event(f"C{number}", id=event_id(chance), camera=f"cam-{number % 3}", evidence=(item,))
    return published(sent, 0, [data]).event


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_the_spool_has_taken_is_seen_exactly_once(tmp_path, seed, capsys):
    """Whatever dies, fills up, breaks off or comes twice between the edge's disk and people's eyes: every
    event that the spool has taken is in store, search and watch exactly once, with its picture."""
    chaos, chance = Chaos(seed, rate=0.08), random.Random(seed)
    requests = [request(number, chance) for number in range(EVENTS)]
    async with Backend(tmp_path / "back", chaos) as backend, Harness() as mesh:
        server = await mesh.serve("ingest", backend.service(credit=32))
        async with EdgeBox(tmp_path, chaos, mesh.stub("ovr.alpr.v1.IngestService")) as box:
            for first in range(0, EVENTS, AT_ONCE):
                batch = requests[first : first + AT_ONCE]
                await asyncio.gather(*(box.take(one.SerializeToString()) for one in batch))
                if chance.random() < RESTARTS * AT_ONCE / EVENTS:
                    await server.drain(0.0)
                    server = await mesh.serve("ingest", backend.service(credit=32))
            await asyncio.wait_for(box.emptied(), 60 + EVENTS / 10)
        await backend.settle()
        events = (event_from_wire(one.event) for one in requests)
        await backend.verify({one.event_id: one for one in events}, set())
    assert chaos.faults > EVENTS / 5
    with capsys.disabled():
        print(f" seed {seed}: {EVENTS} events, {chaos.faults} faults, {box.crashes} edge deaths;", end="")
