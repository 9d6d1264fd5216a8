"""The whole way from the edge's spool to the eyes of people, with the edge killed and ingest in chaos."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from mesh.testing import Harness
from tests.faults.backend import Backend
from tests.faults.chaos import Chaos
from tests.faults.edge_process import numbered

KILLS = int(os.environ.get("OVR_TEST_FAULT_KILLS", "2"))
EVENTS = 50 * (KILLS + 1)


async def fly(spool: Path, ingest: str, taken: set[int], kill_after: int | None) -> bool:
    """Run the edge from the first event not taken; SIGKILL it after so many more. Whether it ended well."""
    first = next(number for number in range(EVENTS + 1) if number not in taken)
    argv = (sys.executable, "-m", "tests.faults.edge_process", str(spool), ingest, str(first), str(EVENTS))
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    goal = None if kill_after is None else len(taken) + kill_after
    ended = False
    async for line in process.stdout:
        if line.strip() == b"empty":
            ended = True
        else:
            taken.add(int(line))
        if goal is not None and len(taken) >= goal and not ended:
            process.send_signal(signal.SIGKILL)
            goal = None
    await process.wait()
    return ended


async def test_no_event_the_spool_took_is_lost_or_seen_twice(tmp_path):
    """What the spool took of an edge that is killed again and again, while ingest refuses, forgets to
    answer and crashes, is in store, search and watch exactly once, with its pictures."""
    chance, chaos = random.Random(5), Chaos(5, rate=0.05)
    taken: set[int] = set()
    async with Backend(tmp_path / "home", chaos) as backend, Harness() as mesh:
        await mesh.serve("ingest", backend.service(credit=32))
        ingest = f"unix:{mesh.home / 'run' / 'ingest.sock'}"
        for _ in range(KILLS):
            await fly(tmp_path / "spool", ingest, taken, chance.randrange(1, 50))
        assert await fly(tmp_path / "spool", ingest, taken, None)
        await backend.settle()
        await backend.verify({one.event_id: one for one, _ in map(numbered, range(EVENTS))}, set())
    assert taken == set(range(EVENTS))
    assert chaos.faults
