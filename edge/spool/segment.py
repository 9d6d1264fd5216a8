"""Segments as files: one that is written to, and any that is read from."""

from __future__ import annotations

import contextlib
import os
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.spool.format import END, HEADER_BYTES, RECORD, frame, parse, segment_header, segment_name


def sync_data(file: int) -> None:
    """Wait until the disk has what was written."""
    getattr(os, "fdatasync", os.fsync)(file)


def sync_directory(directory: Path) -> None:
    """Wait until the disk has the directory's entries."""
    file = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@dataclass(eq=False)
class Segment:
    """A segment as the spool knows it: numbers, offsets and ages (monotonic nanoseconds) of its records."""

    path: Path
    base: int
    size: int
    sequences: array[int] = field(default_factory=lambda: array("Q"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    readers: int = 0
    removed: bool = False
    _file: int = -1

    @property
    def last(self) -> int:
        """Number of its newest record; 0 if it has none."""
        return self.sequences[-1] if self.sequences else 0

    def open(self) -> int:
        """A descriptor to read by; kept until `close`."""
        if self._file < 0:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._file

    def close(self) -> None:
        """Close the descriptor."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read_record(file: int, base: int, offset: int, sequence: int) -> tuple[int, bytes] | None:
    """Time (nanoseconds since the epoch) and payload of a record; None if its bytes are not what was
    written."""
    try:
        head = os.pread(file, RECORD.size, offset)
        if len(head) < RECORD.size:
            return None
        length = RECORD.unpack(head)[2]
        if length > os.fstat(file).st_size:
            return None
        found = parse(base, head + os.pread(file, length, offset + RECORD.size))
    except OSError:
        return None
    return (found[1], found[2]) if found is not None and found[0] == sequence else None


@dataclass(frozen=True)
class Placed:
    """Where records were written: segment, numbers and offsets."""

    segment: Segment
    sequences: Sequence[int]
    offsets: Sequence[int]


class SegmentWriter:
    """Writes records into the newest segment and begins a new one when it is full. For one thread at a time.

    What has not been synced does not count: after a failed write its numbers are not used again, its bytes
    are overwritten with zeros as far as the disk lets us, and a new segment is begun.
    """

    def __init__(self, directory: Path, segment_bytes: int, last: int, next_sequence: int) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._last = last  # newest durable record
        self._next = next_sequence
        self._segment: Segment | None = None
        self._file = -1
        self._base = 0
        self._end = 0

    def write(self, payloads: Sequence[bytes]) -> Placed:
        """Make the payloads durable, in order. Raises OSError when the disk does not take them: then none
        counts."""
        time_ns = time.time_ns()
        needed = sum(map(len, payloads)) + (len(payloads) + 1) * RECORD.size
        if self._segment is None or self._end + needed > self._segment.size:
            self._roll(needed)
        segment = self._segment
        assert segment is not None
        sequences: list[int] = []
        offsets: list[int] = []
        parts: list[bytes] = []
        offset = self._end
        for sequence, payload in enumerate(payloads, self._next):
            sequences.append(sequence)
            offsets.append(offset)
            parts += (frame(segment.base, sequence, time_ns, payload), payload)
            offset += RECORD.size + len(payload)
        try:
            _write_at(self._file, b"".join(parts), self._end)
            sync_data(self._file)
        except OSError:
            self._abandon(offset, len(payloads))
            raise
        self._end, self._last, self._next = offset, sequences[-1], sequences[-1] + 1
        return Placed(segment, sequences, offsets)

    def _roll(self, needed: int) -> None:
        if self._segment is not None:
            # Its records are synced; without its end record it would be read just the same.
            file, self._segment, self._file = self._file, None, -1
            try:
                write_end(file, self._base, self._last, self._end)
            finally:
                os.close(file)
        smallest = HEADER_BYTES + needed
        size = max(self._segment_bytes, smallest)
        path = self._directory / segment_name(self._next)
        try:
            self._file = _create(path, self._next, self._last, size)
        except OSError:
            if size == smallest:
                raise
            size = smallest  # a disk that is nearly full may still hold this one
            self._file = _create(path, self._next, self._last, size)
        self._segment, self._base, self._end = Segment(path, self._next, size), self._next, HEADER_BYTES

    def _abandon(self, until: int, records: int) -> None:
        with contextlib.suppress(OSError):
            _write_at(self._file, bytes(until - self._end), self._end)
            sync_data(self._file)
        os.close(self._file)
        # Their numbers may be on the disk for all that, and are not given again.
        self._segment, self._file, self._next = None, -1, self._next + records

    def seal(self) -> None:
        """Finish the newest segment and give back the space it had reserved. Raises OSError."""
        if self._segment is None:
            return
        segment, file = self._segment, self._file
        self._segment, self._file = None, -1
        try:
            seal_file(file, segment.base, self._last, self._end)
            segment.size = self._end + RECORD.size
        finally:
            os.close(file)


def seal_file(file: int, base: int, last: int, end: int) -> None:
    """Write the end record at an offset and cut the file behind it."""
    write_end(file, base, last, end)
    sync_data(file)  # the cut must not reach the disk before the record that explains it
    os.ftruncate(file, end + RECORD.size)
    sync_data(file)


def write_end(file: int, base: int, last: int, end: int) -> None:
    """Say that the record before this offset is the segment's last one."""
    _write_at(file, frame(base, last, time.time_ns(), b"", END), end)


def _create(path: Path, base: int, previous: int, size: int) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)  # a full disk says so now, with nothing half written
        else:
            os.ftruncate(file, size)
        _write_at(file, segment_header(base, previous, size), 0)  # synced with the first record
        sync_directory(path.parent)
    except OSError:
        os.close(file)
        path.unlink(missing_ok=True)
        raise
    return file


def _write_at(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written
