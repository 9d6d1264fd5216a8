"""Events a second into the spool against raw group-commit writes of the same payloads: `python
bench/spool.py`.

Both have the same number of writers at once, on the same disk, in turns; the raw side appends whatever waits
with one write and one fdatasync, without framing, checksums, reservation or bounds. Prints the ratio of the
medians; the aim is 0.8 or more.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edge.spool import Spool

AIM = 0.8


class RawGroupCommit:
    """The least that group commit can be."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._pending: list[tuple[bytes, asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(4)

    async def append(self, payload: bytes) -> None:
        """Returns when the disk has it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((payload, done))
        if self._committing is None:
            self._committing = asyncio.ensure_future(self._commit())
        await done

    async def _commit(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._write, b"".join(p for p, _ in batch))
            for _, done in batch:
                done.set_result(None)
        self._committing = None

    def _write(self, data: bytes) -> None:
        os.write(self._file, data)
        os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        self._thread.shutdown()
        os.close(self._file)


async def rate(
    append: Callable[[bytes], Awaitable[object]], payloads: Sequence[bytes], writers: int
) -> float:
    """Events a second, by so many writers at once."""
    waiting = iter(payloads)

    async def writer() -> None:
        for payload in waiting:
            await append(payload)

    started = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(writers)))
    return len(payloads) / (time.perf_counter() - started)


async def main(events: int, size: int, writers: int, rounds: int, where: Path) -> float:
    """Measure in short turns, so that both meet the same disk, and print."""
    dice = random.Random(0)
    payloads = [dice.randbytes(dice.randint(size // 2, size * 3 // 2)) for _ in range(events)]
    spooled, raw = [], []
    with tempfile.TemporaryDirectory(prefix="ovr-bench-", dir=where) as directory:
        plain = RawGroupCommit(Path(directory) / "raw")
        spool = await Spool.open(Path(directory) / "spool")
        turns = [(raw, plain.append), (spooled, spool.append)]
        for number in range(rounds):
            for results, append in turns if number % 2 else reversed(turns):
                results.append(await rate(append, payloads, writers))
        plain.close()
        await spool.close()
    spool_rate, raw_rate = statistics.median(spooled), statistics.median(raw)
    print(
        f"spool {spool_rate:.0f}, raw group commit {raw_rate:.0f} events a second: medians of {rounds} turns"
    )
    print(f"of {events} events of about {size} bytes, {writers} writers at once, on {where}")
    print(f"ratio {spool_rate / raw_rate:.2f} (aim {AIM:.2f} or more)")
    return spool_rate / raw_rate


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=16, help="events a turn")
    parser.add_argument("--size", type=int, default=30_000, help="bytes of an event, on average")
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--dir", type=Path, default=Path.cwd(), help="directory on the disk to try")
    given = parser.parse_args()
    reached = asyncio.run(main(given.events, given.size, given.writers, given.rounds, given.dir))
    sys.exit(0 if reached >= AIM else 1)
