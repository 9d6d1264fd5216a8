"""The state of a spool's directory after whatever ended its last user."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from edge.spool.format import NAME, Scan, scan
from edge.spool.segment import Segment, seal_file

# Numbers that are not given again after the end of a segment was lost: nobody knows how many had been given.
SKIP = 1000


@dataclass(frozen=True)
class Problem:
    """Something a segment should not have: file, where in it, how many bytes, what it means."""

    path: Path
    offset: int
    length: int
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.length} bytes at {self.offset}: {self.why}"


@dataclass
class Recovery:
    """What was found. `lost` counts records that are known to be gone and were not acknowledged, and one for
    each torn end, of which nobody knows how many records it had."""

    segments: list[Segment] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    last: int = 0
    next_sequence: int = 1
    lost: int = 0


def scan_directory(directory: Path) -> Iterator[tuple[Path, Scan]]:
    """Each segment and what it holds, oldest first; reads only."""
    for path in sorted(directory.iterdir()):
        if NAME.fullmatch(path.name):
            try:
                yield path, scan(path.name, path.read_bytes())
            except FileNotFoundError:
                continue  # acknowledged and removed meanwhile


def examine(found: list[tuple[Path, Scan]], watermark: int | None) -> tuple[list[Problem], int, bool]:
    """Problems of all segments, records lost beyond the watermark, and whether the newest end is torn."""
    problems, lost, torn = [], 0, False
    before = watermark
    known = watermark or 0
    for path, held in found:
        problems += [Problem(path, item.offset, item.length, item.why) for item in held.damage]
        if before is not None and held.header_whole and held.previous > before:
            problems.append(
                Problem(path, 0, 0, f"records {before + 1} to {held.previous} before it are gone")
            )
            lost += _beyond(before + 1, held.previous, known)
        for first, last in held.gaps:
            problems.append(Problem(path, 0, 0, f"records {first} to {last} are gone"))
            lost += _beyond(first, last, known)
        lost += held.torn
        torn = held.torn
        before = max(before or 0, held.last)
    return problems, lost, torn


def _beyond(first: int, last: int, watermark: int) -> int:
    return max(0, last - max(first - 1, watermark))


def recover(directory: Path, watermark: int | None) -> Recovery:
    """Read every segment, finish those that a crash left open, remove empty ones. Raises OSError.

    `watermark` is None when the file that holds it was lost: then all is sent again."""
    found = list(scan_directory(directory))
    problems, lost, torn = examine(found, watermark)
    state = Recovery(problems=problems, lost=lost, last=watermark or 0)
    wall, monotonic = time.time_ns(), time.monotonic_ns()
    highest = watermark or 0
    for path, held in found:
        highest = max(highest, held.base, held.last)
        if not held.sequences:
            path.unlink()
            continue
        if not held.sealed:
            _seal(path, held)
        segment = Segment(path, held.base, path.stat().st_size, held.sequences, held.offsets)
        # A clock that was set back makes records young, never old: nothing is shed for a wrong clock.
        ages = (monotonic - max(0, wall - moment) for moment in held.times)
        segment.times.extend(accumulate(ages, max))
        state.segments.append(segment)
        state.last = max(state.last, held.sequences[-1])
    state.next_sequence = highest + 1 + (SKIP if torn else 0)
    return state


def _seal(path: Path, held: Scan) -> None:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        seal_file(file, held.base, held.sequences[-1], held.end)
    finally:
        os.close(file)
