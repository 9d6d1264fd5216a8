"""The spool for people: what lies in it, and whether it is whole."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edge.spool.recovery import Problem, examine, scan_directory
from edge.spool.watermark import read_watermark


@dataclass(frozen=True)
class SegmentInfo:
    """One segment: its file, numbers of its first and newest record, how many there are and how many still
    wait."""

    path: Path
    first: int
    last: int
    records: int
    waiting: int
    bytes: int
    oldest: datetime | None


@dataclass(frozen=True)
class Verification:
    """What `verify` found: whole records, those that still wait, records known to be lost, and each
    problem."""

    records: int
    waiting: int
    lost: int
    problems: tuple[Problem, ...]
    in_use: bool

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def ls(directory: Path) -> list[SegmentInfo]:
    """The segments, oldest first. Reads only, also while the pilot runs. Raises FileNotFoundError."""
    watermark = read_watermark(directory)
    infos = []
    for path, held in scan_directory(directory):
        waiting = sum(sequence > watermark for sequence in held.sequences)
        oldest = datetime.fromtimestamp(held.times[0] / 1e9, timezone.utc) if held.times else None
        first = held.sequences[0] if held.sequences else held.base
        size = path.stat().st_size
        infos.append(SegmentInfo(path, first, held.last, len(held.sequences), waiting, size, oldest))
    return infos


def verify(directory: Path) -> Verification:
    """Check every byte. Reads only; while the pilot runs, a write under way is no problem. Raises
    FileNotFoundError."""
    in_use = _in_use(directory)
    watermark = read_watermark(directory)
    found = list(scan_directory(directory))
    if in_use and found and found[-1][1].torn:
        last = found[-1][1]
        last.torn, last.damage = False, [item for item in last.damage if item.offset < last.end]
    problems, lost, _ = examine(found, watermark or None)
    count = sum(len(held.sequences) for _, held in found)
    waiting = sum(sequence > watermark for _, held in found for sequence in held.sequences)
    return Verification(count, waiting, lost, tuple(problems), in_use)


def _in_use(directory: Path) -> bool:
    try:
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
