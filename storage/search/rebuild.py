"""Makes a search index anew from the event store, while events go on arriving and searches go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from storage.events.port import EventFilter, EventReader
from storage.search.port import SearchIndex

_PAGE = 1000
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of a rebuild: events read from the event store, and how many the old index still holds alone.
    Above 0 the old one is kept, too."""

    events: int
    unknown: int


async def rebuild(
    events: EventReader,
    index: SearchIndex,
    *,
    patience: float,
    forget: bool = False,
    progress: Callable[[int], None] = lambda count: None,
) -> Rebuilt:
    """Fill a new generation of the index and drop the old one.

    What is indexed meanwhile goes to the new generation; what came to the old index just before and not yet
    to the event store is waited for, `patience` seconds. What the event store does not know by then is
    dropped with the old index only if `forget`. Can be begun again after any failure.
    """
    await index.renew()
    count, token = 0, ""
    while True:
        page = await events.scan(EventFilter(), _PAGE, token)
        await index.index(page.events)
        count += len(page.events)
        progress(count)
        token = page.next_page_token
        if not token:
            break
    unknown = await _catch_up(events, index, patience)
    if unknown and not forget:
        return Rebuilt(count, unknown)
    await index.finish_renewal()
    return Rebuilt(count, 0)


async def _catch_up(events: EventReader, index: SearchIndex, patience: float) -> int:
    """Index what was left behind as far as the event store has it; how much it has not."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while unknown := await _take_over(events, index):
        if loop.time() >= until:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return unknown


async def _take_over(events: EventReader, index: SearchIndex) -> int:
    unknown, after = 0, ""
    while ids := await index.left_behind(_PAGE, after):
        found = await events.get_many(ids)
        await index.index(list(found.values()))
        unknown += len(ids) - len(found)
        after = ids[-1]
    return unknown
