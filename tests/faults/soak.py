"""A soak: a steady rate of events through the back of the mesh while outages come on a seed.

    python -m tests.faults.soak --minutes 30 --rate 20 --seed 1 --control CONTROL --engines kafka postgres ...

The environment names the engines as for any process (OVR_KAFKA ...); CONTROL is a command that takes `kill`,
`pause`, `resume` or `up` and an engine's name. Prints what happened and what became of the events; exit code
1 if any was lost or doubled.
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
from pathlib import Path

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


def report(verdict: Verdict, ledger: Ledger, began: float) -> None:
    """Print what happened."""
    for moment, what in ledger.log:
        print(f"{moment - began:8.1f} s  {what}")
    for service, changes in ledger.ready.items():
        away = sum(not ready for _, ready in changes)
        print(f"{service}: not ready {away} times")
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
    parser.add_argument("--control", default="", help="command that kills and brings back engines")
    parser.add_argument("--engines", nargs="*", default=(), help="what it may be told to kill")
    args = parser.parse_args()
    env = {name: value for name, value in os.environ.items() if name.startswith("OVR_")}
    ledger, began = Ledger(), time.monotonic()
    outages = on_a_seed(args.seed, args.minutes, tuple(args.engines))
    control = Control(args.control) if args.control else None
    with tempfile.TemporaryDirectory(prefix="ovr-soak-") as home:
        verdict = asyncio.run(
            endure(Path(home), env, outages, rate=args.rate, control=control, seed=args.seed, ledger=ledger)
        )
    report(verdict, ledger, began)
    return 0 if verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main())
