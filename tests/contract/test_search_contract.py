"""What every adapter of the search index promises."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.errors import Kind, MeshError
from plates import matching
from plates.event import Outcome
from storage.events.port import EventFilter
from storage.search.port import SearchMode, SearchQuery
from tests.builders.events import START, event

FIT = {
    SearchMode.EXACT: matching.exact,
    SearchMode.PREFIX: matching.prefix,
    SearchMode.WILDCARD: matching.wildcard,
    SearchMode.ONE_EDIT: matching.one_edit,
}


async def texts(index, text: str, mode: SearchMode, size: int = 100, **options) -> list[str]:
    page = await index.search(SearchQuery(text, mode, **options), size)
    return [hit.text for hit in page.hits]


@pytest.fixture
async def index(open_search):
    """An index of a handful of plates."""
    opened = await open_search()
    plates = [
        "AB12CDE",
        "A812CDE",
        "AB12CDF",
        "AB12CD",
        "XAB12CDE",
        "ABI2CDE",
        "ZZ99ZZZ",
        "B12CDE",
        "AB12CDEFG",
    ]
    await opened.index([event(text, at=START + timedelta(minutes=i)) for i, text in enumerate(plates)])
    return opened


async def test_exact_finds_the_whole_text_as_people_write_it(index):
    """Case, spaces and hyphens of what is searched do not matter."""
    assert await texts(index, "ab-12 cde", SearchMode.EXACT) == ["AB12CDE"]


async def test_exact_with_confusables_takes_look_alikes(index):
    """With confusables B and 8, I and 1 are the same, newest first."""
    assert await texts(index, "AB12CDE", SearchMode.EXACT, confusables=True) == [
        "ABI2CDE",
        "A812CDE",
        "AB12CDE",
    ]


async def test_prefix_finds_beginnings(index):
    """A prefix finds every text that begins with it."""
    assert set(await texts(index, "AB12", SearchMode.PREFIX)) == {"AB12CDE", "AB12CDF", "AB12CD", "AB12CDEFG"}


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("AB12CD?", {"AB12CDE", "AB12CDF"}),
        ("*12CDE", {"AB12CDE", "A812CDE", "XAB12CDE", "B12CDE"}),
        ("?B12CDE", {"AB12CDE"}),
        ("Z*Z", {"ZZ99ZZZ"}),
        ("*9*", {"ZZ99ZZZ"}),
        ("A**E", {"AB12CDE", "A812CDE", "ABI2CDE"}),
        ("??????", {"AB12CD", "B12CDE"}),
        ("*XYZ*", set()),
        ("[A-Z]*", None),
    ],
)
async def test_wildcards(index, pattern, wanted):
    """Patterns with and without a literal beginning, long or short literal runs; brackets are not special."""
    found = set(await texts(index, pattern, SearchMode.WILDCARD))
    assert found == (wanted if wanted is not None else set())


async def test_one_edit_ranks_the_exact_first(index):
    """A text with one character replaced, missing or too many is found with its distance, behind the exact
    one."""
    page = await index.search(SearchQuery("AB12CDE", SearchMode.ONE_EDIT), 100)
    assert [(hit.text, hit.edits) for hit in page.hits] == [
        ("AB12CDE", 0),
        ("B12CDE", 1),
        ("ABI2CDE", 1),
        ("XAB12CDE", 1),
        ("AB12CD", 1),
        ("AB12CDF", 1),
        ("A812CDE", 1),
    ]


ALPHABET = st.text("AB8I10", min_size=1, max_size=5)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(stored=st.lists(ALPHABET, min_size=1, max_size=30), wanted=ALPHABET, data=st.data())
async def test_search_agrees_with_brute_force(tmp_path_factory, open_search, stored, wanted, data):
    """Every mode, with and without confusables, finds exactly the texts that plates.matching takes: recall
    1.0."""
    index = await open_search()
    batch = [event(text) for text in stored]
    await index.index(batch)
    ours = {e.event_id: e.plate.text for e in batch}
    for mode, confusables in itertools.product(SearchMode, (False, True)):
        pattern = wanted
        if mode is SearchMode.WILDCARD:
            pattern = data.draw(st.text("AB8I10*?", min_size=1, max_size=5).filter(lambda p: p.strip("*")))
        page = await index.search(SearchQuery(pattern, mode, confusables), 1000)
        assert page.next_page_token == ""
        found = {hit.event_id: hit for hit in page.hits if hit.event_id in ours}
        fits = {i for i, text in ours.items() if FIT[mode](text, pattern, confusables=confusables)}
        assert set(found) == fits
        if mode is SearchMode.ONE_EDIT:
            for hit in found.values():
                assert hit.edits == matching.edits(hit.text, pattern, confusables=confusables)
    await index.delete_older_than(START + timedelta(days=1))


async def test_search_agrees_with_brute_force_among_many(open_search):
    """The same among texts so alike that most are near to most, in one index."""
    index, chance = await open_search(), random.Random(7)
    stored = sorted({"".join(chance.choices("AB8I10", k=chance.randint(1, 6))) for _ in range(600)})
    await index.index([event(text) for text in stored])
    for mode, confusables in itertools.product(SearchMode, (False, True)):
        for _ in range(5):
            wanted = "".join(chance.choices("AB8I10", k=chance.randint(1, 6)))
            if mode is SearchMode.WILDCARD:
                wanted = "*".join((wanted[:2], "?" * chance.randint(0, 2) + wanted[2:]))
            found = await texts(index, wanted, mode, confusables=confusables, size=1000)
            assert sorted(found) == [t for t in stored if FIT[mode](t, wanted, confusables=confusables)]


@pytest.mark.parametrize("mode", SearchMode)
@pytest.mark.parametrize("size", [1, 3, 100])
async def test_pages_give_every_hit_once_in_order(open_search, mode, size):
    """Walking the pages gives what one large page gives: fewest edits first, then newest, ids deciding."""
    index = await open_search()
    plates = ["AAA", "AAA", "AAB", "AA", "AAA", "AAB", "ABA", "AAAA"] * 2
    await index.index([event(text, at=START + timedelta(minutes=i // 3)) for i, text in enumerate(plates)])
    query = SearchQuery("AAA", mode)
    whole = (await index.search(query, 1000)).hits
    key = [(-hit.edits, hit.best_seen_at, hit.event_id) for hit in whole]
    assert key == sorted(key, reverse=True)
    found, token = [], ""
    while True:
        page = await index.search(query, size, token)
        found += page.hits
        token = page.next_page_token
        if not token:
            break
    assert tuple(found) == whole


async def test_many_matches_come_newest_first(open_search):
    """A prefix that fits thousands of events gives the newest, page by page, as few matches would."""
    index = await open_search()
    events = [event(f"A{number:04}", at=START + timedelta(seconds=number)) for number in range(4200)]
    await index.index(events)
    query = SearchQuery("A", SearchMode.PREFIX, filter=EventFilter(end=START + timedelta(seconds=4100)))
    first = await index.search(query, 50)
    second = await index.search(query, 50, first.next_page_token)
    found = [hit.text for hit in (*first.hits, *second.hits)]
    assert found == [f"A{number:04}" for number in range(4099, 3999, -1)]


async def test_filters_narrow_every_mode(open_search):
    """Time, camera, region, outcome, site and confidence are honoured together with the text."""
    index = await open_search()
    events = [
        event("AAA", camera="cam-2"),
        event("AAA", at=START + timedelta(hours=1), region="us-ny"),
        event("AAB", confidence=0.5),
    ]
    await index.index(events)
    filters = [
        EventFilter(camera_ids=("cam-2",)),
        EventFilter(start=START + timedelta(minutes=1)),
        EventFilter(regions=("us",)),
        EventFilter(min_confidence=0.75),
        EventFilter(outcomes=(Outcome.UNREADABLE,)),
        EventFilter(site_ids=("site-1",)),
    ]
    for filter, mode in itertools.product(filters, SearchMode):
        page = await index.search(SearchQuery("AAA", mode, filter=filter), 10)
        fits = {e.event_id for e in events if filter.takes(e) and FIT[mode](e.plate.text, "AAA")}
        assert {hit.event_id for hit in page.hits} == fits


async def test_indexing_again_changes_nothing(open_search):
    """Duplicates, in one batch or later, are found once."""
    index = await open_search()
    one = event("AAA")
    await index.index([one, one])
    await index.index([one])
    assert await texts(index, "AAA", SearchMode.ONE_EDIT) == ["AAA"]


async def test_events_without_a_plate_are_not_indexed(open_search):
    """An event without a plate is no error and no hit; an empty index finds nothing."""
    index = await open_search()
    assert await texts(index, "*A*", SearchMode.WILDCARD) == []
    await index.index([event(None), event("")])
    assert await texts(index, "?", SearchMode.WILDCARD) == []


async def test_forgotten_events_are_not_found(open_search):
    """delete_older_than forgets what was best seen before, and only that."""
    index = await open_search()
    await index.index([event("AAA"), event("AAA", at=START + timedelta(days=1)), event("BBB")])
    assert await index.delete_older_than(START + timedelta(hours=1)) == 2
    assert await texts(index, "AAA", SearchMode.ONE_EDIT) == ["AAA"]
    assert await texts(index, "BBA", SearchMode.ONE_EDIT) == []
    await index.index([event("BBB")])
    assert await texts(index, "BBA", SearchMode.ONE_EDIT) == ["BBB"]


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("", SearchMode.EXACT),
        ("- -", SearchMode.PREFIX),
        ("**", SearchMode.WILDCARD),
        ("*-", SearchMode.WILDCARD),
    ],
)
async def test_a_text_with_nothing_to_search_is_refused(open_search, text, mode):
    """INVALID names the field."""
    with pytest.raises(MeshError) as caught:
        await (await open_search()).search(SearchQuery(text, mode), 10)
    assert caught.value.kind is Kind.INVALID
    assert caught.value.fields[0].field == "text"


async def test_a_token_of_another_query_is_refused(index):
    """A page token is good for its own query only."""
    token = (await index.search(SearchQuery("AB12", SearchMode.PREFIX), 1)).next_page_token
    assert token
    for query in (SearchQuery("AB1", SearchMode.PREFIX), SearchQuery("AB12", SearchMode.PREFIX, True)):
        with pytest.raises(MeshError) as caught:
            await index.search(query, 1, token)
        assert caught.value.kind is Kind.INVALID


async def test_check_answers(open_search):
    """A working index is ready to be searched and to be written."""
    index = await open_search()
    await index.check()
    await index.check_writable()
    await index.index([event("AAA")])
    await index.check()
    await index.check_writable()


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        ("A", "B"),
        ("A", "AB"),
        ("AB", "A"),
        ("AB", "BB"),
        ("ABCDEFGHIJKLMNOP", "ABCDEFGHIJKLMNO"),
        ("ABCDEFGHIJKLMNO", "ABCDEFGHIJKLMNOP"),
        ("AAAA", "AAAAA"),
        ("ABAB", "ABBAB"),
    ],
)
async def test_one_edit_of_short_and_long_texts(open_search, stored, wanted):
    """A text of one character and one of sixteen are one edit away as any other is."""
    index = await open_search()
    await index.index([event(stored)])
    (hit,) = (await index.search(SearchQuery(wanted, SearchMode.ONE_EDIT), 10)).hits
    assert (hit.text, hit.edits) == (stored, 1)


async def test_two_edits_are_not_one(open_search):
    """Texts that become equal after each gave up a character can be two edits apart, and are not found."""
    index = await open_search()
    await index.index([event(text) for text in ("BACD", "ACDB", "ABDC", "ABCD8", "ABCDB")])
    assert set(await texts(index, "ABCD", SearchMode.ONE_EDIT)) == {"ABCDB", "ABCD8"}
    assert await texts(index, "AB", SearchMode.ONE_EDIT) == []


async def test_few_hits_among_many_near_misses_fill_a_page(open_search):
    """A page of one-edit hits is full although most that looks like one is two edits away."""
    index = await open_search()
    near = [f"X{char}BCDE" for char in "FGHJKLMNPRSTUVWXYZ"]  # of ABCDEX two edits, of XABCDE one
    misses = [event(text, at=START + timedelta(minutes=1, seconds=i)) for i, text in enumerate(near * 4)]
    await index.index([*misses, *(event("ABCDEZ") for _ in range(5))])
    page = await index.search(SearchQuery("ABCDEX", SearchMode.ONE_EDIT), 4)
    assert [hit.text for hit in page.hits] == ["ABCDEZ"] * 4
    rest = await index.search(SearchQuery("ABCDEX", SearchMode.ONE_EDIT), 4, page.next_page_token)
    assert [hit.text for hit in rest.hits] == ["ABCDEZ"]
    assert rest.next_page_token == ""


@pytest.mark.parametrize("pattern", ["0?12*", "*8C0E", "*?2?0*", "Q812CD?", "?B12COE"])
async def test_wildcards_with_confusables(open_search, pattern):
    """Look-alikes fit a pattern where it has the other one, at its beginning, middle and end."""
    index = await open_search()
    plates = ["OB12CDE", "0812C0E", "QBI2CQE", "OB128C0E", "AB12CDE", "0B13CDE"]
    await index.index([event(text) for text in plates])
    found = set(await texts(index, pattern, SearchMode.WILDCARD, confusables=True))
    assert found == {text for text in plates if matching.wildcard(text, pattern, confusables=True)}
    plain = set(await texts(index, pattern, SearchMode.WILDCARD))
    assert plain == {text for text in plates if matching.wildcard(text, pattern)}


@pytest.mark.parametrize("pattern", ["A*B" + "?" * 13, "*A" + "?" * 14, "*?" * 8, "A*?B*?C*?D*?E*?F*?"])
async def test_patterns_of_many_unknown_characters(open_search, pattern):
    """A pattern that an automaton would be too large for is answered, and exactly."""
    index = await open_search()
    plates = [
        "AB" + "C" * 13,
        "ACB" + "C" * 13,
        "ACB" + "C" * 12,
        "A" * 15,
        "A1B1C1D1E1F1",
        "ABCDEF",
        "12345678",
    ]
    await index.index([event(text) for text in plates])
    found = set(await texts(index, pattern, SearchMode.WILDCARD))
    assert found == {text for text in plates if matching.wildcard(text, pattern)}


async def test_a_state_is_found_by_its_country_and_by_itself(open_search):
    """A region without a state takes in all its states, one with a state only that."""
    index = await open_search()
    await index.index([event("AAA", region=region) for region in ("us", "us-ny", "us-ca", "gb")])
    for regions, count in ((("us",), 3), (("us-ny",), 1), (("us-ny", "gb"), 2), (("ny",), 0)):
        query = SearchQuery("AAA", SearchMode.EXACT, filter=EventFilter(regions=regions))
        assert len((await index.search(query, 10)).hits) == count


async def test_events_that_arrive_between_pages_neither_repeat_nor_hide_others(open_search):
    """Pages of what was there before are the same, whatever is indexed while somebody walks through them."""
    index, writer = await open_search(), await open_search()
    events = [event("AAA", at=START + timedelta(minutes=i)) for i in range(20)]
    await writer.index(events)
    query, found, token = SearchQuery("AAB", SearchMode.ONE_EDIT), [], ""
    for turn in itertools.count():
        page = await index.search(query, 3, token)
        found += [hit.event_id for hit in page.hits]
        token = page.next_page_token
        if not token:
            break
        await writer.index([event("AAB"), event("AAA", at=START + timedelta(hours=1, seconds=turn))])
    assert found == [e.event_id for e in reversed(events)]


async def test_microseconds_decide_the_order(open_search):
    """Two passes within the same millisecond keep their order, and their times come back exactly."""
    index = await open_search()
    moments = [START + timedelta(microseconds=us) for us in (999, 1, 500)]
    await index.index([event("AAA", at=at) for at in moments])
    page = await index.search(SearchQuery("AAA", SearchMode.EXACT), 10)
    assert [hit.best_seen_at for hit in page.hits] == sorted(moments, reverse=True)


async def test_events_of_many_months_are_one_index(open_search):
    """Order, pages and retention do not care where months and years begin; whole months go as single days
    do."""
    index = await open_search()
    events = [event("AAA", at=START + timedelta(days=25 * i, hours=1)) for i in range(-6, 6)]
    await index.index(events)
    hits = (await index.search(SearchQuery("AAA", SearchMode.PREFIX), 100)).hits
    assert [hit.event_id for hit in hits] == [e.event_id for e in reversed(events)]
    assert await index.delete_older_than(START) == 6
    hits = (await index.search(SearchQuery("AAA", SearchMode.PREFIX), 100)).hits
    assert [hit.event_id for hit in hits] == [e.event_id for e in reversed(events[6:])]
    await index.index(events[:1])  # a late one, of a month that has gone
    assert len((await index.search(SearchQuery("AAA", SearchMode.EXACT), 100)).hits) == 7


async def test_a_renewal_is_seen_through_by_searches_and_writers(open_search):
    """While a new generation is filled, every event is found once, what arrives goes into it, and what it
    lacks is named until the old one is dropped."""
    index, other = await open_search(), await open_search()
    events = [event("AAA", at=START + timedelta(minutes=i)) for i in range(8)]
    await index.index(events)
    await index.renew()
    assert await other.left_behind(3) == sorted(e.event_id for e in events)[:3]
    await other.index([late := event("AAA", at=START + timedelta(hours=1)), *events[:4]])
    await index.renew()  # begun again after a crash: goes on
    query, found, token = SearchQuery("AAA", SearchMode.EXACT), [], ""
    while True:
        page = await other.search(query, 3, token)
        found += [hit.event_id for hit in page.hits]
        token = page.next_page_token
        if not token:
            break
    assert found == [e.event_id for e in reversed([*events, late])]
    left = sorted(e.event_id for e in events[4:])
    assert await index.left_behind(100) == left
    assert await index.left_behind(100, left[1]) == left[2:]
    await index.finish_renewal()
    assert await index.left_behind(100) == []
    hits = (await other.search(query, 100)).hits
    assert [hit.event_id for hit in hits] == [e.event_id for e in reversed([*events[:4], late])]
    assert await texts(other, "AAB", SearchMode.ONE_EDIT) == ["AAA"] * 5


async def test_an_empty_index_can_be_renewed(open_search):
    """A renewal of nothing ends with nothing, and the index is as good as before."""
    index = await open_search()
    await index.renew()
    assert await index.left_behind(10) == []
    await index.finish_renewal()
    await index.index([event("AAA")])
    assert await texts(index, "AAA", SearchMode.EXACT) == ["AAA"]
