"""A small world behind a gateway: events, alerts, rules and cameras in memory, served over real gRPC.

`python -m tests.builders.mesh_world` serves it with a gateway on 127.0.0.1:8000, to look at the console.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx

from mesh.errors import Kind, MeshError
from mesh.testing import Harness
from ovr.alpr.v1 import (
    alert_pb2,
    detector_pb2,
    event_pb2,
    ingest_pb2,
    ocr_pb2,
    query_pb2,
)
from plates import matching
from plates.event import PlateEvent
from plates.explain import explain
from tests.builders.passes import made_up_pass, read_of, scene
from wire.event import (
    box_to_wire,
    event_from_wire,
    event_to_wire,
    posterior_to_wire,
    read_to_wire,
    timestamp_to_wire,
)

SILENCE = 0.2
CHUNK = 1000
MODEL = detector_pb2.ModelInfo(name="made-up", version="1", sha256="0" * 64, engine="test")
MATCHERS = {
    query_pb2.SEARCH_MODE_EXACT: matching.exact,
    query_pb2.SEARCH_MODE_PREFIX: matching.prefix,
    query_pb2.SEARCH_MODE_WILDCARD: matching.wildcard,
    query_pb2.SEARCH_MODE_ONE_EDIT: matching.one_edit,
}


@dataclass
class World:
    """What the neighbours know. `publish` and `fire` add to it while it is being watched.

    `scene` is what the detector finds and the reader reads in every picture: text and box of one plate.
    `pictures_at` is the address that links to pictures lead to, empty for none.
    `calls` counts the rpcs by name; `cancelled` those whose caller left.
    """

    events: list[event_pb2.PlateEvent] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)
    pictures_at: str = ""
    alerts: list[alert_pb2.Alert] = field(default_factory=list)
    cameras: list[query_pb2.Camera] = field(default_factory=list)
    rules: list[alert_pb2.Rule] = field(default_factory=list)
    plate_text: str = "AB12CDE"
    oldest_cursor: int = 0
    calls: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    slow: float = 0.0
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def publish(self, made: PlateEvent, pictures: dict[str, bytes] | None = None) -> None:
        """A pass became visible."""
        async with self.news:
            self.pictures.update(pictures or {})
            self.events.append(event_to_wire(made))
            self.news.notify_all()

    async def fire(self, alert: alert_pb2.Alert) -> None:
        """A rule fired."""
        async with self.news:
            self.alerts.append(alert)
            self.news.notify_all()

    async def serve(self, mesh: Harness) -> None:
        """Serve query, alert, detector and OCR in the harness."""
        await mesh.neighbour(
            "query",
            "ovr.alpr.v1.QueryService",
            GetEvent=self.get_event,
            ListEvents=self.list_events,
            SearchEvents=self.search_events,
            Aggregate=self.aggregate,
            WatchEvents=self.watch_events,
            GetEvidence=self.get_evidence,
            ExplainEvent=self.explain_event,
            ListCameras=lambda request: query_pb2.ListCamerasResponse(cameras=self.cameras),
        )
        await mesh.neighbour(
            "alert",
            "ovr.alpr.v1.AlertService",
            ListAlerts=self.list_alerts,
            WatchAlerts=self.watch_alerts,
            Acknowledge=self.acknowledge,
            ListRules=lambda request: alert_pb2.ListRulesResponse(rules=self.rules),
            TestRule=self.test_rule,
        )
        await mesh.neighbour("detector", "ovr.alpr.v1.DetectorService", Detect=self.detect)
        await mesh.neighbour("ocr", "ovr.alpr.v1.OcrService", Read=self.read)

    # --- query ---

    def _event(self, event_id: str) -> event_pb2.PlateEvent:
        for found in self.events:
            if found.event_id == event_id:
                return found
        raise MeshError(Kind.NOT_FOUND, "EVENT_UNKNOWN", f"there is no event {event_id}")

    async def get_event(self, request: query_pb2.GetEventRequest) -> query_pb2.GetEventResponse:
        """One event; slowly, if `slow`."""
        self.calls.append("GetEvent")
        try:
            await asyncio.sleep(self.slow)
        except asyncio.CancelledError:
            self.cancelled.append("GetEvent")
            raise
        return query_pb2.GetEventResponse(event=self._event(request.event_id))

    def _filtered(self, wanted: query_pb2.EventFilter) -> list[event_pb2.PlateEvent]:
        return [item for item in reversed(self.events) if matches(item, wanted)]

    def list_events(self, request: query_pb2.ListEventsRequest) -> query_pb2.ListEventsResponse:
        """A page of events."""
        page, token = _page(self._filtered(request.filter), request.page_size, request.page_token)
        return query_pb2.ListEventsResponse(events=page, next_page_token=token)

    def search_events(self, request: query_pb2.SearchEventsRequest) -> query_pb2.SearchEventsResponse:
        """Events by text."""
        text = request.text.upper().replace(" ", "").replace("-", "")
        match = MATCHERS[request.mode]
        found = [
            item
            for item in self._filtered(request.filter)
            if match(item.plate.text, text, confusables=request.confusables)
        ]
        hits = [
            query_pb2.SearchHit(event=item, edits=0 if "*" in text else matching.edits(item.plate.text, text))
            for item in found
        ]
        page, token = _page(hits, request.page_size, request.page_token)
        return query_pb2.SearchEventsResponse(hits=page, next_page_token=token)

    def aggregate(self, request: query_pb2.AggregateRequest) -> query_pb2.AggregateResponse:
        """Counts of all, or by outcome."""
        found = self._filtered(request.filter)
        if not request.group_by:
            return query_pb2.AggregateResponse(rows=[query_pb2.AggregateRow(events=len(found))])
        counts = Counter(event_pb2.Outcome.Name(item.outcome) for item in found)
        rows = [query_pb2.AggregateRow(group=[name], events=count) for name, count in counts.most_common()]
        return query_pb2.AggregateResponse(rows=rows)

    async def watch_events(self, request: query_pb2.WatchEventsRequest) -> AsyncIterator[Any]:
        """Events from a cursor, with signs of life."""
        self.calls.append("WatchEvents")
        position = int(request.cursor) if request.cursor else len(self.events)
        if position < self.oldest_cursor:
            raise MeshError(Kind.OUT_OF_RANGE, "CURSOR_TOO_OLD", "the cursor is older than what is kept")
        try:
            while True:
                for number in range(position, len(self.events)):
                    if matches(self.events[number], request.filter):
                        yield query_pb2.WatchEventsResponse(event=self.events[number], cursor=str(number + 1))
                position = len(self.events)
                if not await self._changed(lambda seen=position: len(self.events) > seen):
                    yield query_pb2.WatchEventsResponse(cursor=str(position))
        finally:
            self.cancelled.append("WatchEvents")

    async def _changed(self, condition: Any) -> bool:
        async with self.news:
            try:
                await asyncio.wait_for(self.news.wait_for(condition), SILENCE)
            except (asyncio.TimeoutError, TimeoutError):
                return False
        return True

    async def get_evidence(self, request: query_pb2.GetEvidenceRequest) -> AsyncIterator[Any]:
        """A picture in pieces."""
        self.calls.append("GetEvidence")
        data = self.pictures.get(request.key)
        if data is None:
            raise MeshError(Kind.NOT_FOUND, "EVIDENCE_UNKNOWN", f"there is no picture {request.key}")
        if request.link_seconds and self.pictures_at:
            yield query_pb2.GetEvidenceResponse(link=f"{self.pictures_at}/{request.key}")
            return
        yield query_pb2.GetEvidenceResponse(media_type="image/jpeg", size=len(data), chunk=data[:CHUNK])
        for start in range(CHUNK, len(data), CHUNK):
            yield query_pb2.GetEvidenceResponse(chunk=data[start : start + CHUNK])

    def explain_event(self, request: query_pb2.ExplainEventRequest) -> query_pb2.ExplainEventResponse:
        """Why an event says what it says."""
        found = self._event(request.event_id)
        why = explain(event_from_wire(found))
        characters = [
            query_pb2.CharExplanation(
                position=item.position,
                char=item.char,
                raw_char=item.raw_char,
                posterior=posterior_to_wire([item.posterior])[0],
                reason=item.reason,
            )
            for item in why.characters
        ]
        return query_pb2.ExplainEventResponse(
            event=found,
            summary=why.summary,
            characters=characters,
            format_description=why.format_description,
        )

    # --- alert ---

    def list_alerts(self, request: alert_pb2.ListAlertsRequest) -> alert_pb2.ListAlertsResponse:
        """A page of alerts."""
        found = [
            item
            for item in reversed(self.alerts)
            if item.severity >= request.min_severity
            and not (request.unacknowledged_only and item.HasField("acknowledged_at"))
        ]
        page, token = _page(found, request.page_size, request.page_token)
        return alert_pb2.ListAlertsResponse(alerts=page, next_page_token=token)

    async def watch_alerts(self, request: alert_pb2.WatchAlertsRequest) -> AsyncIterator[Any]:
        """Alerts from a cursor, with signs of life."""
        position = int(request.cursor) if request.cursor else len(self.alerts)
        while True:
            for number in range(position, len(self.alerts)):
                yield alert_pb2.WatchAlertsResponse(alert=self.alerts[number], cursor=str(number + 1))
            position = len(self.alerts)
            if not await self._changed(lambda seen=position: len(self.alerts) > seen):
                yield alert_pb2.WatchAlertsResponse(cursor=str(position))

    def acknowledge(self, request: alert_pb2.AcknowledgeRequest) -> alert_pb2.AcknowledgeResponse:
        """Mark an alert as seen."""
        for item in self.alerts:
            if item.alert_id == request.alert_id:
                item.acknowledged_at.GetCurrentTime()
                item.acknowledged_by, item.note = request.acknowledged_by, request.note
                return alert_pb2.AcknowledgeResponse(alert=item)
        raise MeshError(Kind.NOT_FOUND, "ALERT_UNKNOWN", f"there is no alert {request.alert_id}")

    def test_rule(self, request: alert_pb2.TestRuleRequest) -> alert_pb2.TestRuleResponse:
        """Whether a text is one of a rule's patterns."""
        text = request.text or request.event.plate.text
        return alert_pb2.TestRuleResponse(
            verdicts=[
                alert_pb2.RuleVerdict(
                    rule_id=rule.rule_id, fires=text in rule.patterns, reason="It was looked up."
                )
                for rule in self.rules
            ]
        )

    # --- vision ---

    def detect(self, request: detector_pb2.DetectRequest) -> detector_pb2.DetectResponse:
        """One plate, where `scene(1)` has it."""
        self.calls.append("Detect")
        *_, box = scene(1, text=self.plate_text, region="gb")
        found = detector_pb2.Detection(
            object_class=detector_pb2.OBJECT_CLASS_PLATE, box=box_to_wire(box), score=0.9
        )
        return detector_pb2.DetectResponse(detections=[found], model=MODEL)

    def read(self, request: ocr_pb2.ReadRequest) -> ocr_pb2.ReadResponse:
        """The world's plate on every crop, so surely that nobody looks twice."""
        self.calls.append("Read")
        reads = [read_to_wire(read_of(self.plate_text, random.Random(1), doubt=0.005)) for _ in request.crops]
        return ocr_pb2.ReadResponse(reads=reads, model=MODEL)


def matches(item: event_pb2.PlateEvent, wanted: query_pb2.EventFilter) -> bool:
    """Whether an event is one of those meant."""
    return all(
        (
            not wanted.camera_ids or item.camera_id in wanted.camera_ids,
            not wanted.outcomes or item.outcome in wanted.outcomes,
            not wanted.regions or item.plate.region in wanted.regions,
            item.plate.confidence >= wanted.min_confidence,
        )
    )


def _page(items: list[Any], size: int, token: str) -> tuple[list[Any], str]:
    start, size = int(token or 0), size or 50
    return items[start : start + size], str(start + size) if start + size < len(items) else ""


def alert_of(item: event_pb2.PlateEvent, number: int = 1, severity: int = alert_pb2.SEVERITY_CRITICAL) -> Any:
    """An alert that an event fired."""
    return alert_pb2.Alert(
        alert_id=f"3f1f0f5c-57a0-5b7e-8f3a-{number:012x}",
        rule_id="watchlist",
        rule_name="On the watchlist",
        severity=severity,
        event=item,
        matched=item.plate.text,
        match_kind=alert_pb2.MATCH_KIND_EXACT,
        fired_at=item.closed_at,
        deliveries=[
            alert_pb2.Delivery(
                channel="guard-room",
                state=alert_pb2.DELIVERY_STATE_DELIVERED,
                attempts=1,
                last_attempt_at=item.closed_at,
            )
        ],
    )


def camera(camera_id: str, state: str, at: datetime, detail: str = "") -> query_pb2.Camera:
    """A camera and how it is."""
    return query_pb2.Camera(
        camera_id=camera_id,
        site_id="car-park",
        node_id="box-1",
        status=ingest_pb2.CameraStatus(
            camera_id=camera_id,
            state=state,
            detail=detail,
            capture_fps=24.9 if state == "streaming" else 0,
            frames_captured=86_400,
            frames_dropped={"late": 31},
            passes_opened=52,
            passes_closed={"OUTCOME_READ": 47, "OUTCOME_NO_PLATE": 3, "OUTCOME_UNREADABLE": 2},
            last_frame_at=timestamp_to_wire(at),
        ),
        reported_at=timestamp_to_wire(at),
        last_event_at=timestamp_to_wire(at - timedelta(seconds=40)),
        events=52,
    )


def small_world(now: datetime | None = None, passes: int = 4) -> World:
    """A few passes, one alert, two cameras and a rule."""
    now = now or datetime.now(timezone.utc)
    world = World()
    for number in range(passes):
        made, pictures = made_up_pass(
            number + 1,
            now - timedelta(minutes=3 * (passes - number)),
            ("entrance", "exit", "ramp.2")[number % 3],
            readable=number % 7 != 3,
        )
        world.events.append(event_to_wire(made))
        world.pictures.update(pictures)
    world.alerts.append(alert_of(world.events[0]))
    world.cameras += [
        camera("entrance", "streaming", now),
        camera("exit", "stalled", now - timedelta(seconds=90), "no frame for 12 s"),
    ]
    world.rules.append(
        alert_pb2.Rule(
            rule_id="watchlist",
            name="On the watchlist",
            severity=alert_pb2.SEVERITY_CRITICAL,
            match_kind=alert_pb2.MATCH_KIND_EXACT,
            patterns=[world.events[0].plate.text],
            cooldown_seconds=300,
            channels=["guard-room"],
            min_confidence=0.5,
            enabled=True,
        )
    )
    return world


async def live(world: World, texts: Iterable[str | None], pause: float) -> None:
    """Passes, one after the other, each third with an alert."""
    for number, text in enumerate(texts):
        await asyncio.sleep(pause)
        made, pictures = made_up_pass(
            100 + number, datetime.now(timezone.utc), ("entrance", "exit")[number % 2], text=text
        )
        await world.publish(made, pictures)
        if number % 3 == 2:
            await world.fire(alert_of(world.events[-1], 100 + number, alert_pb2.SEVERITY_WARNING))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def gateway_before(
    mesh: Harness, *, headers: dict[str, str] | None = None, **fields: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway of the mesh, listening, and a client of it; its process is `client.gateway`."""
    from gateway.app import main
    from gateway.settings import GatewaySettings

    fields = {"listen": f"127.0.0.1:{free_port()}", "rate": 0.0, **fields}
    running = await mesh.run("gateway", main, mesh.settings(GatewaySettings, **fields), serves=False)
    async with httpx.AsyncClient(
        base_url=f"http://{fields['listen']}", headers=headers, timeout=20, trust_env=False
    ) as client:
        client.gateway = running  # type: ignore[attr-defined]
        await _until_listening(client, running.task)
        yield client
        await running.stop()


async def _until_listening(client: httpx.AsyncClient, task: asyncio.Task[int]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if task.done():
            raise RuntimeError(f"the gateway ended with {task.result()}")
        try:
            await client.get("/healthz")
            return
        except httpx.ConnectError:
            await asyncio.sleep(0.02)
    raise TimeoutError("the gateway does not listen")


async def _main() -> None:
    from gateway.app import main
    from gateway.settings import GatewaySettings

    world = small_world(passes=18)
    async with Harness() as mesh:
        await world.serve(mesh)
        gateway = await mesh.run("gateway", main, mesh.settings(GatewaySettings), serves=False)
        passing = asyncio.ensure_future(live(world, [None] * 1000, 6.0))
        await asyncio.wait((gateway.task, passing), return_when=asyncio.FIRST_COMPLETED)
        gateway.task.result()


if __name__ == "__main__":
    asyncio.run(_main())
