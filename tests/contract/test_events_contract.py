"""What every adapter of the event store promises."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

from mesh.errors import Kind, MeshError
from plates.event import ObjectClass, Outcome
from storage.events.port import Bucket, CameraStatus, EventFilter, GroupBy, NodeStatus
from tests.builders.events import START, event, event_id

ANY = EventFilter()
NOW = datetime.now(timezone.utc)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


async def test_an_event_comes_back_as_it_was(open_events):
    """Everything of an event survives, in another process, too."""
    store, other = await open_events(), await open_events()
    one = event()
    assert await store.write([one]) == 1
    assert await other.get(one.event_id) == one


async def test_an_unknown_id_is_none(open_events):
    """An id that was never written gives None."""
    assert await (await open_events()).get(event_id()) is None


@pytest.mark.parametrize("at", [START, NOW])
async def test_writing_again_is_harmless(open_events, at):
    """A duplicate, in the same batch or later, from any process, is not stored again and not counted as
    new."""
    store, other = await open_events(), await open_events()
    one, two = event("AA", at=at), event("BB", at=at)
    assert await store.write([one, one]) == 1
    assert await other.write([one, two]) == 1
    assert sum(await asyncio.gather(store.write([one, two]), other.write([two, one]))) == 0
    assert len((await store.list_events(ANY, 10)).events) == 2
    assert (await store.list_cameras(10)).cameras[0].events == 2


@pytest.mark.parametrize("at", [START, NOW])
async def test_writers_side_by_side_store_each_event_once(open_events, at):
    """Whatever batches of the same events writers of several processes write at once, in whatever order, each
    event is new once, and the cameras' counts say so."""
    stores = [await open_events() for _ in range(3)]
    events = [event(at=at + minutes(number), camera=f"cam-{number % 4}") for number in range(60)]
    batches = [events[start : start + 20] for start in (0, 10, 20, 30, 40)]
    writes = [store.write(batch[::way]) for store in stores for batch in batches for way in (1, -1)]
    assert sum(await asyncio.gather(*writes)) == 60
    assert len((await stores[0].list_events(ANY, 100)).events) == 60
    assert [camera.events for camera in (await stores[1].list_cameras(10)).cameras] == [15] * 4


async def test_nothing_is_written_and_reported_without_harm(open_events):
    """No events and no reports are no error, and neither is upkeep of an empty store."""
    store = await open_events()
    assert await store.write([]) == 0
    await store.save_status([])
    await store.maintain()
    assert await store.delete_older_than(START) == 0
    assert (await store.list_cameras(10)).cameras == ()


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(hours=23), timedelta(days=4000)])
async def test_an_event_is_found_whatever_its_id_says_of_the_time(open_events, apart):
    """A UUIDv7 tells when it was made; an event seen at another time, of a file or by a wrong clock, is found
    by its id all the same."""
    store = await open_events()
    milliseconds = int((START + apart).timestamp() * 1000)
    id = f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}{event_id()[13:]}"
    one = event(id=id)
    await store.write([one])
    assert await store.get(id) == one


async def test_get_many_gives_those_that_are_there(open_events):
    """Ids that are not stored are left out; no ids give nothing."""
    store = await open_events()
    one = event()
    await store.write([one])
    assert await store.get_many([one.event_id, event_id()]) == {one.event_id: one}
    assert await store.get_many([]) == {}


async def test_pages_are_newest_first_without_gap_or_repeat(open_events):
    """Walking pages of any size gives every event once in order, events at the same time by id."""
    store = await open_events()
    events = [event(at=START + minutes(number // 3)) for number in range(20)]
    await store.write(events)
    wanted = sorted(events, key=lambda e: (e.best_seen_at, e.event_id), reverse=True)
    for size in (1, 7, 20, 100):
        found, token = [], ""
        while True:
            page = await store.list_events(ANY, size, token)
            found += page.events
            token = page.next_page_token
            if not token:
                break
        assert found == wanted


async def test_events_that_arrive_between_pages_hide_nothing(open_events):
    """A newer event written between two pages neither repeats nor hides an older one."""
    store = await open_events()
    events = [event(at=START + minutes(number)) for number in range(4)]
    await store.write(events)
    first = await store.list_events(ANY, 2)
    await store.write([event(at=START + minutes(60))])
    second = await store.list_events(ANY, 2, first.next_page_token)
    assert [*first.events, *second.events] == events[::-1]
    assert second.next_page_token == ""


async def test_a_scan_is_oldest_first_and_goes_on_from_its_token(open_events):
    """A scan gives every event that the filter takes once, oldest first, and goes on in another process."""
    store, other = await open_events(), await open_events()
    events = [event(at=START + minutes(number // 2)) for number in range(7)]
    await store.write([*events, event(camera="cam-2")])
    wanted = sorted(events, key=lambda e: (e.best_seen_at, e.event_id))
    mine = EventFilter(camera_ids=("cam-1",))
    first = await store.scan(mine, 4)
    await store.write([event(at=START + minutes(-1))])
    second = await other.scan(mine, 4, first.next_page_token)
    assert [*first.events, *second.events] == wanted
    assert second.next_page_token == ""
    with pytest.raises(MeshError):
        await store.list_events(mine, 4, first.next_page_token)


async def test_a_token_of_another_request_is_refused(open_events):
    """A page token is good for its own filter only; one that is no token is refused, too."""
    store = await open_events()
    await store.write([event(at=START + minutes(number)) for number in range(3)])
    token = (await store.list_events(ANY, 1)).next_page_token
    for filter, bad in ((EventFilter(camera_ids=("cam-1",)), token), (ANY, "nonsense"), (ANY, token[:-4])):
        with pytest.raises(MeshError) as caught:
            await store.list_events(filter, 1, bad)
        assert caught.value.kind is Kind.INVALID


FILTERS = [
    EventFilter(camera_ids=("cam-2",)),
    EventFilter(camera_ids=("cam-1", "cam-2")),
    EventFilter(start=START + minutes(2)),
    EventFilter(end=START + minutes(2)),
    EventFilter(start=START + minutes(1), end=START + minutes(3)),
    EventFilter(outcomes=(Outcome.NO_PLATE,)),
    EventFilter(regions=("us",)),
    EventFilter(regions=("us-ny", "gb")),
    EventFilter(min_confidence=0.75),
    EventFilter(site_ids=("site-2",)),
    EventFilter(camera_ids=("cam-1",), outcomes=(Outcome.READ,), min_confidence=0.5, regions=("gb",)),
    EventFilter(camera_ids=("' OR 1=1 --",)),
]


@pytest.mark.parametrize("filter", FILTERS)
async def test_filters_mean_what_they_say(open_events, filter):
    """The store finds exactly the events that EventFilter.takes takes."""
    store = await open_events()
    events = [
        event("AA", at=START),
        event("BB", at=START + minutes(1), camera="cam-2", region="us-ny", confidence=0.5),
        event("CC", at=START + minutes(2), camera="cam-3", region="us", site="site-2"),
        event(None, at=START + minutes(3), camera="cam-2"),
        event("DD", at=START + minutes(4), region="", confidence=0.75),
        event("EE", at=START + minutes(5), region="us-nyc"),
    ]
    await store.write(events)
    found = (await store.list_events(filter, 100)).events
    assert {e.event_id for e in found} == {e.event_id for e in events if filter.takes(e)}


async def test_aggregate_counts_by_time_and_groups(open_events):
    """Counts stand in order of time, then largest first; the mean is over events with a plate."""
    store = await open_events()
    await store.write(
        [
            event("AA", at=START, confidence=0.5),
            event("AA", at=START + minutes(1), confidence=1.0),
            event(None, at=START + minutes(2), camera="cam-2"),
            event("BB", at=START + minutes(90), vehicle=ObjectClass.TRUCK),
        ]
    )
    result = await store.aggregate(ANY, Bucket.HOUR, [GroupBy.CAMERA, GroupBy.OUTCOME], 10)
    rows = [(row.bucket_start, row.group, row.events, row.mean_confidence) for row in result.rows]
    assert rows == [
        (START, ("cam-1", "read"), 2, 0.75),
        (START, ("cam-2", "no_plate"), 1, 0.0),
        (START + minutes(60), ("cam-1", "read"), 1, 0.875),
    ]
    assert not result.truncated


async def test_aggregate_without_groups_is_one_count(open_events):
    """No bucket and no group give one row, and none when nothing matches."""
    store = await open_events()
    assert (await store.aggregate(ANY, Bucket.NONE, [], 10)).rows == ()
    await store.write([event(), event()])
    (row,) = (await store.aggregate(ANY, Bucket.NONE, [], 10)).rows
    assert (row.bucket_start, row.group, row.events) == (None, (), 2)


@pytest.mark.parametrize(
    ("group", "wanted"),
    [
        (GroupBy.CAMERA, {"cam-1", "cam-2"}),
        (GroupBy.OUTCOME, {"read", "no_plate"}),
        (GroupBy.REGION, {"gb", "us-ny", ""}),
        (GroupBy.VEHICLE, {"car", "bus"}),
        (GroupBy.PLATE, {"AA", "BB", ""}),
    ],
)
async def test_every_group_has_its_values(open_events, group, wanted):
    """Each kind of group gives its values, empty where an event has none."""
    store = await open_events()
    await store.write(
        [event("AA"), event("BB", region="us-ny", camera="cam-2"), event(None, vehicle=ObjectClass.BUS)]
    )
    result = await store.aggregate(ANY, Bucket.NONE, [group], 10)
    assert {row.group[0] for row in result.rows} == wanted


async def test_aggregate_says_when_the_limit_cuts(open_events):
    """With more rows than the limit the first are given and truncated is set."""
    store = await open_events()
    await store.write([event(at=START + minutes(number)) for number in range(5)])
    result = await store.aggregate(ANY, Bucket.MINUTE, [], 3)
    assert [row.bucket_start for row in result.rows] == [START + minutes(number) for number in range(3)]
    assert result.truncated
    assert not (await store.aggregate(ANY, Bucket.MINUTE, [], 5)).truncated


async def test_cameras_join_events_and_the_newest_status(open_events):
    """A camera has its counts, last event and newest report; an older report that comes late changes
    nothing."""
    store = await open_events()
    one = event(at=START, camera="cam-1")
    await store.write([one])
    new = CameraStatus("cam-1", "streaming", "", 12.5, 100, {"OLD": 3}, 5, {"read": 4}, START)
    old = CameraStatus("cam-1", "connecting")
    await store.save_status([NodeStatus("site-1", "node-1", START + minutes(2), (new,))])
    await store.save_status([NodeStatus("site-1", "node-1", START + minutes(1), (old,))])
    await store.save_status([NodeStatus("site-1", "node-2", START, (CameraStatus("cam-0", "failed", "no"),))])
    first, second = (await store.list_cameras(10)).cameras
    assert (first.camera_id, first.events, first.last_event_at) == ("cam-0", 0, None)
    assert second.status == new
    assert second.reported_at == START + minutes(2)
    assert second.last_event_at == one.closed_at
    assert second.events == 1


async def test_cameras_come_in_pages_by_id(open_events):
    """Pages of cameras give each once, in order of id; a wrong token is refused."""
    store = await open_events()
    await store.write([event(camera=f"cam-{number}") for number in range(5)])
    first = await store.list_cameras(3)
    second = await store.list_cameras(3, first.next_page_token)
    found = [camera.camera_id for camera in (*first.cameras, *second.cameras)]
    assert found == [f"cam-{number}" for number in range(5)]
    assert second.next_page_token == ""
    with pytest.raises(MeshError):
        await store.list_cameras(3, "nonsense")


async def test_old_events_are_deleted_and_counted(open_events):
    """delete_older_than takes exactly what was best seen before, and the cameras' counts follow."""
    store = await open_events()
    await store.write([event(at=START + minutes(number)) for number in range(10)])
    assert await store.delete_older_than(START + minutes(4)) == 4
    assert len((await store.list_events(ANY, 100)).events) == 6
    assert (await store.list_cameras(10)).cameras[0].events == 6


async def test_check_answers(open_events):
    """A working store is ready."""
    await (await open_events()).check()
