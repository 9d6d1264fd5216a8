"""Search: each kind as a ratio to exact search, and recall of one-edit search.

    python -m bench.search [--events 200000] [--queries 200] [--opensearch http://HOST:PORT]

In the embedded index, or in an OpenSearch that has nothing else to do; there an index of its own is made and
removed. Prints one line for each kind with its median and 99th percentile, milliseconds, and their ratios
to those of exact searches made in turn with it. Recall is against brute force over all texts by
`plates.matching`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from plates import matching
from plates.event import Clock, Outcome, Plate, PlateEvent, Reason
from storage.search.opensearch.adapter import OpenSearchIndex
from storage.search.opensearch.client import connect
from storage.search.opensearch.prepare import prepare
from storage.search.port import SearchIndex, SearchMode, SearchQuery
from storage.search.sqlite import SqliteSearchIndex
from storage.settings import StorageSettings

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
FORMATS = ("LLDDLLL", "LLLDDDD", "LDDLLL", "LLDDDLL", "DDLDDDDD", "LLLDLDD")
BATCH = 2000
PAGE = 50

SECONDS_APART = 10
Make = Callable[[str, random.Random], str]
Opened = tuple[SearchIndex, Callable[[], Awaitable[int]]]


def plate(chance: random.Random) -> str:
    """A plate's text in one of some common formats."""
    return "".join(chance.choice(LETTERS if kind == "L" else DIGITS) for kind in chance.choice(FORMATS))


def passes(count: int, chance: random.Random) -> list[str]:
    """Texts of passes: half of them are vehicles that come again, and one in twenty is misread by a
    character."""
    vehicles = [plate(chance) for _ in range(count // 2)]
    texts = vehicles + [chance.choice(vehicles) for _ in range(count - len(vehicles))]
    chance.shuffle(texts)
    return [edited(text, chance) if chance.random() < 0.05 else text for text in texts]


def edited(text: str, chance: random.Random) -> str:
    """The text with one character replaced, missing or too many."""
    place = chance.randrange(len(text))
    char = chance.choice(LETTERS + DIGITS)
    return chance.choice(
        (
            text[:place] + char + text[place + 1 :],
            text[:place] + text[place + 1 :],
            text[:place] + char + text[place:],
        )
    )


def event(number: int, text: str, chance: random.Random) -> PlateEvent:
    """A pass that was read as `text`."""
    at = START + timedelta(seconds=SECONDS_APART * number)
    return PlateEvent(
        event_id=str(uuid.UUID(int=chance.getrandbits(128))),
        site_id="site",
        node_id="node",
        camera_id=f"cam-{number % 20}",
        first_seen_at=at,
        last_seen_at=at,
        best_seen_at=at,
        clock=Clock.WALL,
        outcome=Outcome.READ,
        reason=Reason.CONFIDENT,
        plate=Plate(text, text, "gb", "", 0.9),
    )


def some_wildcard(text: str, chance: random.Random) -> str:
    """The text with one to three characters unknown."""
    chars = list(text)
    for place in chance.sample(range(len(chars)), chance.randint(1, 3)):
        chars[place] = "?"
    return "".join(chars)


KINDS: tuple[tuple[str, SearchMode, bool, Make], ...] = (
    ("exact", SearchMode.EXACT, False, lambda text, _: text),
    ("exact, confusables", SearchMode.EXACT, True, lambda text, _: text),
    ("prefix of 3", SearchMode.PREFIX, False, lambda text, _: text[:3]),
    ("prefix of 1", SearchMode.PREFIX, False, lambda text, _: text[:1]),
    ("wildcard ?", SearchMode.WILDCARD, False, some_wildcard),
    ("wildcard *run*", SearchMode.WILDCARD, False, lambda text, _: f"*{text[2:5]}*"),
    ("wildcard *xy", SearchMode.WILDCARD, False, lambda text, _: f"*{text[-2:]}"),
    ("wildcard *x? (scan)", SearchMode.WILDCARD, False, lambda text, _: f"*{text[-2]}?"),
    ("one edit", SearchMode.ONE_EDIT, False, edited),
    ("one edit, confusables", SearchMode.ONE_EDIT, True, edited),
)


@asynccontextmanager
async def embedded() -> AsyncIterator[Opened]:
    """The embedded index, and how many bytes it takes."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "search.db"
        index = await SqliteSearchIndex.open(path)

        async def size() -> int:
            return path.stat().st_size

        yield index, size
        await index.close()


@asynccontextmanager
async def opensearch(address: str) -> AsyncIterator[Opened]:
    """An index in OpenSearch, and how many bytes it takes."""
    client, name = connect(StorageSettings(opensearch=address)), f"bench{uuid.uuid4().hex[:8]}"

    async def size() -> int:
        stats = await client.indices.stats(index=f"{name}-*", metric="store")
        return int(stats["_all"]["total"]["store"]["size_in_bytes"])

    try:
        await prepare(client, name, shards=1)
        yield OpenSearchIndex(client, name), size
    finally:
        await client.indices.delete(index=f"{name}-*", ignore_unavailable=True)
        await client.indices.delete_index_template(name=name)
        await client.close()


async def fill(index: SearchIndex, texts: list[str], chance: random.Random) -> float:
    """Index all; events a second."""
    started = time.perf_counter()
    for first in range(0, len(texts), BATCH):
        batch = [event(first + i, text, chance) for i, text in enumerate(texts[first : first + BATCH])]
        await index.index(batch)
    return len(texts) / (time.perf_counter() - started)


async def measure(index: SearchIndex, queries: list[SearchQuery]) -> tuple[list[float], list[float]]:
    """Milliseconds of each query, and of an exact search made in turn with it; both sorted."""
    times: tuple[list[float], list[float]] = ([], [])
    for query in queries:
        for asked, into in zip((query, SearchQuery(query.text, SearchMode.EXACT)), times, strict=True):
            started = time.perf_counter()
            await index.search(asked, PAGE)
            into.append((time.perf_counter() - started) * 1000)
    return sorted(times[0]), sorted(times[1])


def p99(times: list[float]) -> float:
    """The 99th percentile of sorted times."""
    return times[int(len(times) * 0.99) - 1]


async def recall(index: SearchIndex, texts: set[str], wanted: list[str], confusables: bool) -> float:
    """Share of the texts one edit away that search finds."""
    found = expected = 0
    for text in wanted:
        fits = {other for other in texts if matching.one_edit(other, text, confusables=confusables)}
        page = await index.search(SearchQuery(text, SearchMode.ONE_EDIT, confusables), 1000)
        found += len(fits & {hit.text for hit in page.hits})
        expected += len(fits)
    return found / expected if expected else 1.0


async def main(events: int, queries: int, address: str) -> None:
    """Fill an index, measure, print."""
    chance = random.Random(1)
    texts = passes(events, chance)
    async with opensearch(address) if address else embedded() as (index, size):
        rate = await fill(index, texts, chance)
        print(f"{events} events, {len(set(texts))} texts")
        print(f"indexed {rate:.0f} events/s, {await size() / events:.0f} bytes an event")
        print(f"{'kind':<24}{'p50 ms':>9}{'p99 ms':>9}{'p50 ratio':>11}{'p99 ratio':>11}")
        for name, mode, confusables, make in KINDS:
            texts_asked = [make(chance.choice(texts), chance) for _ in range(queries)]
            asked = [SearchQuery(text, mode, confusables) for text in texts_asked]
            await measure(index, asked[: queries // 10])
            times, exact = await measure(index, asked)
            middle = statistics.median(times)
            ratios = middle / statistics.median(exact), p99(times) / p99(exact)
            print(
                f"{name:<24}{middle:>9.2f}{p99(times):>9.2f}{ratios[0]:>11.2f}{ratios[1]:>11.2f}", flush=True
            )
        wanted = [edited(chance.choice(texts), chance) for _ in range(20)]
        for confusables in (False, True):
            share = await recall(index, set(texts), wanted, confusables)
            print(f"recall of one edit{', confusables' if confusables else ''}: {share:.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--opensearch", default="", help="its address; default: the embedded index")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.events, arguments.queries, arguments.opensearch))
