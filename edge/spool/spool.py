"""The spool: events are taken when the disk has them, read in order, and let go when they are acknowledged.

The event loop's side. Two threads do the waiting: one writes, so that appends that come while the disk is
busy share the next sync (group commit), one reads, so that a reader never waits behind a sync.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import time
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edge.spool.recovery import Recovery, recover
from edge.spool.segment import Placed, Segment, SegmentWriter, read_record
from edge.spool.watermark import Watermark
from mesh.errors import Kind, MeshError
from mesh.logs import logger

COMMIT_BYTES = 8 << 20
READ_BYTES = 16 << 20
LOCK_SECONDS = 0.5

_Append = tuple[bytes, "asyncio.Future[int]"]


@dataclass(frozen=True)
class SpoolSettings:
    """Bounds: bytes on disk, age in seconds, and the size of a segment, which is what is shed at once when
    full."""

    max_bytes: int = 1 << 30
    max_age: float = 7 * 86_400.0
    segment_bytes: int = 16 << 20

    def __post_init__(self) -> None:
        if self.segment_bytes < 4096 or self.max_bytes < 2 * self.segment_bytes or self.max_age <= 0:
            raise ValueError(
                "a spool needs segments of 4,096 bytes or more, room for two of them, and an age"
            )

    @property
    def max_record(self) -> int:
        """The largest payload, bytes: half of all."""
        return self.max_bytes // 2 - 4096


@dataclass(frozen=True)
class SpoolRecord:
    """An event in the spool: its number, its bytes, when it was taken (UTC)."""

    sequence: int
    payload: bytes
    appended_at: datetime


@dataclass(frozen=True)
class SpoolStatus:
    """Events that wait, bytes on disk, and events lost since the spool was opened, by reason: `full`,
    `expired`, `damaged`."""

    events: int
    bytes: int
    shed: Mapping[str, int]


class Spool:
    """One directory, one user at a time. Made by `open`."""

    def __init__(
        self, directory: Path, settings: SpoolSettings, lock: int, watermark: Watermark, found: Recovery
    ) -> None:
        self._directory, self._settings, self._lock, self._watermark = directory, settings, lock, watermark
        self._segments = found.segments
        self.problems = tuple(found.problems)
        self._shed: Counter[str] = Counter({"damaged": found.lost} if found.lost else {})
        self._unreadable: set[int] = set()
        self._durable = found.last
        self._writer = SegmentWriter(directory, settings.segment_bytes, found.last, found.next_sequence)
        # One write at a time, by threads that take turns: a thread that has just waited for the disk is woken
        # late on a busy machine. With one thread alone, bench/spool.py gave half as many events a second on
        # two cores.
        self._writing = ThreadPoolExecutor(4, "spool-write")
        self._reading = ThreadPoolExecutor(1, "spool-read")
        self._pending: deque[_Append] = deque()
        self._committing: asyncio.Task[None] | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._closed = False
        self._log = logger("edge.spool")
        for problem in found.problems:
            self._log.warning("spool damaged", problem=str(problem))

    @classmethod
    async def open(cls, directory: Path, settings: SpoolSettings | None = None) -> Spool:
        """Open or create a spool and recover what is in it.

        Raises MeshError: FAILED_PRECONDITION/SPOOL_IN_USE when another process has it,
        UNAVAILABLE/SPOOL_UNUSABLE when the directory cannot be used."""
        return await asyncio.to_thread(_open, cls, directory, settings or SpoolSettings())

    async def append(self, payload: bytes) -> int:
        """Take an event; returns its number when the disk has it.

        Raises MeshError, and then has not taken it: INVALID/SPOOL_RECORD_TOO_LARGE,
        EXHAUSTED/SPOOL_DISK_FULL, UNAVAILABLE/SPOOL_WRITE_FAILED or SPOOL_CLOSED. Cancelled, it may or may
        not have been taken."""
        if self._closed:
            raise MeshError(Kind.UNAVAILABLE, "SPOOL_CLOSED", "the spool is closed")
        if len(payload) > self._settings.max_record:
            message = f"an event of {len(payload)} bytes; at most {self._settings.max_record} are taken"
            raise MeshError(Kind.INVALID, "SPOOL_RECORD_TOO_LARGE", message)
        taken: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pending.append((payload, taken))
        if self._committing is None:
            self._committing = asyncio.ensure_future(self._commit())
        return await taken

    async def _commit(self) -> None:
        """Write what waits, batch after batch, until nothing waits."""
        batch: list[_Append] = []
        try:
            while self._pending:
                batch = self._next_batch()
                if batch:
                    await self._write(batch)
        finally:
            self._committing = None
            # Only a fault of ours, or the end of the loop, leaves someone without an answer: never without an
            # end.
            for _, taken in batch:
                if not taken.done():
                    taken.set_exception(self._failure("SPOOL_WRITE_FAILED", "the write did not end"))
            if self._pending and not self._closed:
                self._committing = asyncio.ensure_future(self._commit())

    async def _write(self, batch: list[_Append]) -> None:
        loop = asyncio.get_running_loop()
        try:
            payloads = [payload for payload, _ in batch]
            placed = await loop.run_in_executor(self._writing, self._writer.write, payloads)
        except OSError as error:
            self._refuse(batch, error)
            return
        self._place(placed)
        for number, (_, taken) in zip(placed.sequences, batch, strict=True):
            if not taken.done():
                taken.set_result(number)
        await self._bound()

    def _failure(self, reason: str, why: str) -> MeshError:
        kind = Kind.EXHAUSTED if reason == "SPOOL_DISK_FULL" else Kind.UNAVAILABLE
        return MeshError(kind, reason, f"{self._directory}: {why}: the event was not taken")

    def _next_batch(self) -> list[_Append]:
        """Appends that were not cancelled, as many as one segment and one write should have."""
        batch: list[_Append] = []
        size, most = 0, min(COMMIT_BYTES, self._settings.segment_bytes // 2)
        while self._pending and (not batch or size + len(self._pending[0][0]) <= most):
            item = self._pending.popleft()
            if not item[1].done():
                batch.append(item)
                size += len(item[0])
        return batch

    def _refuse(self, batch: list[_Append], cause: OSError) -> None:
        full = cause.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "SPOOL_DISK_FULL" if full else "SPOOL_WRITE_FAILED"
        self._log.error("spool cannot write", reason=reason, problem=str(cause), events=len(batch))
        for _, taken in batch:
            if not taken.done():
                taken.set_exception(self._failure(reason, cause.strerror or str(cause)))

    def _place(self, placed: Placed) -> None:
        segment = placed.segment
        if not self._segments or self._segments[-1] is not segment:
            self._segments.append(segment)
        segment.sequences.extend(placed.sequences)
        segment.offsets.extend(placed.offsets)
        segment.times.extend([time.monotonic_ns()] * len(placed.sequences))
        self._durable = placed.sequences[-1]
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def read(self, after: int, limit: int) -> list[SpoolRecord]:
        """The oldest records with a number above `after` that are not acknowledged: `limit` of them at most,
        fewer when they are large. A record whose bytes have changed is left out and counted as damaged."""
        self._expire()
        wanted = self._wanted(max(after, self._watermark.value), limit)
        for segment, _, _ in wanted:
            segment.readers += 1
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._reading, _read_all, wanted)
        finally:
            for segment, _, _ in wanted:
                segment.readers -= 1
                if segment.removed and not segment.readers:
                    segment.close()
        records = []
        for (_, sequence, _), item in zip(wanted, found, strict=False):
            if item is None:
                self._count_unreadable(sequence)
            else:
                moment = datetime.fromtimestamp(item[0] / 1e9, timezone.utc)
                records.append(SpoolRecord(sequence, item[1], moment))
        return records

    def _wanted(self, after: int, limit: int) -> list[tuple[Segment, int, int]]:
        wanted: list[tuple[Segment, int, int]] = []
        for segment in self._segments:
            start = bisect_right(segment.sequences, after)
            for index in range(start, min(len(segment.sequences), start + limit - len(wanted))):
                if segment.sequences[index] not in self._unreadable:
                    wanted.append((segment, segment.sequences[index], segment.offsets[index]))
        return wanted

    def _count_unreadable(self, sequence: int) -> None:
        self._unreadable.add(sequence)
        self._shed["damaged"] += 1
        self._log.error("spool damaged", problem=f"record {sequence} is not what was written")

    async def wait(self, after: int) -> None:
        """Return when there is a record with a number above `after` that is not acknowledged."""
        while not self._wanted(max(after, self._watermark.value), 1):
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    async def acknowledge(self, sequence: int) -> None:
        """Let go of every record up to this number. After a crash some may be read again."""
        if sequence <= self._watermark.value:
            return
        self._watermark.advance(min(sequence, self._durable))
        await self._collect()

    async def _collect(self) -> None:
        """Remove segments of which all is acknowledged, but for the one that is written to."""
        done = []
        while len(self._segments) > 1 and self._segments[0].last <= self._watermark.value:
            done.append(self._segments.pop(0))
        if not done:
            return
        for segment in done:
            segment.removed = True
            self._unreadable.difference_update(segment.sequences)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writing, _remove, self._watermark, [s.path for s in done])
        except OSError as error:  # they stay on disk; the next start removes them
            self._log.error("spool cannot remove", problem=str(error))
        for segment in done:
            if not segment.readers:
                segment.close()

    async def _bound(self) -> None:
        """Shed the oldest segments when there would be no room for another one, and what is too old."""
        self._expire()
        most = self._settings.max_bytes - self._settings.segment_bytes
        total = sum(segment.size for segment in self._segments)
        for segment in self._segments[:-1]:
            if total <= most:
                break
            total -= segment.size
            self._lose(segment.last, "full")
        await self._collect()

    def _expire(self) -> None:
        limit = time.monotonic_ns() - int(self._settings.max_age * 1e9)
        for segment in self._segments:
            old = bisect_right(segment.times, limit)
            if old:
                self._lose(segment.sequences[old - 1], "expired")
            if old < len(segment.times):
                break

    def _lose(self, until: int, reason: str) -> None:
        lost = self._events() - self._events(until)
        if until > self._watermark.value:
            self._watermark.advance(until)
        if lost:
            self._shed[reason] += lost
            self._log.warning("spool sheds events", reason=reason, events=lost, up_to=until)

    def _events(self, after: int = 0) -> int:
        floor = max(after, self._watermark.value)
        held = sum(len(s.sequences) - bisect_right(s.sequences, floor) for s in self._segments)
        return held - sum(sequence > floor for sequence in self._unreadable)

    def status(self) -> SpoolStatus:
        """How full it is, and what it has lost."""
        size = sum(segment.size for segment in self._segments)
        return SpoolStatus(self._events(), size, dict(self._shed))

    async def close(self) -> None:
        """Finish what was begun, and leave the directory to the next user. Appends from now on are
        refused."""
        if self._closed:
            return
        self._closed = True
        if self._committing is not None:
            await asyncio.wait([self._committing])
        await asyncio.to_thread(self._release)

    def _release(self) -> None:
        self._writing.shutdown()
        self._reading.shutdown()
        try:
            self._writer.seal()
        except OSError as error:
            self._log.warning("spool not sealed", problem=str(error))
        for segment in self._segments:
            segment.close()
        self._watermark.close()
        os.close(self._lock)


def _open(cls: type[Spool], directory: Path, settings: SpoolSettings) -> Spool:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ExitStack() as undo:
            lock = lock_directory(directory)
            undo.callback(os.close, lock)
            watermark = Watermark(directory)
            undo.callback(watermark.close)
            found = recover(directory, watermark.value if watermark.known else None)
            undo.pop_all()
    except OSError as error:
        message = f"{directory}: {error.strerror or error}"
        raise MeshError(Kind.UNAVAILABLE, "SPOOL_UNUSABLE", message) from error
    return cls(directory, settings, lock, watermark, found)


def lock_directory(directory: Path) -> int:
    """Hold the directory for this process; released when the descriptor is closed or the process ends,
    anyhow.

    Raises MeshError(FAILED_PRECONDITION, SPOOL_IN_USE) when another one holds it."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + LOCK_SECONDS  # `verify` may just be looking
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(0.05)
                continue
            os.close(lock)
            message = f"{directory} is in use by another process (the pilot?)"
            raise MeshError(Kind.FAILED_PRECONDITION, "SPOOL_IN_USE", message) from None
        except OSError:
            os.close(lock)
            raise


def _read_all(wanted: Sequence[tuple[Segment, int, int]]) -> list[tuple[int, bytes] | None]:
    """The records' times and payloads, in order, until they are many bytes; None for one that is damaged."""
    found: list[tuple[int, bytes] | None] = []
    size = 0
    for segment, sequence, offset in wanted:
        if size > READ_BYTES:
            break
        try:
            file = segment.open()
        except OSError:
            found.append(None)
            continue
        record = read_record(file, segment.base, offset, sequence)
        size += len(record[1]) if record else 0
        found.append(record)
    return found


def _remove(watermark: Watermark, paths: Sequence[Path]) -> None:
    """Remove segments; first the disk must know that they may go."""
    watermark.sync()
    for path in paths:
        path.unlink(missing_ok=True)
