"""The spool: what was acknowledged to its writer is there after anything, or its loss is reported and
counted."""

from __future__ import annotations

# ruff: noqa: ASYNC240 - the tests look at files while nothing else runs
import asyncio
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.spool import Spool, SpoolRecord, SpoolSettings, segment, tools
from edge.spool.format import HEADER_BYTES, MARK
from mesh.errors import Kind, MeshError
from mesh.testing import watch_loop

ROOT = Path(__file__).parents[3]
SMALL = SpoolSettings(max_bytes=64 << 10, segment_bytes=4096)
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory in memory where there is one: these tests are about bytes and order, not about the disk's
    speed."""
    with tempfile.TemporaryDirectory(prefix="ovr-spool-", dir=MEMORY) as directory:
        yield Path(directory)


@asynccontextmanager
async def opened(directory: Path, bounds: SpoolSettings = SMALL) -> AsyncIterator[Spool]:
    """A spool for the body."""
    spool = await Spool.open(directory, bounds)
    try:
        yield spool
    finally:
        await spool.close()


async def everything(spool: Spool) -> list[SpoolRecord]:
    """All that waits."""
    return await spool.read(0, 1_000_000)


def crash(directory: Path, copy: Path) -> Path:
    """The directory as a crash at this moment leaves it."""
    shutil.copytree(directory, copy)
    return copy


def payload(number: int, size: int = 100) -> bytes:
    """Bytes that no other number has, with marks of records within."""
    return (b"%08d" % number + MARK + random.Random(number).randbytes(max(0, size - 12)))[:size]


async def test_events_come_back_in_order_with_number_and_time(tmp_path: Path) -> None:
    """What is appended is read in order, with growing numbers and the time it was taken; also after a
    restart."""
    before = time.time()
    async with opened(tmp_path) as spool:
        numbers = [await spool.append(payload(n)) for n in range(1, 6)]
        found = await spool.read(2, 2)
        assert numbers == [1, 2, 3, 4, 5]
        assert [(r.sequence, r.payload) for r in found] == [(3, payload(3)), (4, payload(4))]
        assert before - 1 <= found[0].appended_at.timestamp() <= time.time() + 1
        assert spool.status().events == 5
    async with opened(tmp_path) as spool:
        assert [r.payload for r in await everything(spool)] == [payload(n) for n in range(1, 6)]
        assert await spool.append(b"next") == 6
        assert spool.problems == ()


async def test_an_empty_event_and_a_large_one(tmp_path: Path) -> None:
    """Any size is taken, from nothing to larger than a segment; beyond the bound it is refused by name."""
    async with opened(tmp_path) as spool:
        await spool.append(b"")
        await spool.append(payload(2, 20_000))
        await spool.append(payload(3))
        assert [len(r.payload) for r in await everything(spool)] == [0, 20_000, 100]
        with pytest.raises(MeshError) as caught:
            await spool.append(bytes(SMALL.max_record + 1))
        assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "SPOOL_RECORD_TOO_LARGE")
    async with opened(tmp_path) as spool:
        assert [len(r.payload) for r in await everything(spool)] == [0, 20_000, 100]


async def test_appends_at_once_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred appends at once cost few syncs, and each returns only after the sync that holds it."""
    syncs: list[int] = []
    real = segment.sync_data

    def counted(file: int) -> None:
        real(file)
        syncs.append(file)

    monkeypatch.setattr(segment, "sync_data", counted)
    async with opened(tmp_path, SpoolSettings()) as spool:
        await spool.append(b"first")
        before = len(syncs)
        numbers = await asyncio.gather(*(spool.append(payload(n)) for n in range(100)))
        assert sorted(numbers) == list(range(2, 102))
        assert len(syncs) - before <= 3
        before = len(syncs)
        await spool.append(b"alone")
        assert len(syncs) == before + 1


async def test_appending_does_not_block_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow disk holds up those who append and nobody else."""
    monkeypatch.setattr(segment, "sync_data", lambda file: time.sleep(0.4))
    async with opened(tmp_path) as spool:
        async with watch_loop(0.25):
            await asyncio.gather(spool.append(b"a"), spool.append(b"b"))
        monkeypatch.undo()


async def test_acknowledged_events_do_not_come_back(tmp_path: Path) -> None:
    """After an acknowledgement all up to it are gone, now and after a restart, and their files with them."""
    async with opened(tmp_path) as spool:
        for n in range(1, 101):
            await spool.append(payload(n))
        full = spool.status().bytes
        await spool.acknowledge(90)
        assert [r.sequence for r in await everything(spool)] == list(range(91, 101))
        assert spool.status().events == 10
        assert spool.status().bytes < full * 0.6
        await spool.acknowledge(10)
        assert spool.status().events == 10
    async with opened(tmp_path) as spool:
        assert [r.sequence for r in await everything(spool)] == list(range(91, 101))
        await spool.acknowledge(10_000)
        assert await spool.append(b"x") == 101
        assert [r.sequence for r in await everything(spool)] == [101]


async def test_waiting_ends_with_the_next_event(tmp_path: Path) -> None:
    """wait returns at once when there is something to read, else with the next append; cancelled it leaves
    nothing."""
    async with opened(tmp_path) as spool:
        waiting = asyncio.ensure_future(spool.wait(0))
        gone = asyncio.ensure_future(spool.wait(0))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        gone.cancel()
        await spool.append(b"x")
        await asyncio.wait_for(waiting, 10)
        await asyncio.wait_for(spool.wait(0), 10)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(spool.wait(1), 0.05)
        await spool.acknowledge(1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(spool.wait(0), 0.05)


async def test_a_full_spool_sheds_the_oldest_and_counts(tmp_path: Path) -> None:
    """The bound on bytes holds at every moment; what is shed is the oldest and counted exactly."""
    async with opened(tmp_path) as spool:
        for n in range(1, 1001):
            await spool.append(payload(n, 500))
            assert spool.status().bytes <= SMALL.max_bytes
        held = await everything(spool)
        assert [r.sequence for r in held] == list(range(held[0].sequence, 1001))
        assert spool.status().shed == {"full": 1000 - len(held)}
        assert len(held) * 500 > SMALL.max_bytes * 0.6
        assert sum(path.stat().st_size for path in tmp_path.glob("*.seg")) <= SMALL.max_bytes
    async with opened(tmp_path) as spool:
        assert [r.sequence for r in await everything(spool)] == [r.sequence for r in held]
        assert spool.status().shed == {}


async def test_acknowledged_events_are_not_counted_as_shed(tmp_path: Path) -> None:
    """Only what nobody has taken yet is a loss."""
    async with opened(tmp_path) as spool:
        for n in range(1, 400):
            await spool.append(payload(n, 500))
            await spool.acknowledge(n - 3)
        assert spool.status().shed == {}
        assert spool.status().events == 3


async def test_events_that_are_too_old_are_shed_and_counted(tmp_path: Path) -> None:
    """Age is a bound as well, counted by its own reason; also for what an earlier run has left."""
    bounds = SpoolSettings(max_bytes=64 << 10, segment_bytes=4096, max_age=1.0)
    async with opened(tmp_path, bounds) as spool:
        await spool.append(b"old")
        await spool.append(b"old too")
        await asyncio.sleep(1.1)
        await spool.append(b"new")
        assert [r.payload for r in await everything(spool)] == [b"new"]
        assert spool.status().shed == {"expired": 2}
    await asyncio.sleep(1.1)
    async with opened(tmp_path, bounds) as spool:
        assert await everything(spool) == []
        assert spool.status().shed == {"expired": 1}


async def test_a_clock_that_was_wrong_sheds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A box without a clock of its own starts in the past and is set right later: no event is old for
    that."""
    bounds = SpoolSettings(max_bytes=64 << 10, segment_bytes=4096, max_age=60)
    async with opened(tmp_path, bounds) as spool:
        monkeypatch.setattr(time, "time_ns", lambda: 10**9)
        await spool.append(b"in 1970")
        monkeypatch.undo()
        await spool.append(b"now")
        assert len(await everything(spool)) == 2


async def test_a_full_disk_refuses_clearly_and_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk fails the append by name, leaves nothing of it behind, and is over when there is room
    again."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with opened(tmp_path) as spool:
        await spool.append(b"before")
        for target in ("sync_data", "_write_at"):
            monkeypatch.setattr(segment, target, full)
            results = await asyncio.gather(
                *(spool.append(payload(n)) for n in range(5)), return_exceptions=True
            )
            assert {getattr(error, "reason", error) for error in results} == {"SPOOL_DISK_FULL"}
            assert results[0] is not results[1]
            monkeypatch.undo()
        monkeypatch.setattr(segment.os, "posix_fallocate", full)
        with pytest.raises(MeshError, match="SPOOL_DISK_FULL"):
            await spool.append(b"no room for a segment")
        monkeypatch.undo()
        after = await spool.append(b"after")
        assert [r.payload for r in await everything(spool)] == [b"before", b"after"]
        assert after > 6
    async with opened(tmp_path) as spool:
        held = [r.payload for r in await everything(spool)]
        assert held == [b"before", b"after"]
        assert spool.status().shed == {}


async def test_a_nearly_full_disk_still_takes_what_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When there is no room for a whole segment, a small one is made."""
    real = os.posix_fallocate

    def nearly_full(file: int, offset: int, size: int) -> None:
        if size > 2000:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file, offset, size)

    async with opened(tmp_path) as spool:
        monkeypatch.setattr(segment.os, "posix_fallocate", nearly_full)
        assert [await spool.append(payload(n)) for n in range(3)] == [1, 2, 3]
        with pytest.raises(MeshError, match="SPOOL_DISK_FULL"):
            await spool.append(bytes(4000))
        monkeypatch.undo()
        assert len(await everything(spool)) == 3


async def test_cancelled_appends_hang_nobody(tmp_path: Path) -> None:
    """Appends that are cancelled at any moment lose no other's event and leave no wrong one."""
    dice = random.Random(7)
    async with opened(tmp_path, SpoolSettings()) as spool:
        tasks = [asyncio.ensure_future(spool.append(payload(n))) for n in range(300)]
        for task in dice.sample(tasks, 100):
            await asyncio.sleep(dice.choice([0, 0, 0.001]))
            task.cancel()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        held = {r.sequence: r.payload for r in await everything(spool)}
        for number, result in enumerate(results):
            if isinstance(result, int):
                assert held[result] == payload(number)
        assert set(held.values()) <= {payload(n) for n in range(300)}


async def test_one_user_at_a_time(tmp_path: Path) -> None:
    """A second process (here: a second spool) is refused by name; after close the directory is free."""
    async with opened(tmp_path):
        with pytest.raises(MeshError) as caught:
            await Spool.open(tmp_path, SMALL)
        assert (caught.value.kind, caught.value.reason) == (Kind.FAILED_PRECONDITION, "SPOOL_IN_USE")
    async with opened(tmp_path) as spool:
        assert spool.status().events == 0


async def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A path that is a file is reported by its name."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(MeshError, match="SPOOL_UNUSABLE") as caught:
        await Spool.open(tmp_path / "file" / "spool")
    assert str(tmp_path / "file") in str(caught.value)


async def test_a_closed_spool_takes_nothing(tmp_path: Path) -> None:
    """Closing waits for what is under way; later appends are refused."""
    spool = await Spool.open(tmp_path, SMALL)
    under_way = [asyncio.ensure_future(spool.append(payload(n))) for n in range(10)]
    await asyncio.sleep(0)
    await spool.close()
    assert await asyncio.gather(*under_way) == list(range(1, 11))
    with pytest.raises(MeshError, match="SPOOL_CLOSED"):
        await spool.append(b"late")
    await spool.close()


WRITER = """
import asyncio, random, sys
from pathlib import Path
from edge.spool import Spool, SpoolSettings

async def main():
    spool = await Spool.open(Path(sys.argv[1]), SpoolSettings(max_bytes=1 << 26, segment_bytes=1 << 15))
    async def writer(name):
        dice, number = random.Random(name), 0
        while True:
            body = b"%d.%d " % (name, number) + dice.randbytes(dice.randrange(3000))
            await spool.append(body)
            print(body.split()[0].decode(), flush=True)
            number += 1
    await asyncio.gather(*(writer(n) for n in range(8)))

asyncio.run(main())
"""


async def test_kill_9_of_a_real_writer_loses_nothing_it_had_acknowledged(tmp_path: Path) -> None:
    """Three times over the same directory: everything whose append had returned is there, in each writer's
    order."""
    taken: list[str] = []
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}"}
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path), env=environment, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        lines = [await process.stdout.readline() for _ in range(150)]
        process.send_signal(signal.SIGKILL)
        lines += (await process.stdout.read()).splitlines(keepends=True)
        await process.wait()
        said = [line.decode().strip() for line in lines if line.endswith(b"\n")]
        async with opened(tmp_path, SpoolSettings(max_bytes=1 << 26, segment_bytes=1 << 15)) as spool:
            held = [r.payload.split()[0].decode() for r in await everything(spool)]
            assert set(taken) | set(said) <= set(held)
            assert spool.status().shed == {}
            taken = held


Damage = Callable[[bytearray, random.Random], None]


def cut(data: bytearray, dice: random.Random) -> None:
    """Cut the file anywhere."""
    del data[dice.randrange(len(data)) :]


def flip(data: bytearray, dice: random.Random) -> None:
    """Flip some bits anywhere."""
    for _ in range(dice.randint(1, 3)):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def smear(data: bytearray, dice: random.Random) -> None:
    """Overwrite a stretch with noise."""
    start = dice.randrange(len(data))
    data[start : start + 200] = dice.randbytes(len(data[start : start + 200]))


def remove(data: bytearray, dice: random.Random) -> None:
    """Take a stretch out, so that all behind it moves."""
    start = dice.randrange(len(data))
    del data[start : start + dice.randint(1, 100)]


def double(data: bytearray, dice: random.Random) -> None:
    """Put a stretch in a second time."""
    start = dice.randrange(len(data))
    data[start:start] = data[start : start + dice.randint(1, 300)]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    damage=st.sampled_from([cut, flip, smear, remove, double]),
    count=st.integers(1, 60),
    crashed=st.booleans(),
    acknowledged=st.integers(0, 60),
)
def test_damage_anywhere_is_survived_or_reported(
    seed: int, damage: Damage, count: int, crashed: bool, acknowledged: int
) -> None:
    """Cut or corrupt any segment at any byte, after a crash or a clean end: every record that was taken is
    read as it was, or the damage is reported and counted; no record is ever wrong; and the spool goes on."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="ovr-spool-", dir=MEMORY) as directory:
        asyncio.run(_damaged(Path(directory), dice, damage, count, crashed, acknowledged))


async def _damaged(
    base: Path, dice: random.Random, damage: Damage, count: int, crashed: bool, acknowledged: int
) -> None:
    spool = await Spool.open(base / "spool", SMALL)
    written: dict[int, bytes] = {}
    while len(written) < count:
        bodies = [payload(dice.randrange(10**6), dice.randrange(400)) for _ in range(dice.randint(1, 4))]
        numbers = await asyncio.gather(*map(spool.append, bodies))
        written.update(zip(numbers, bodies, strict=True))
    await spool.acknowledge(acknowledged)
    directory = crash(base / "spool", base / "crashed") if crashed else base / "spool"
    await spool.close()
    victim = dice.choice(sorted(directory.glob("*.seg")))
    data = bytearray(victim.read_bytes())
    intact = bytes(data)
    damage(data, dice)
    victim.write_bytes(data)
    waiting = {number: body for number, body in written.items() if number > acknowledged}

    checked = tools.verify(directory)
    async with opened(directory) as spool:
        held = {record.sequence: record.payload for record in await everything(spool)}
        assert all(waiting.get(number) == body for number, body in held.items())
        missing = set(waiting) - set(held)
        if missing:
            assert spool.problems
            assert checked.problems
            assert spool.status().shed.get("damaged", 0) > 0
        if bytes(data) == intact:
            assert not spool.problems
        number = await spool.append(b"goes on")
        assert number > max(written)
        assert (await everything(spool))[-1].payload == b"goes on"


async def test_a_cut_at_every_byte_of_a_crashed_segment(tmp_path: Path) -> None:
    """For each length a segment can be cut to: all records before the cut are there, and the cut is
    reported."""
    async with opened(tmp_path / "spool") as spool:
        for n in range(1, 5):
            await spool.append(payload(n, 30))
        crashed = crash(tmp_path / "spool", tmp_path / "crashed")
    name = next(crashed.glob("*.seg")).name
    data = (crashed / name).read_bytes()
    ends = [HEADER_BYTES + n * (28 + 30) for n in range(1, 5)]
    for length in range(ends[-1] + 1):
        directory = tmp_path / f"cut-{length}"
        directory.mkdir()
        (directory / name).write_bytes(data[:length])
        async with opened(directory) as spool:
            held = [r.payload for r in await everything(spool)]
            assert held == [payload(n, 30) for n, end in enumerate(ends, 1) if end <= length]
            assert any("cut" in problem.why for problem in spool.problems)
            assert spool.status().shed["damaged"] >= 1
        shutil.rmtree(directory)


async def test_a_record_that_rots_while_the_spool_is_open(tmp_path: Path) -> None:
    """A record whose bytes change on the disk is left out and counted once, and does not keep its reader
    spinning."""
    async with opened(tmp_path) as spool:
        for n in range(1, 4):
            await spool.append(payload(n, 50))
        path = next(tmp_path.glob("*.seg"))
        data = bytearray(path.read_bytes())
        data[HEADER_BYTES + (28 + 50) + 40] ^= 1
        path.write_bytes(data)
        for _ in range(2):
            assert [r.sequence for r in await everything(spool)] == [1, 3]
        assert spool.status().shed == {"damaged": 1}
        assert spool.status().events == 2
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(spool.wait(3), 0.05)


async def test_a_lost_segment_is_counted(tmp_path: Path) -> None:
    """A segment that vanished from among the others is reported with the numbers that went with it."""
    async with opened(tmp_path) as spool:
        for n in range(1, 101):
            await spool.append(payload(n, 200))
    files = sorted(tmp_path.glob("*.seg"))
    gone = len([r for r in tools.ls(tmp_path) if r.path == files[2]])
    assert gone == 1
    lost = next(info.records for info in tools.ls(tmp_path) if info.path == files[2])
    files[2].unlink()
    async with opened(tmp_path) as spool:
        assert spool.status().shed == {"damaged": lost}
        assert "are gone" in str(spool.problems[0])
        assert len(await everything(spool)) == 100 - lost


async def test_a_lost_watermark_replays_and_loses_nothing(tmp_path: Path) -> None:
    """Without its watermark the spool sends again what is still there, and calls nothing lost."""
    async with opened(tmp_path) as spool:
        for n in range(1, 101):
            await spool.append(payload(n))
        await spool.acknowledge(95)
    (tmp_path / "watermark").unlink()
    async with opened(tmp_path) as spool:
        assert {r.sequence for r in await everything(spool)} >= set(range(96, 101))
        assert spool.problems == ()
    (tmp_path / "watermark").write_bytes(b"\xff" * 1024)
    async with opened(tmp_path) as spool:
        assert spool.problems == ()
        assert await spool.append(b"x") == 101


async def test_ls_and_verify(tmp_path: Path) -> None:
    """The tools show what waits, also while the spool is in use, and verify finds each damage by file and
    offset."""
    async with opened(tmp_path) as spool:
        for n in range(1, 61):
            await spool.append(payload(n, 200))
        await spool.acknowledge(5)
        live = tools.verify(tmp_path)
        assert (live.waiting, live.whole, live.in_use) == (55, True, True)
    infos = tools.ls(tmp_path)
    assert sum(info.waiting for info in infos) == 55
    assert (infos[0].first, infos[-1].last) == (1, 60)
    data = bytearray(infos[1].path.read_bytes())
    data[500] ^= 1
    infos[1].path.write_bytes(data)
    found = tools.verify(tmp_path)
    assert not found.whole
    assert (found.lost, found.waiting, found.in_use) == (1, 54, False)
    assert str(infos[1].path) in str(found.problems[0])


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open descriptors are listed by Linux only")
async def test_a_spool_that_cannot_be_opened_holds_nothing(tmp_path: Path) -> None:
    """After a failed start no descriptor is left open, and the directory is free for the next user."""
    (tmp_path / f"{1:020d}.seg").mkdir()  # a segment that cannot be read
    await asyncio.to_thread(os.getpid)  # the thread is there, with what it needs
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(MeshError, match="SPOOL_UNUSABLE"):
            await Spool.open(tmp_path, SMALL)
    assert len(os.listdir("/proc/self/fd")) == len(before)
