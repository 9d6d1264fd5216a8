"""The search index: events by plate text.

The embedded adapter is `storage.search.sqlite`, that of OpenSearch `storage.search.opensearch`. Every method
raises `mesh.errors.MeshError` with kind UNAVAILABLE when the index cannot be reached or written now; what
else it raises is said at the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from plates.event import PlateEvent
from storage.events.port import EventFilter


class SearchMode(Enum):
    """How a text is matched."""

    EXACT = "exact"
    PREFIX = "prefix"
    WILDCARD = "wildcard"
    ONE_EDIT = "one_edit"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is searched for. `text` is taken as people write it: case, spaces and hyphens do not matter.

    In WILDCARD mode "*" stands for any characters and "?" for one. With `confusables`, characters of one
    group of `plates.confusables` are equal.
    """

    text: str
    mode: SearchMode
    confusables: bool = False
    filter: EventFilter = field(default_factory=EventFilter)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """An event found and the edits between the text searched and its text: 0, or 1 in ONE_EDIT mode."""

    event_id: str
    text: str
    best_seen_at: datetime
    edits: int


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of hits, fewest edits first, then newest; `next_page_token` is empty after the last."""

    hits: tuple[SearchHit, ...]
    next_page_token: str


class SearchReader(Protocol):
    """Finds events."""

    async def search(self, query: SearchQuery, page_size: int, page_token: str = "") -> SearchPage:
        """A page of hits. INVALID if the text holds nothing to search for or the token belongs to another
        query."""

    async def check(self) -> None:
        """Return if the index answers now, for the readiness of who searches."""


class SearchIndex(SearchReader, Protocol):
    """The whole index, as the search indexer opens it."""

    async def index(self, events: Sequence[PlateEvent]) -> None:
        """Index those of `events` that have a plate text, durable and found by searches when this returns.
        Indexing again changes nothing. INVALID if one of them can never be indexed."""

    async def delete_older_than(self, moment: datetime) -> int:
        """Forget events whose `best_seen_at` is before `moment`; how many."""

    async def renew(self) -> None:
        """Begin a new generation: what is indexed from now on, by any process, goes there, and searches see
        both, each event once. If one is begun and not finished, it goes on."""

    async def left_behind(self, limit: int, after: str = "") -> list[str]:
        """Ids behind `after`, in order, that the old generation holds and the new one does not; at most
        `limit`."""

    async def finish_renewal(self) -> None:
        """Forget the old generation with all that it alone holds."""

    async def check_writable(self) -> None:
        """Return if the index can be written now, for the readiness of who indexes."""

    async def close(self) -> None:
        """Give everything back."""
