"""Up to which record all is acknowledged: two slots written in turns, of which the newest whole one
counts."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

SLOT = struct.Struct("<4sIQ")  # mark, checksum, number
MARK = b"OVRW"
SLOT_BYTES = 512  # a sector each: one torn write never takes both


class Watermark:
    """Kept in a file of the spool's directory. After a crash it may be older than it was: events are then
    sent again."""

    def __init__(self, directory: Path) -> None:
        self._file = os.open(directory / "watermark", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        data = os.pread(self._file, 2 * SLOT_BYTES, 0)
        if len(data) < 2 * SLOT_BYTES:
            # Take the room now: a disk that is full later must not stop acknowledging.
            os.pwrite(self._file, data.ljust(2 * SLOT_BYTES, b"\0"), 0)
        self.known, self.value, self._turn = _newest(data)

    def advance(self, value: int) -> None:
        """Write a higher number; without waiting for the disk."""
        if value <= self.value and self.known:
            return
        self.known, self.value = True, value
        self._turn = 1 - self._turn
        body = struct.pack("<Q", value)
        os.pwrite(self._file, SLOT.pack(MARK, zlib.crc32(body), value), self._turn * SLOT_BYTES)

    def sync(self) -> None:
        """Wait until the disk has it: before what it allows to forget is removed."""
        os.fsync(self._file)

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        os.close(self._file)


def read_watermark(directory: Path) -> int:
    """The number, without opening the file for writing; 0 if there is none."""
    try:
        data = (directory / "watermark").read_bytes()
    except FileNotFoundError:
        return 0
    return _newest(data)[1]


def _newest(data: bytes) -> tuple[bool, int, int]:
    """Whether there is a whole slot, its number, and which one it is."""
    found = (False, 0, 0)
    for turn in (0, 1):
        slot = data[turn * SLOT_BYTES : turn * SLOT_BYTES + SLOT.size]
        if len(slot) == SLOT.size:
            mark, checksum, value = SLOT.unpack(slot)
            if mark == MARK and checksum == zlib.crc32(slot[8:]) and (not found[0] or value > found[1]):
                found = (True, value, turn)
    return found
