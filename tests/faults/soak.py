"""A soak: a steady rate of events through the back of the mesh while outages come on a seed.

    python -m tests.faults.soak --minutes 30 --rate 20 --seed 1 --kill kafka postgres minio opensearch

On the engines that OVR_TEST_* variables name, else embedded. OVR_TEST_CONTROL is a command that takes `kill`,
`pause`, `resume` or `up` and an engine's name, for --kill; our own processes are killed and paused in any
case. Prints what happened and what became of the events; exit code 1 if any was lost or doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

from tests.builders.engines import missing
from tests.builders.world import CONTROL, NEEDS, engines
from tests.faults.audit import Ledger, Verdict
from tests.faults.outages import SERVICES, Control, Outage, endure

PAUSE = (5.0, 20.0)  # seconds between outages
LASTS = (2.0, 15.0)  # seconds an outage lasts


async def on_a_seed(seed: int, minutes: float, engines: tuple[str, ...]) -> AsyncIterator[Outage]:
    """Outages one after the other, with pauses in between, for so many minutes."""
    chance = random.Random(seed)
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        await asyncio.sleep(chance.uniform(*PAUSE))
        yield Outage(
            chance.choice([*engines, *SERVICES]), chance.choice(["kill", "pause"]), chance.uniform(*LASTS)
        )


def report(ledger: Ledger, began: float) -> None:
    """Print what happened."""
    for moment, what in ledger.log:
        print(f"{moment - began:8.1f} s  {what}")
    for service, changes in ledger.ready.items():
        away = sum(not ready for _, ready in changes)
        print(f"{service}: not ready {away} times")


def print_verdict(verdict: Verdict) -> None:
    """Print what became of the events."""
    print(f"taken {verdict.taken}")
    for place, count in verdict.lost.items():
        print(f"{place}: lost {count}, twice {verdict.twice.get(place, 0)}")
    print(
        f"acknowledged {verdict.drained_s:.1f} s after the last event, seen {verdict.caught_up_s:.1f} s later"
    )


def main() -> int:
    """Soak and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=20.0, help="events a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill", nargs="*", default=(), metavar="ENGINE", help="engines that may go")
    args = parser.parse_args()
    ledger, began = Ledger(), time.monotonic()
    try:
        verdict = asyncio.run(soak(args, ledger))
    finally:
        report(ledger, began)
    print_verdict(verdict)
    return 0 if verdict.clean else 1


async def soak(args: argparse.Namespace, ledger: Ledger) -> Verdict:
    """The whole of it, on engines of its own."""
    outages = on_a_seed(args.seed, args.minutes, tuple(args.kill))
    async with AsyncExitStack() as stack:
        env = {} if missing(NEEDS) else await stack.enter_async_context(engines())
        print("on", "engines" if env else "embedded stores", flush=True)
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="ovr-soak-"))
        control = Control(os.environ[CONTROL]) if args.kill else None
        return await endure(
            Path(home), env, outages, rate=args.rate, control=control, seed=args.seed, ledger=ledger
        )


if __name__ == "__main__":
    sys.exit(main())
