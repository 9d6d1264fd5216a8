"""What every adapter of the log promises."""

from __future__ import annotations

import asyncio

import pytest

from mesh.errors import Kind, MeshError
from storage.log.port import NewRecord, Start

TOPIC = "plate-events"


def records(*values: str, key: str = "cam-1") -> list[NewRecord]:
    return [NewRecord(key.encode(), value.encode(), {"event-id": value}) for value in values]


def values(found: list) -> list[str]:
    return [record.value.decode() for record in found]


async def read_all(reader, count: int) -> list:
    found: list = []
    while len(found) < count:
        batch = await reader.poll(100, 5)
        assert batch, f"only {len(found)} of {count} records came"
        found += batch
    return found


async def test_append_then_poll_gives_the_same_records_in_order(open_log):
    """A group reads what was appended: key, value, headers, order and growing offsets."""
    log = await open_log()
    positions = await log.append(TOPIC, records("a", "b", "c"))
    reader = await log.reader(TOPIC, "writer")
    found = await read_all(reader, 3)
    assert values(found) == ["a", "b", "c"]
    assert [record.offset for record in found] == [position.offset for position in positions]
    assert found[0].key == b"cam-1"
    assert found[0].headers == {"event-id": "a"}
    assert found[0].topic == TOPIC
    assert found[0].timestamp.tzinfo is not None


async def test_append_of_nothing_is_nothing(open_log):
    """An empty append returns no positions and makes no record."""
    log = await open_log()
    assert await log.append(TOPIC, []) == []
    assert await (await log.reader(TOPIC, "writer")).poll(10, 0.05) == []


async def test_poll_wakes_when_another_process_appends(open_log):
    """A waiting poll returns soon after an append through another opening of the log."""
    log, other = await open_log(), await open_log()
    reader = await log.reader(TOPIC, "writer")
    assert await reader.poll(10, 0) == []
    waiting = asyncio.create_task(reader.poll(10, 60))
    await asyncio.sleep(0.1)
    started = asyncio.get_running_loop().time()
    await other.append(TOPIC, records("late"))
    assert values(await waiting) == ["late"]
    assert asyncio.get_running_loop().time() - started < 20


async def test_concurrent_appends_all_arrive_once(open_log):
    """Appends from many tasks and two openings at once all get positions of their own."""
    log, other = await open_log(), await open_log()
    wanted = [str(number) for number in range(60)]
    await asyncio.gather(*((log, other)[i % 2].append(TOPIC, records(v)) for i, v in enumerate(wanted)))
    found = await read_all(await log.reader(TOPIC, "writer"), len(wanted))
    assert sorted(values(found)) == sorted(wanted)
    assert len({(record.partition, record.offset) for record in found}) == len(wanted)


async def test_a_record_with_a_known_id_is_appended_once(open_log):
    """An id that was appended lately, by the same append or an earlier one, gives the old position and no new
    record."""
    log = await open_log()
    one, two = NewRecord(b"k", b"a", id="1"), NewRecord(b"k", b"b", id="2")
    first, again = await log.append(TOPIC, [one, one])
    (known,) = await log.append(TOPIC, [one])
    (fresh,) = await log.append(TOPIC, [two])
    assert (first.new, again.new, known.new, fresh.new) == (True, False, False, True)
    assert first.offset == again.offset == known.offset
    assert (await log.append("alerts", [one]))[0].new
    reader = await log.reader(TOPIC, "writer")
    assert values(await read_all(reader, 2)) == ["a", "b"]
    assert await reader.lag() == 2


async def test_a_group_goes_on_behind_its_last_commit(open_log):
    """What was polled but not committed is handed out again to the next reader, what was committed is not."""
    log = await open_log()
    await log.append(TOPIC, records("a", "b", "c"))
    reader = await log.reader(TOPIC, "writer")
    found = await read_all(reader, 3)
    await reader.commit(found[:2])
    await reader.close()
    again = await log.reader(TOPIC, "writer")
    assert values(await read_all(again, 1)) == ["c"]


async def test_groups_do_not_disturb_each_other(open_log):
    """Each group gets every record."""
    log = await open_log()
    await log.append(TOPIC, records("a"))
    for group in ("writer", "indexer"):
        reader = await log.reader(TOPIC, group)
        found = await read_all(reader, 1)
        await reader.commit(found)
        assert values(found) == ["a"]


async def test_rewind_hands_out_again_what_was_not_committed(open_log):
    """After a failed write, rewind goes back to behind the commit."""
    log = await open_log()
    await log.append(TOPIC, records("a", "b"))
    reader = await log.reader(TOPIC, "writer")
    found = await read_all(reader, 2)
    await reader.commit(found[:1])
    await reader.rewind()
    assert values(await read_all(reader, 1)) == ["b"]


async def test_one_member_of_a_group_reads_and_another_takes_over(open_log):
    """While a member holds the partition the other gets nothing; when it leaves, the other goes on."""
    log, other = await open_log(), await open_log()
    first = await log.reader(TOPIC, "writer")
    await log.append(TOPIC, records("a", "b"))
    found = await read_all(first, 2)
    second = await other.reader(TOPIC, "writer")
    assert await second.poll(10, 0.3) == []
    await first.commit(found[:1])
    await first.close()
    assert values(await read_all(second, 1)) == ["b"]
    with pytest.raises(MeshError) as caught:
        await first.commit(found)
    assert caught.value.kind is Kind.FAILED_PRECONDITION


async def test_a_new_group_can_begin_at_the_newest(open_log):
    """Start.NEWEST leaves out what was there before; the choice holds although nothing was committed."""
    log = await open_log()
    await log.append(TOPIC, records("old"))
    reader = await log.reader(TOPIC, "alert", Start.NEWEST)
    await log.append(TOPIC, records("new"))
    assert values(await read_all(reader, 1)) == ["new"]
    await reader.close()
    again = await log.reader(TOPIC, "alert", Start.NEWEST)
    assert values(await read_all(again, 1)) == ["new"]


async def test_lag_counts_what_is_not_committed(open_log):
    """Lag falls by commits, not by polls."""
    log = await open_log()
    await log.append(TOPIC, records("a", "b", "c"))
    reader = await log.reader(TOPIC, "writer")
    found = await read_all(reader, 3)
    assert await reader.lag() == 3
    await reader.commit(found[:2])
    assert await reader.lag() == 1


async def test_poll_respects_the_number_asked(open_log):
    """No more than max_records come at once, the rest with the next poll."""
    log = await open_log()
    await log.append(TOPIC, records("a", "b", "c"))
    reader = await log.reader(TOPIC, "writer")
    assert values(await reader.poll(2, 5)) == ["a", "b"]
    assert values(await reader.poll(2, 5)) == ["c"]


async def test_a_cancelled_poll_loses_nothing(open_log):
    """Polls that are cancelled at any moment never swallow a record."""
    log = await open_log()
    reader = await log.reader(TOPIC, "writer")
    found: list = []
    for number in range(20):
        poll = asyncio.create_task(reader.poll(1, 5))
        await asyncio.sleep(0.001 * (number % 4))
        await log.append(TOPIC, records(str(number)))
        if number % 2:
            poll.cancel()
            await asyncio.wait([poll])
            if not poll.cancelled():
                found += poll.result()
        else:
            found += await poll
    while batch := await reader.poll(10, 0.2):
        found += batch
    assert values(found) == [str(number) for number in range(20)]


async def test_a_tail_starts_now_and_resumes_by_cursor(open_log):
    """An empty cursor means from now on; the cursor of any record goes on behind it, in another process,
    too."""
    log, other = await open_log(), await open_log()
    await log.append(TOPIC, records("before"))
    tail = await log.tail(TOPIC)
    assert await tail.poll(10, 0) == []
    await log.append(TOPIC, records("a", "b", "c"))
    found = await tail.poll(10, 5)
    assert [item.record.value for item in found] == [b"a", b"b", b"c"]
    assert tail.cursor == found[-1].cursor
    resumed = await other.tail(TOPIC, found[0].cursor)
    assert [item.record.value for item in await resumed.poll(10, 5)] == [b"b", b"c"]


async def test_a_tail_reads_from_the_oldest_kept(open_log):
    """Cursor "0" means everything that is kept."""
    log = await open_log()
    await log.append(TOPIC, records("a", "b"))
    tail = await log.tail(TOPIC, "0")
    assert [item.record.value for item in await tail.poll(10, 5)] == [b"a", b"b"]


async def test_an_idle_tail_has_a_cursor_without_a_gap(open_log):
    """The cursor of a tail that saw nothing yet goes on with the next record."""
    log = await open_log()
    await log.append(TOPIC, records("before"))
    cursor = (await log.tail(TOPIC)).cursor
    await log.append(TOPIC, records("next"))
    tail = await log.tail(TOPIC, cursor)
    assert [item.record.value for item in await tail.poll(10, 5)] == [b"next"]


@pytest.mark.parametrize("cursor", ["nonsense", "1", "-5", "a-b", "x" * 200])
async def test_what_is_no_cursor_is_refused(open_log, cursor):
    """A string that is no cursor gives INVALID."""
    log = await open_log()
    await log.append(TOPIC, records("a"))
    with pytest.raises(MeshError) as caught:
        await log.tail(TOPIC, cursor)
    assert caught.value.kind is Kind.INVALID


async def test_topics_are_apart(open_log):
    """A record of one topic never shows up in another."""
    log = await open_log()
    await log.append("alerts", records("alert"))
    await log.append(TOPIC, records("event"))
    assert values(await read_all(await log.reader(TOPIC, "writer"), 1)) == ["event"]
    assert values(await read_all(await log.reader("alerts", "writer"), 1)) == ["alert"]


async def test_check_answers(open_log):
    """A working log is ready."""
    await (await open_log()).check()
