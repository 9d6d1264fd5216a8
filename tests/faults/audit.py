"""What became of the events of an outage: taken by the edge's disk, seen by people."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mesh.errors import MeshError
from ovr.alpr.v1 import alert_pb2, alert_pb2_grpc, query_pb2, query_pb2_grpc
from plates.event import PlateEvent

ALERTING = "F9"  # events whose text begins so fire the one rule
PAGE = 1000
PICTURES = 200  # looked at, at most


@dataclass(slots=True)
class Ledger:
    """What was sent and what was seen."""

    taken: dict[str, PlateEvent] = field(default_factory=dict)
    watched: Counter[str] = field(default_factory=Counter)
    ready: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    log: list[tuple[float, str]] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Something happened now."""
        self.log.append((time.monotonic(), what))


async def watch(stub: query_pb2_grpc.QueryServiceAsyncStub, ledger: Ledger) -> None:
    """Count every event that a watcher sees, who goes on from its cursor whenever the watch breaks; until
    cancelled."""
    cursor = ""
    while True:
        call = stub.WatchEvents(query_pb2.WatchEventsRequest(cursor=cursor))
        try:
            async for message in call:
                if message.HasField("event"):
                    ledger.watched[message.event.event_id] += 1
                cursor = message.cursor
        except MeshError as error:
            ledger.note(f"watch broke: {error.reason}")
        await asyncio.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the events: by place, how many were taken and not seen there, or seen twice."""

    taken: int
    lost: Mapping[str, int]
    twice: Mapping[str, int]
    drained_s: float
    caught_up_s: float

    @property
    def clean(self) -> bool:
        """Whether nothing was lost and nothing doubled."""
        return not any(self.lost.values()) and not any(self.twice.values())


async def pages(fetch: Callable[[str], Any]) -> list[str]:
    """Event ids over all pages; a call that fails is made again until it works."""
    found: list[str] = []
    token = ""
    while True:
        try:
            page, ids = await fetch(token)
        except MeshError:
            await asyncio.sleep(0.5)
            continue
        found += ids
        token = page.next_page_token
        if not token:
            return found


class Auditor:
    """Asks the services what can be seen."""

    def __init__(
        self, query: query_pb2_grpc.QueryServiceAsyncStub, alert: alert_pb2_grpc.AlertServiceAsyncStub
    ) -> None:
        self._query, self._alert = query, alert

    async def listed(self) -> list[str]:
        """Ids in the event store."""

        async def fetch(token: str) -> tuple[Any, list[str]]:
            page = await self._query.ListEvents(query_pb2.ListEventsRequest(page_size=PAGE, page_token=token))
            return page, [item.event_id for item in page.events]

        return await pages(fetch)

    async def searched(self) -> list[str]:
        """Ids in the search index."""

        async def fetch(token: str) -> tuple[Any, list[str]]:
            request = query_pb2.SearchEventsRequest(
                text="F", mode=query_pb2.SEARCH_MODE_PREFIX, page_size=PAGE, page_token=token
            )
            page = await self._query.SearchEvents(request)
            return page, [hit.event.event_id for hit in page.hits]

        return await pages(fetch)

    async def alerted(self) -> list[str]:
        """Ids of the events that fired."""

        async def fetch(token: str) -> tuple[Any, list[str]]:
            page = await self._alert.ListAlerts(alert_pb2.ListAlertsRequest(page_size=PAGE, page_token=token))
            return page, [item.event.event_id for item in page.alerts]

        return await pages(fetch)

    async def pictures(self, events: Sequence[PlateEvent]) -> int:
        """How many of the events' pictures cannot be had."""
        gone = 0
        for item in (item for one in events for item in one.evidence):
            try:
                async for _ in self._query.GetEvidence(query_pb2.GetEvidenceRequest(key=item.key)):
                    pass
            except MeshError:
                gone += 1
        return gone


async def audit(auditor: Auditor, ledger: Ledger, drained_s: float, patience: float) -> Verdict:
    """Wait until everything taken is seen everywhere, `patience` seconds at most, and count."""
    began = time.monotonic()
    firing = [
        one for one, made in ledger.taken.items() if made.plate and made.plate.text.startswith(ALERTING)
    ]
    wanted: dict[str, Sequence[str]] = {
        "store": list(ledger.taken),
        "search": list(ledger.taken),
        "watch": list(ledger.taken),
        "alerts": firing,
    }
    while True:
        seen = {
            "store": Counter(await auditor.listed()),
            "search": Counter(await auditor.searched()),
            "watch": Counter(ledger.watched),
            "alerts": Counter(await auditor.alerted()),
        }
        lost = {place: sum(not seen[place][one] for one in ids) for place, ids in wanted.items()}
        took = time.monotonic() - began
        if not any(lost.values()) or took > patience:
            break
        await asyncio.sleep(0.5)
    some = random.Random(1).sample(list(ledger.taken.values()), min(PICTURES, len(ledger.taken)))
    lost["pictures"] = await auditor.pictures(some)
    twice = {place: sum(count > 1 for count in counts.values()) for place, counts in seen.items()}
    return Verdict(len(ledger.taken), lost, twice, drained_s, took)
