"""The embedded log beyond the port: retention, crashes, a full disk, shared commits."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from mesh.errors import Kind, MeshError
from storage.log.port import NewRecord
from storage.log.sqlite import SqliteLog

TOPIC = "plate-events"


@pytest.fixture
async def log(tmp_path):
    opened = await SqliteLog.open(tmp_path / "log.db")
    yield opened
    await opened.close()


def record(value: bytes = b"v") -> NewRecord:
    return NewRecord(b"k", value)


async def test_trim_by_size_removes_the_oldest(log):
    """Retention by bytes keeps the newest records, and offsets go on where they were."""
    await log.append(TOPIC, [record(bytes([number]) * 99) for number in range(20)])
    assert await log.trim(TOPIC, max_bytes=1000) == 10
    reader = await log.reader(TOPIC, "g")
    found = await reader.poll(100, 1)
    assert [item.offset for item in found] == list(range(10, 20))
    assert (await log.append(TOPIC, [record()]))[0].offset == 20


async def test_trim_by_age_keeps_the_young(log):
    """Retention by age removes what is older, all of it in any number of chunks, and nothing else."""
    await log.append(TOPIC, [record()] * 1200)
    assert await log.trim(TOPIC, max_age=timedelta(hours=1)) == 0
    assert await log.trim(TOPIC, max_age=timedelta(0)) == 1200


async def test_a_reader_counts_what_retention_took_from_it(log):
    """Records that went before a group came to them are counted, and the group goes on behind them."""
    reader = await log.reader(TOPIC, "g")
    await log.append(TOPIC, [record(b"x" * 99)] * 10)
    await reader.commit(await reader.poll(2, 1))
    await log.trim(TOPIC, max_bytes=300)
    found = await reader.poll(10, 1)
    assert [item.offset for item in found] == [7, 8, 9]
    assert reader.skipped() == 5
    assert await reader.lag() == 3


async def test_a_tail_behind_retention_is_out_of_range(log):
    """A cursor, or an open tail, whose next record is gone gets OUT_OF_RANGE."""
    await log.append(TOPIC, [record(b"x" * 99)] * 10)
    tail = await log.tail(TOPIC, "0")
    cursor = (await tail.poll(1, 1))[0].cursor
    await log.trim(TOPIC, max_bytes=300)
    for attempt in (tail.poll(1, 0), log.tail(TOPIC, cursor)):
        with pytest.raises(MeshError) as caught:
            await attempt
        assert caught.value.kind is Kind.OUT_OF_RANGE


async def test_a_cursor_of_another_log_is_out_of_range(log, tmp_path):
    """A log that was made anew does not take the old one's cursors for its own."""
    other = await SqliteLog.open(tmp_path / "other.db")
    cursor = (await other.tail(TOPIC)).cursor
    await other.close()
    with pytest.raises(MeshError) as caught:
        await log.tail(TOPIC, cursor)
    assert caught.value.kind is Kind.OUT_OF_RANGE


async def test_a_full_disk_is_unavailable_and_passes(log, tmp_path):
    """When the file cannot grow appends say UNAVAILABLE and leave nothing; afterwards they work again."""
    await log.append(TOPIC, [record()])
    connection = log._database._write_connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(MeshError) as caught:
        await log.append(TOPIC, [record(b"x" * 100_000)])
    assert caught.value.kind is Kind.UNAVAILABLE
    connection.execute("PRAGMA max_page_count = 1000000")
    assert (await log.append(TOPIC, [record()]))[0].offset == 1


async def test_an_id_that_another_process_appended_is_known(log, tmp_path):
    """The whole file is looked through for an id: a record is on it once, whoever appends it again."""
    other = await SqliteLog.open(tmp_path / "log.db")
    (first,) = await log.append(TOPIC, [NewRecord(b"k", b"a", id="1")])
    (known,) = await other.append(TOPIC, [NewRecord(b"k", b"a", id="1")])
    await other.close()
    assert (known.new, known.offset) == (False, first.offset)


async def test_concurrent_appends_share_a_commit(log, monkeypatch):
    """A hundred appends at once take a few commits, not a hundred."""
    commits = []
    write = log._database.write

    async def counted(work, **options):
        commits.append(1)
        return await write(work, **options)

    monkeypatch.setattr(log._database, "write", counted)
    await asyncio.gather(*(log.append(TOPIC, [record()]) for _ in range(100)))
    assert len(commits) <= 3


async def test_a_cancelled_append_leaves_the_others_alone(log):
    """Cancelling one of several waiting appends neither hangs nor fails the others."""
    appends = [asyncio.create_task(log.append(TOPIC, [record()])) for _ in range(10)]
    await asyncio.sleep(0)
    appends[3].cancel()
    done, pending = await asyncio.wait(appends, timeout=5)
    assert not pending
    assert sum(not task.cancelled() for task in done) == 9


async def test_what_was_appended_survives_a_killed_process(tmp_path):
    """Every position that a process reported before SIGKILL is on the log afterwards, and its group lock is
    free."""
    script = """
import asyncio, sys
from pathlib import Path
from storage.log.port import NewRecord
from storage.log.sqlite import SqliteLog
async def main():
    log = await SqliteLog.open(Path(sys.argv[1]))
    reader = await log.reader("plate-events", "g")
    await reader.poll(1, 0)
    while True:
        for position in await log.append("plate-events", [NewRecord(b"k", b"v" * 500)]):
            print(position.offset, flush=True)
asyncio.run(main())
"""
    path = tmp_path / "log.db"
    reported = await asyncio.to_thread(run_until_killed, script, path)
    log = await SqliteLog.open(path)
    found = await (await log.reader(TOPIC, "g")).poll(10_000, 5)
    await log.close()
    assert {item.offset for item in found} >= set(reported)


def run_until_killed(script: str, path: Path) -> list[int]:
    """What the script printed before it was killed, after 50 lines."""
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'gen'}"},
    )
    assert process.stdout is not None
    reported = [int(process.stdout.readline()) for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    reported += [int(line) for line in process.stdout.read().split()]
    process.wait()
    return reported


async def test_an_older_software_refuses_a_newer_file(tmp_path):
    """A file with a later schema gives FAILED_PRECONDITION that names both versions."""
    path = tmp_path / "log.db"
    await (await SqliteLog.open(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(MeshError, match="99") as caught:
        await SqliteLog.open(path)
    assert caught.value.kind is Kind.FAILED_PRECONDITION


async def test_a_file_that_is_no_database_is_data_loss(tmp_path):
    """A damaged file is named and not overwritten."""
    path = tmp_path / "log.db"
    path.write_bytes(b"not a database, certainly not" * 100)
    with pytest.raises(MeshError, match=r"log\.db") as caught:
        await SqliteLog.open(path)
    assert caught.value.kind is Kind.DATA_LOSS
    assert path.read_bytes().startswith(b"not a database")
