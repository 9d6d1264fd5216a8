"""Frames by shared memory: exact, never a wrong picture, nothing left behind by a crash of either side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import frames
from mesh.errors import Kind, MeshError
from mesh.frames import FrameReader, FrameRef, FrameRing, sweep

ROOT = Path(__file__).parents[3]
SHAPE = (48, 64, 3)


def picture(seed: int) -> np.ndarray:
    """A picture that no other seed gives."""
    return np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)


def reason(caught: pytest.ExceptionInfo[MeshError]) -> str:
    """Why it failed."""
    return caught.value.reason


def test_a_frame_arrives_as_it_was_put(tmp_path: Path) -> None:
    """Viewed in place or copied, a frame is the one that was put; a view cannot be written to."""
    with FrameRing(3, 10_000, directory=tmp_path) as ring:
        reader = FrameReader(directory=tmp_path)
        lease = ring.put(picture(1))
        assert lease is not None
        with reader.view(lease.ref, SHAPE) as pixels:
            assert np.array_equal(pixels, picture(1))
            with pytest.raises(ValueError, match="read-only"):
                pixels[0, 0, 0] = 1
        assert np.array_equal(reader.copy(lease.ref, SHAPE), picture(1))
        reader.close()


def test_rows_with_a_stride(tmp_path: Path) -> None:
    """A frame whose rows are padded is read without its padding."""
    padded = np.zeros((4, 32), np.uint8)
    padded[:, :30] = np.arange(120, dtype=np.uint8).reshape(4, 30)
    with FrameRing(1, 200, directory=tmp_path) as ring:
        lease = ring.put(padded)
        assert lease is not None
        seen = FrameReader(directory=tmp_path).copy(lease.ref, (4, 10, 3), stride=32)
        assert np.array_equal(seen.reshape(4, 30), padded[:, :30])


def test_no_room_means_inline(tmp_path: Path) -> None:
    """A ring without a free slot, and a frame larger than a slot, are no error: the frame goes inline."""
    with FrameRing(2, 10_000, directory=tmp_path) as ring:
        leases = [ring.put(picture(i)) for i in range(2)]
        assert ring.put(picture(3)) is None
        assert leases[0] is not None
        leases[0].release()
        leases[0].release()
        assert ring.put(picture(4)) is not None
        assert ring.put(picture(5)) is None
        assert FrameRing(1, 10, directory=tmp_path).put(picture(1)) is None


def test_a_slot_is_free_when_its_last_holder_lets_go(tmp_path: Path) -> None:
    """A frame held twice keeps its slot until both have released it."""
    with FrameRing(1, 10_000, directory=tmp_path) as ring:
        lease = ring.put(picture(1))
        assert lease is not None
        lease.retain()
        lease.release()
        assert ring.put(picture(2)) is None
        lease.release()
        with pytest.raises(ValueError, match="released already"):
            lease.retain()
        assert ring.put(picture(2)) is not None


def test_a_reused_slot_is_stale_before_and_during_a_view(tmp_path: Path) -> None:
    """A reference to a slot that was reused is STALE, also when that happens while the pixels are in use."""
    with FrameRing(1, 10_000, directory=tmp_path) as ring:
        reader = FrameReader(directory=tmp_path)
        first = ring.put(picture(1))
        assert first is not None
        ref = first.ref
        with pytest.raises(MeshError) as caught, reader.view(ref, SHAPE) as pixels:  # noqa: PT012
            assert np.array_equal(pixels, picture(1))
            first.release()
            ring.put(picture(2))
        assert (caught.value.kind, reason(caught)) == (Kind.STALE, "FRAME_REF_STALE")
        with pytest.raises(MeshError) as caught:
            reader.copy(ref, SHAPE)
        assert reason(caught) == "FRAME_REF_STALE"


@pytest.mark.parametrize(
    ("slot", "shape", "stride"),
    [
        (9, SHAPE, 0),
        (0, (1000, 1000, 3), 0),
        (0, SHAPE, 10),
        (0, SHAPE, 1 << 40),
        (0, (0, 64, 3), 0),
        (0, (-1, 64, 3), 0),
        (0, (48, -64, -3), 0),
    ],
)
def test_a_reference_outside_of_its_segment_is_invalid(
    tmp_path: Path, slot: int, shape: tuple[int, ...], stride: int
) -> None:
    """No reference, however made, reads beyond its slot."""
    with FrameRing(2, 10_000, directory=tmp_path) as ring:
        lease = ring.put(picture(1))
        assert lease is not None
        with pytest.raises(MeshError) as caught:
            FrameReader(directory=tmp_path).copy(FrameRef(ring.name, slot, 1), shape, stride)
        assert (caught.value.kind, reason(caught)) == (Kind.INVALID, "FRAME_REF_BOUNDS")


@pytest.mark.parametrize("name", ["../etc/passwd", "ovr-frames-../../x", "ovr-frames-zz", "/dev/zero", ""])
def test_a_name_that_no_ring_gave_is_invalid(tmp_path: Path, name: str) -> None:
    """A reference cannot make the reader open anything but a segment."""
    with pytest.raises(MeshError) as caught:
        FrameReader(directory=tmp_path).copy(FrameRef(name, 0, 1), SHAPE)
    assert reason(caught) == "FRAME_REF_BOUNDS"


def test_a_segment_that_is_not_here_is_unknown(tmp_path: Path) -> None:
    """A peer on another host, a link and a file that is no segment are unknown: the caller sends inline."""
    name = "ovr-frames-" + "0" * 16
    (tmp_path / "ovr-frames-1111111111111111").symlink_to("/dev/zero")
    (tmp_path / "ovr-frames-2222222222222222").write_bytes(b"x" * 10_000)
    for segment in (name, "ovr-frames-" + "1" * 16, "ovr-frames-" + "2" * 16):
        with pytest.raises(MeshError) as caught:
            FrameReader(directory=tmp_path).copy(FrameRef(segment, 0, 1), SHAPE)
        assert (caught.value.kind, reason(caught)) == (Kind.STALE, "FRAME_REF_UNKNOWN")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=40))
def test_a_reference_reads_its_frame_or_is_stale(
    tmp_path_factory: pytest.TempPathFactory, acts: list[int]
) -> None:
    """Whatever is put and released in whatever order, no reference ever reads another frame's pixels."""
    directory = tmp_path_factory.mktemp("ring")
    reader = FrameReader(directory=directory)
    with FrameRing(3, 10_000, directory=directory) as ring:
        leases = []
        for number, act in enumerate(acts):
            if act < 2:
                lease = ring.put(picture(number))
                if lease is not None:
                    leases.append((number, lease, True))
            elif leases:
                index = next((i for i, (_, _, held) in enumerate(leases) if held), 0)
                seed, lease, _ = leases[index]
                lease.release()
                leases[index] = (seed, lease, False)
        for seed, lease, held in leases:
            try:
                assert np.array_equal(reader.copy(lease.ref, SHAPE), picture(seed))
            except MeshError as error:
                assert (held, error.kind) == (False, Kind.STALE)  # noqa: PT017
    reader.close()


def test_writers_and_readers_at_once_never_see_a_mixed_frame(tmp_path: Path) -> None:
    """With threads that write, release early and read all the while, each read is one frame or STALE."""
    ring, reader = FrameRing(4, 100_000, directory=tmp_path), FrameReader(directory=tmp_path)
    shape, seen, stale, stop = (100, 300, 3), [0], [0], threading.Event()
    newest: list[tuple[FrameRef, int]] = []

    def write(start: int) -> None:
        for number in range(start, start + 400):
            lease = ring.put(np.full(shape, number % 251, np.uint8))
            if lease is not None:
                newest[:] = [(lease.ref, number % 251)]
                lease.release()  # too early, on purpose
        stop.set()

    writers = [threading.Thread(target=write, args=(start,)) for start in (0, 1000)]
    for writer in writers:
        writer.start()
    while not stop.is_set() or not seen[0]:
        for ref, value in list(newest):
            try:
                pixels = reader.copy(ref, shape)
            except MeshError:
                stale[0] += 1
            else:
                assert (pixels == value).all()
                seen[0] += 1
    for writer in writers:
        writer.join()
    ring.close()
    assert seen[0]


WRITER = """
import sys, time, numpy as np
from pathlib import Path
from mesh.frames import FrameRing
ring = FrameRing(2, 100_000, directory=Path(sys.argv[1]))
ref = ring.put(np.full((10, 10, 3), 7, np.uint8)).ref
print(ref.segment, ref.slot, ref.generation, flush=True)
time.sleep(60)
"""
READER = """
import sys, time
from pathlib import Path
from mesh.frames import FrameReader, FrameRef
reader = FrameReader(directory=Path(sys.argv[1]))
with reader.view(FrameRef(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])), (10, 10, 3)) as pixels:
    print(int(pixels.sum()), flush=True)
    if len(sys.argv) > 5: time.sleep(60)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A real process of one side."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def first_line(process: subprocess.Popen[str]) -> str:
    """What it says first."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    return line.strip()


def test_a_killed_writer_leaves_nothing(tmp_path: Path) -> None:
    """After kill -9 of the writer its last frame can still be read, and the next writer removes its
    segment."""
    writer = start(WRITER, tmp_path)
    segment, slot, generation = first_line(writer).split()
    reader = FrameReader(directory=tmp_path)
    ref = FrameRef(segment, int(slot), int(generation))
    assert reader.copy(ref, (10, 10, 3)).sum() == 7 * 300
    assert sweep(tmp_path) == []  # it lives
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert reader.copy(ref, (10, 10, 3)).sum() == 7 * 300
    with FrameRing(1, 100, directory=tmp_path) as ring:
        assert [path.name for path in tmp_path.iterdir()] == [ring.name]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", ["exits", "killed"])
def test_a_reader_that_ends_takes_nothing_with_it(tmp_path: Path, end: str) -> None:
    """The end of a reader, in good order or by kill -9 in the midst of a view, leaves the segment to its
    writer."""
    with FrameRing(2, 100_000, directory=tmp_path) as ring:
        lease = ring.put(np.full((10, 10, 3), 7, np.uint8))
        assert lease is not None
        extra = ["hang"] if end == "killed" else []
        reader = start(READER, tmp_path, lease.ref.segment, lease.ref.slot, lease.ref.generation, *extra)
        assert first_line(reader) == "2100"
        if end == "killed":
            reader.send_signal(signal.SIGKILL)
        _, said = reader.communicate()
        assert "resource_tracker" not in said
        assert (tmp_path / ring.name).exists()
        assert FrameReader(directory=tmp_path).copy(lease.ref, (10, 10, 3)).sum() == 2100


def test_a_reader_lets_go_of_segments_that_ended(tmp_path: Path) -> None:
    """A reader that outlives many writers does not keep their memory."""
    reader = FrameReader(directory=tmp_path)
    for number in range(20):
        with FrameRing(1, 1000, directory=tmp_path) as ring:
            lease = ring.put(np.full(900, number, np.uint8))
            assert lease is not None
            assert reader.copy(lease.ref, (900,))[0] == number
    assert len(reader._segments) == 1


def test_too_little_shared_memory_is_an_error_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ring that does not fit fails when it is made, clearly, and leaves nothing; not by SIGBUS at a
    write."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(frames.os, "posix_fallocate", full)
    with pytest.raises(MeshError, match="FRAME_RING_NO_SPACE") as caught:
        FrameRing(2, 100_000, directory=tmp_path)
    assert caught.value.kind is Kind.EXHAUSTED
    assert list(tmp_path.iterdir()) == []


def test_the_real_shared_memory() -> None:
    """Where the host has /dev/shm, a ring of full-HD frames lies there and goes with its writer."""
    with FrameRing(2, 1920 * 1080 * 3) as ring:
        lease = ring.put(np.zeros((1080, 1920, 3), np.uint8))
        assert lease is not None
        assert FrameReader().copy(lease.ref, (1080, 1920, 3)).shape == (1080, 1920, 3)
        path = frames.segment_directory() / ring.name
        assert path.exists()
    assert not path.exists()
