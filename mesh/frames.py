"""Frames by shared memory between processes of one host: a ring of slots, references by generation.

The segment is a plain mapped file in `/dev/shm` (elsewhere: the temporary directory), not
`multiprocessing.shared_memory`: that one's resource tracker unlinks segments a process has only attached to
(Python 3.10 to 3.12) and warns about those a peer removed. The writer holds a lock on the file for as long as
it lives, however it ends, so that the next writer can tell what a crash has left behind and remove it.

Each slot has a header word: twice the generation of the frame in it, plus one while the frame is being
written. A reader compares it before and after it has used the pixels; a slot that was reused meanwhile is
thus always seen.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import secrets
import stat
import struct
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesh.errors import FieldViolation, Kind, MeshError

MAGIC = b"OVRFRM01"
HEADER = struct.Struct("<8sIIQ")  # magic, slots, unused, bytes of a slot
PAGE = 4096
WORD_STRIDE = 64  # a cache line for each slot's word
PREFIX = "ovr-frames-"
NAME = re.compile(rf"{PREFIX}[0-9a-f]{{16}}")
MAX_SLOTS = 65536

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class FrameRef:
    """Where a frame lies: segment's name, slot counted from 0, generation counted from 1."""

    segment: str
    slot: int
    generation: int


def segment_directory() -> Path:
    """Where segments lie: memory where the host has it as a directory, else the temporary directory."""
    shm = Path("/dev/shm")
    return shm if shm.is_dir() and os.access(shm, os.W_OK) else Path(tempfile.gettempdir())


class Lease:
    """A frame's hold on its slot: the slot is not reused before each holder has released it."""

    def __init__(self, ring: FrameRing, ref: FrameRef) -> None:
        self.ref = ref
        self._ring = ring
        self._held = 1

    def retain(self) -> Lease:
        """One more holder; release once more."""
        with self._ring.lock:
            if self._held == 0:
                raise ValueError(f"slot {self.ref.slot} was released already")
            self._held += 1
        return self

    def release(self) -> None:
        """One holder less; the last one frees the slot. Releasing more often than held is harmless."""
        with self._ring.lock:
            if self._held == 0:
                return
            self._held -= 1
            if self._held == 0:
                self._ring.free.append(self.ref.slot)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class FrameRing:
    """The writer's side: `slots` frames of at most `slot_bytes` bytes. Safe to use from several threads.

    Raises MeshError(EXHAUSTED, FRAME_RING_NO_SPACE) when the host has not that much shared memory.
    """

    def __init__(self, slots: int, slot_bytes: int, *, directory: Path | None = None) -> None:
        if not 1 <= slots <= MAX_SLOTS or slot_bytes < 1:
            raise ValueError(
                f"a ring needs 1 to {MAX_SLOTS} slots of a byte or more, not {slots} of {slot_bytes}"
            )
        self.slot_bytes = slot_bytes
        self.lock = threading.Lock()
        self.free = deque(range(slots))
        self._generations = [0] * slots
        where = directory or segment_directory()
        sweep(where)
        self.name = PREFIX + secrets.token_hex(8)
        self._path = where / self.name
        data, stride, size = _layout(slots, slot_bytes)
        self._file = _create(self._path, size)
        self._map = mmap.mmap(self._file, size)
        self._words: NDArray[np.uint64] | None = _words(self._map, slots)
        self._data, self._stride = data, stride
        self._map[: HEADER.size] = HEADER.pack(MAGIC, slots, 0, slot_bytes)

    def put(self, frame: NDArray[Any]) -> Lease | None:
        """Copy a frame into a free slot. None if none is free or the frame is too large: send it inline."""
        with self.lock:
            if self._words is None:
                raise ValueError("the ring is closed")
            if frame.nbytes > self.slot_bytes or frame.nbytes == 0 or not self.free:
                return None
            slot = self.free.popleft()  # free for longest, so that a late reader may still finish
            self._generations[slot] += 1
            generation, words = self._generations[slot], self._words
        words[slot] = 2 * generation + 1
        start = self._data + slot * self._stride
        target: NDArray[Any] = np.ndarray(frame.shape, frame.dtype, self._map, start)
        np.copyto(target, frame)
        words[slot] = 2 * generation
        return Lease(self, FrameRef(self.name, slot, generation))

    def close(self) -> None:
        """Remove the segment; readers that still map it keep it until they let go."""
        with self.lock:
            if self._words is None:
                return
            self._words = None
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def __enter__(self) -> FrameRing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class _Segment:
    """A mapped segment of a peer."""

    file: int
    map: mmap.mmap
    words: NDArray[np.uint64]
    slots: int
    slot_bytes: int
    data: int
    stride: int


class FrameReader:
    """The reader's side: maps the segments references name, lets go of those whose writer has ended."""

    def __init__(self, *, directory: Path | None = None) -> None:
        self._directory = directory or segment_directory()
        self._segments: dict[str, _Segment] = {}
        self._lock = threading.Lock()

    @contextmanager
    def view(self, ref: FrameRef, shape: tuple[int, ...], stride: int = 0) -> Iterator[Pixels]:
        """The pixels in place, read-only, for the body of the `with`; `stride` is bytes from row to row, 0:
        close.

        Raises MeshError(STALE): FRAME_REF_STALE when the slot was reused before or while the body ran (what
        the body made of the pixels is then worthless), FRAME_REF_UNKNOWN when this host has no such segment;
        and MeshError(INVALID, FRAME_REF_BOUNDS) for a slot or shape that the segment does not have."""
        segment = self._segment(ref.segment)
        offset, strides = _bounds(segment, ref, shape, stride)
        word = np.uint64(2 * ref.generation)
        _unless_stale(segment, ref, word)
        pixels: Pixels = np.ndarray(shape, np.uint8, segment.map, offset, strides)
        pixels.flags.writeable = False
        yield pixels
        _unless_stale(segment, ref, word)

    def copy(self, ref: FrameRef, shape: tuple[int, ...], stride: int = 0) -> Pixels:
        """The pixels as an array of the caller's own. Raises as `view` does."""
        with self.view(ref, shape, stride) as pixels:
            own: Pixels = pixels.copy()
            return own

    def _segment(self, name: str) -> _Segment:
        with self._lock:
            found = self._segments.get(name)
            if found is None:
                self._drop_ended()
                found = self._segments[name] = _attach(self._directory, name)
            return found

    def _drop_ended(self) -> None:
        ended = [name for name, segment in self._segments.items() if os.fstat(segment.file).st_nlink == 0]
        for name in ended:
            os.close(self._segments.pop(name).file)  # the mapping goes when its last view does

    def close(self) -> None:
        """Let go of every segment."""
        with self._lock:
            for segment in self._segments.values():
                os.close(segment.file)
            self._segments.clear()


def sweep(directory: Path | None = None) -> list[str]:
    """Remove segments of this user whose writer has ended without doing so; their names."""
    removed = []
    for path in (directory or segment_directory()).glob(PREFIX + "*"):
        try:
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue  # another user's, or gone
        try:
            # A segment without size is one whose writer has not locked it yet.
            if os.fstat(file).st_size and _lock(file):
                path.unlink(missing_ok=True)
                removed.append(path.name)
        finally:
            os.close(file)
    return removed


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _layout(slots: int, slot_bytes: int) -> tuple[int, int, int]:
    """Where the slots begin, bytes from one to the next, and the size of it all."""
    data = -(-(PAGE + slots * WORD_STRIDE) // PAGE) * PAGE
    stride = -(-slot_bytes // PAGE) * PAGE
    return data, stride, data + slots * stride


def _words(mapping: mmap.mmap, slots: int) -> NDArray[np.uint64]:
    words: NDArray[np.uint64] = np.ndarray((slots,), np.uint64, mapping, PAGE, (WORD_STRIDE,))
    return words


def _create(path: Path, size: int) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)  # now, or the process dies by SIGBUS at its first write
        else:
            os.ftruncate(file, size)
    except OSError as error:
        os.close(file)
        path.unlink(missing_ok=True)
        message = f"{path.parent} has no {size >> 20} MiB for frames: {error.strerror}"
        raise MeshError(Kind.EXHAUSTED, "FRAME_RING_NO_SPACE", message) from error
    return file


def _attach(directory: Path, name: str) -> _Segment:
    if not NAME.fullmatch(name):
        raise MeshError(
            Kind.INVALID,
            "FRAME_REF_BOUNDS",
            f"{name!r} is no segment's name",
            fields=(FieldViolation("frame.ref.segment", "must be a name that a ring gave"),),
        )
    message = f"this host has no segment {name}: send the frame inline"
    unknown = MeshError(Kind.STALE, "FRAME_REF_UNKNOWN", message)
    try:
        file = os.open(directory / name, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise unknown from error
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_size < PAGE:
            raise unknown
        mapping = mmap.mmap(file, found.st_size, access=mmap.ACCESS_READ)
        magic, slots, _, slot_bytes = HEADER.unpack(mapping[: HEADER.size])
        data, stride, size = _layout(slots, slot_bytes)
        if magic != MAGIC or size != found.st_size:
            raise unknown
    except BaseException:
        os.close(file)
        raise
    return _Segment(file, mapping, _words(mapping, slots), slots, slot_bytes, data, stride)


def _bounds(
    segment: _Segment, ref: FrameRef, shape: tuple[int, ...], stride: int
) -> tuple[int, tuple[int, ...]]:
    """Where the frame begins and numpy's strides. Raises MeshError when it is not within its slot."""
    row = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    step = stride or row
    needed = step * (shape[0] - 1) + row if shape and min(shape) > 0 else 0
    if ref.slot >= segment.slots or step < row or not 0 < needed <= segment.slot_bytes:
        raise MeshError(
            Kind.INVALID,
            "FRAME_REF_BOUNDS",
            f"slot {ref.slot} of {segment.slots} with {segment.slot_bytes} bytes has no frame {shape}",
            fields=(FieldViolation("frame.ref", "must lie within its segment"),),
        )
    inner = [1]
    for extent in reversed(shape[2:]):
        inner.insert(0, inner[0] * extent)
    return segment.data + ref.slot * segment.stride, (step, *inner) if len(shape) > 1 else (1,)


def _unless_stale(segment: _Segment, ref: FrameRef, word: np.uint64) -> None:
    if segment.words[ref.slot] != word:
        raise MeshError(
            Kind.STALE, "FRAME_REF_STALE", f"slot {ref.slot} was used anew: send the frame inline"
        )
