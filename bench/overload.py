"""What the detector still gets done when it is offered three times what it can do.

    python -m bench.overload [--seconds 10] [--threads 1]

The service runs as a process of its own, with its engine and settings; frames of 1280 x 720 lie in shared
memory. First its peak: as many callers as keep it busy, who wait for their answers. Then an open load of
three times that rate, which does not wait, as cameras do not; each call has a deadline of a second. Prints
frames a second answered in time in both, their ratio (aim 0.95), how long the answered ones took, and what
became of the others.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.mesh_overhead import frames, services
from edge.clients import GrpcDetector
from edge.frame import Frame
from mesh.errors import MeshError
from mesh.telemetry import Telemetry

AIM = 0.95
OFFERED = 3.0
CALLERS = 4
DEADLINE = 1.0
SLOTS = 128


@dataclass
class Outcome:
    """What became of the calls: seconds of those answered, the others by reason, and over how long."""

    seconds: float = 0.0
    answered: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def goodput(self) -> float:
        """Answers a second."""
        return len(self.answered) / self.seconds

    def p(self, share: float) -> float:
        """Milliseconds within which this share of the answers came."""
        return 1e3 * statistics.quantiles(self.answered, n=100)[round(100 * share) - 1]


async def call(detector: GrpcDetector, frame: Frame, outcome: Outcome) -> None:
    """One frame; its end is noted."""
    started = time.perf_counter()
    try:
        await detector.detect(frame)
    except MeshError as error:
        outcome.refused[error.reason] += 1
    else:
        outcome.answered.append(time.perf_counter() - started)


async def closed_load(detector: GrpcDetector, frame: Frame, seconds: float, callers: int) -> Outcome:
    """Callers that each ask again as soon as they are answered."""
    outcome = Outcome()
    until = time.perf_counter() + seconds

    async def caller() -> None:
        while time.perf_counter() < until:
            await call(detector, frame, outcome)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    outcome.seconds = time.perf_counter() - started
    return outcome


async def open_load(detector: GrpcDetector, frame: Frame, seconds: float, rate: float) -> Outcome:
    """`rate` calls a second, whatever becomes of them."""
    outcome = Outcome()
    started = time.perf_counter()
    calls: set[asyncio.Task[None]] = set()
    number = 0
    while (now := time.perf_counter()) < started + seconds:
        while number < (now - started) * rate:
            task = asyncio.create_task(call(detector, frame, outcome))
            calls.add(task)
            task.add_done_callback(calls.discard)
            number += 1
        await asyncio.sleep(0.002)
    outcome.seconds = time.perf_counter() - started
    answered = len(outcome.answered)
    await asyncio.gather(*calls)
    del outcome.answered[answered:]  # what came after the end is not of this time
    return outcome


async def measure(seconds: float, threads: int) -> tuple[Outcome, Outcome]:
    """The peak, then the overload."""
    frame = frames(1)[0]
    with tempfile.TemporaryDirectory(prefix="ovr-") as directory:
        async with services(Path(directory), threads) as (channel, _):
            telemetry = Telemetry("bench")
            detector = GrpcDetector(channel, telemetry, slots=SLOTS, shared_memory=True, timeout=DEADLINE)
            await closed_load(detector, frame, seconds / 4, CALLERS)
            peak = await closed_load(detector, frame, seconds, CALLERS)
            over = await open_load(detector, frame, seconds, OFFERED * peak.goodput)
            detector.close()
    return peak, over


def main() -> None:
    """Prints three lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=1, help="of the engine")
    given = parser.parse_args()
    peak, over = asyncio.run(measure(given.seconds, given.threads))
    for name, outcome in (("peak", peak), (f"offered {OFFERED:.0f} times that", over)):
        print(
            f"{name}: {outcome.goodput:.1f} frames/s, p50 {outcome.p(0.5):.0f} ms, "
            f"p99 {outcome.p(0.99):.0f} ms, refused {dict(outcome.refused)}"
        )
    print(f"goodput under overload / at the peak: {over.goodput / peak.goodput:.2f} (aim {AIM})")


if __name__ == "__main__":
    main()
