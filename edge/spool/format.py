"""How segments look on disk, and how one is read after anything that can happen to a disk.

A segment is a file of fixed, reserved size: a header, records one after the other, zeros. A record is framed
by a mark, its checksum, length, number and time; the checksum covers the segment's first number too, so that
bytes of another segment are never taken for a record of this one. A segment that is complete ends with an end
record and is cut there. Because the size is reserved and written down, a file that was cut is seen as such.
"""

from __future__ import annotations

import re
import struct
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

SEGMENT = struct.Struct("<8sIQQQ")  # magic, checksum, first number, last number before it, reserved bytes
RECORD = struct.Struct("<4sIIQQ")  # mark, checksum, length, number, nanoseconds since the epoch
MAGIC = b"OVRSPOL1"
MARK = b"\xd7OVR"
END = b"\xd7END"
HEADER_BYTES = 64
ANY_MARK = re.compile(b"\xd7(?:OVR|END)")
NAME = re.compile(r"[0-9]{20}\.seg")


@dataclass(frozen=True)
class Damage:
    """Bytes of a segment that are no record: where, how many, and what it means."""

    offset: int
    length: int
    why: str


@dataclass
class Scan:
    """What a segment holds. `sequences`, `offsets` and `times` (nanoseconds since the epoch) go together.

    `end` is where the next record would go; `gaps` are numbers (first and last) known to be gone; `torn`
    means that there may have been further records."""

    base: int
    previous: int
    sealed: bool = False
    end: int = HEADER_BYTES
    gaps: list[tuple[int, int]] = field(default_factory=list)
    header_whole: bool = True
    torn: bool = False
    sequences: array[int] = field(default_factory=lambda: array("Q"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    times: array[int] = field(default_factory=lambda: array("Q"))
    damage: list[Damage] = field(default_factory=list)

    @property
    def last(self) -> int:
        """Number of the newest record, also of one that is known to be gone; of the newest before this
        segment if it has none."""
        ends = [self.previous, *self.sequences[-1:], *(last for _, last in self.gaps[-1:])]
        return max(ends)


def segment_name(base: int) -> str:
    """The file name of the segment whose first record has this number."""
    return f"{base:020d}.seg"


def segment_header(base: int, previous: int, size: int) -> bytes:
    """The first 64 bytes of a segment."""
    rest = SEGMENT.pack(MAGIC, 0, base, previous, size)[12:]
    return SEGMENT.pack(MAGIC, zlib.crc32(rest), base, previous, size).ljust(HEADER_BYTES, b"\0")


def frame(base: int, sequence: int, time_ns: int, payload: bytes, mark: bytes = MARK) -> bytes:
    """A record's frame, to be followed by its payload."""
    checksum = _checksum(base, len(payload), sequence, time_ns, payload)
    return RECORD.pack(mark, checksum, len(payload), sequence, time_ns)


def _checksum(base: int, length: int, sequence: int, time_ns: int, payload: bytes | memoryview) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack("<QIQQ", base, length, sequence, time_ns)))


def parse(base: int, data: bytes | memoryview, offset: int = 0) -> tuple[int, int, bytes] | None:
    """Number, time and payload of the record at an offset; None if there is no whole one."""
    if len(data) - offset < RECORD.size:
        return None
    mark, checksum, length, sequence, time_ns = RECORD.unpack_from(data, offset)
    start = offset + RECORD.size
    if mark not in (MARK, END) or len(data) - start < length:
        return None
    payload = memoryview(data)[start : start + length]
    if _checksum(base, length, sequence, time_ns, payload) != checksum:
        return None
    return sequence, time_ns, bytes(payload)


def scan(name: str, data: bytes) -> Scan:
    """Every record of a segment's bytes that is whole, in order, and what else was found. Never raises for
    bad bytes.

    `name` is the file's: it says the first number when the header does not."""
    found = _scan_header(int(name.removesuffix(".seg")), data)
    expected = found.base
    for kind, offset, length, sequence, time_ns in _walk(found.base, data):
        if kind == "damage":
            found.damage.append(Damage(offset, length, "damaged bytes"))
            continue
        if kind == "end":
            found.sealed, found.end = True, offset
            if sequence >= expected:
                found.gaps.append((expected, sequence))
            break
        if sequence > expected:
            found.gaps.append((expected, sequence - 1))
        expected = sequence + 1
        found.sequences.append(sequence)
        found.offsets.append(offset)
        found.times.append(time_ns)
        found.end = offset + length
    _judge_tail(found, data)
    return found


def _scan_header(base: int, data: bytes) -> Scan:
    if len(data) >= SEGMENT.size:
        magic, checksum, first, previous, _ = SEGMENT.unpack_from(data)
        if magic == MAGIC and first == base and zlib.crc32(data[12 : SEGMENT.size]) == checksum:
            return Scan(base, previous)
    damage = [Damage(0, min(len(data), HEADER_BYTES), "damaged header")]
    return Scan(base, base - 1, header_whole=False, damage=damage)


def _judge_tail(found: Scan, data: bytes) -> None:
    """Say of an unfinished segment whether its end is clean, torn or cut off."""
    if found.sealed:
        return
    if found.damage and found.damage[-1].offset >= found.end:
        last = found.damage.pop()
        why = "the last write was not completed, or its bytes are damaged"
        found.damage.append(Damage(last.offset, last.length, why))
        found.torn = True
    size = SEGMENT.unpack_from(data)[4] if found.header_whole else HEADER_BYTES
    if len(data) < size:
        found.damage.append(Damage(len(data), size - len(data), "the file was cut"))
        found.torn = True


def _walk(base: int, data: bytes) -> Iterator[tuple[str, int, int, int, int]]:
    """Records, the end and damaged stretches, in order: kind, offset, length, number, time."""
    offset, last = HEADER_BYTES, base - 1
    while offset < len(data):
        record = _record_at(base, data, offset, last)
        if record is not None:
            kind, length, sequence, time_ns = record
            yield kind, offset, length, sequence, time_ns
            if kind == "end":
                return
            offset, last = offset + length, sequence
            continue
        after = _next_record(base, data, offset + 1, last)
        stretch = len(data[offset:after].rstrip(b"\0"))
        if stretch or after < len(data):
            yield "damage", offset, (after - offset) if after < len(data) else stretch, 0, 0
        offset = after


def _record_at(base: int, data: bytes, offset: int, last: int) -> tuple[str, int, int, int] | None:
    mark = data[offset : offset + 4]
    if mark not in (MARK, END):
        return None
    parsed = parse(base, data, offset)
    if parsed is None:
        return None
    sequence, time_ns, payload = parsed
    if mark == END:
        return "end", RECORD.size, sequence, time_ns
    if sequence <= last:
        return None
    return "record", RECORD.size + len(payload), sequence, time_ns


def _next_record(base: int, data: bytes, start: int, last: int) -> int:
    """Where the next whole record begins; the end of the data if there is none."""
    while True:
        mark = ANY_MARK.search(data, start)
        if mark is None:
            return len(data)
        if _record_at(base, data, mark.start(), last) is not None:
            return mark.start()
        start = mark.start() + 1
