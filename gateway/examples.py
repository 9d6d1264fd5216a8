"""Made-up answers for /docs, as messages of the contract: what does not fit the contract cannot be built."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import orjson
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contract import to_json
from ovr.alpr.v1 import (
    alert_pb2,
    detector_pb2,
    event_pb2,
    frame_pb2,
    gateway_pb2,
    ingest_pb2,
    ocr_pb2,
    query_pb2,
)

EVENT_ID = "01928f5e-7a3c-7c41-9b52-0d6f2f6c1a11"
ALERT_ID = "3f1f0f5c-57a0-5b7e-8f3a-5a3c1c9d2b10"
SHA256 = "5e" * 32
KEY = f"sha256/5e/{SHA256}.jpg"
TEXT = "QZ67OXB"
SEEN = datetime(2026, 11, 23, 15, 4, 5, 250_000, tzinfo=timezone.utc)


def _at(seconds: float) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(SEEN + timedelta(seconds=seconds))
    return moment


def _posterior() -> list[ocr_pb2.CharPosterior]:
    second = {"O": ("0", 0.21), "B": ("8", 0.03)}
    positions = []
    for char in TEXT:
        other, share = second.get(char, ("", 0.01))
        likely = ocr_pb2.CharAlternative(char=char, probability=0.99 - share)
        positions.append(
            ocr_pb2.CharPosterior(
                alternatives=[likely, ocr_pb2.CharAlternative(char=other, probability=share)]
            )
        )
    return positions


def plate() -> event_pb2.Plate:
    """A plate whose O could be a 0. No vehicle can have it: there is no area QZ."""
    return event_pb2.Plate(
        text=TEXT,
        raw_text="QZ670XB",
        region="gb",
        format="gb-current",
        confidence=0.93,
        posterior=_posterior(),
        alternatives=[
            event_pb2.TextAlternative(text=TEXT, confidence=0.93),
            event_pb2.TextAlternative(text="QZ670XB", confidence=0.05),
        ],
    )


def event() -> event_pb2.PlateEvent:
    """A pass that was read."""
    model = detector_pb2.ModelInfo(name="yolo11n-plate", version="1", sha256="ab" * 32, engine="openvino")
    read = event_pb2.SingleRead(
        sequence=118,
        captured_at=_at(0),
        text=TEXT,
        confidence=0.91,
        box=frame_pb2.Box(x=812, y=604, width=148, height=52),
        sharpness=0.62,
        weight=1.0,
    )
    return event_pb2.PlateEvent(
        event_id=EVENT_ID,
        schema_version=1,
        site_id="car-park",
        node_id="box-1",
        camera_id="entrance",
        first_seen_at=_at(-1.2),
        last_seen_at=_at(0.8),
        best_seen_at=_at(0),
        clock=frame_pb2.CLOCK_SOURCE_STREAM,
        outcome=event_pb2.OUTCOME_READ,
        reason="CONFIDENT",
        plate=plate(),
        vehicle=event_pb2.Vehicle(
            object_class=detector_pb2.OBJECT_CLASS_CAR,
            box=frame_pb2.Box(x=640, y=300, width=520, height=410),
            direction=event_pb2.DIRECTION_APPROACHING,
        ),
        evidence=[
            event_pb2.Evidence(
                key=KEY,
                sha256=SHA256,
                kind=event_pb2.EVIDENCE_KIND_PLATE,
                media_type="image/jpeg",
                width=148,
                height=52,
            )
        ],
        provenance=event_pb2.Provenance(
            models=[model], frames_seen=24, frames_read=1, reads=[read], software_version="0.1.0"
        ),
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        closed_at=_at(1.1),
        ingested_at=_at(1.2),
    )


def alert() -> alert_pb2.Alert:
    """An alert that the event fired."""
    return alert_pb2.Alert(
        alert_id=ALERT_ID,
        rule_id="stolen",
        rule_name="Reported stolen",
        severity=alert_pb2.SEVERITY_CRITICAL,
        event=event(),
        matched=TEXT,
        match_kind=alert_pb2.MATCH_KIND_EXACT,
        fired_at=_at(1.3),
        deliveries=[
            alert_pb2.Delivery(
                channel="guard-room",
                state=alert_pb2.DELIVERY_STATE_DELIVERED,
                attempts=1,
                last_attempt_at=_at(1.4),
            )
        ],
    )


def _explanation() -> query_pb2.ExplainEventResponse:
    return query_pb2.ExplainEventResponse(
        event=event(),
        summary="Read as QZ67OXB with confidence 0.93 from one read; the format decided O over 0.",
        characters=[
            query_pb2.CharExplanation(
                position=4,
                char="O",
                raw_char="0",
                posterior=_posterior()[4],
                reason="The format has a letter here, and O and 0 are often confused.",
            )
        ],
        format_description="United Kingdom since 2001: two letters, two digits, three letters.",
    )


def _rule() -> alert_pb2.Rule:
    return alert_pb2.Rule(
        rule_id="stolen",
        name="Reported stolen",
        severity=alert_pb2.SEVERITY_CRITICAL,
        match_kind=alert_pb2.MATCH_KIND_EXACT,
        patterns=[TEXT],
        cooldown_seconds=300,
        channels=["guard-room"],
        min_confidence=0.8,
        enabled=True,
    )


def _camera() -> query_pb2.Camera:
    return query_pb2.Camera(
        camera_id="entrance",
        site_id="car-park",
        node_id="box-1",
        status=ingest_pb2.CameraStatus(
            camera_id="entrance",
            state="streaming",
            capture_fps=25,
            frames_captured=90_000,
            frames_dropped={"late": 12},
            passes_opened=41,
            passes_closed={"OUTCOME_READ": 38, "OUTCOME_NO_PLATE": 3},
            last_frame_at=_at(2),
        ),
        reported_at=_at(2),
        last_event_at=_at(1.1),
        events=41,
    )


def _messages() -> tuple[Message, ...]:
    return (
        query_pb2.ListEventsResponse(events=[event()], next_page_token="eyJhZnRlciI6NDJ9"),
        query_pb2.SearchEventsResponse(hits=[query_pb2.SearchHit(event=event(), edits=0)]),
        query_pb2.GetEventResponse(event=event()),
        _explanation(),
        query_pb2.AggregateResponse(
            rows=[query_pb2.AggregateRow(group=["entrance"], events=41, mean_confidence=0.91)]
        ),
        query_pb2.ListCamerasResponse(cameras=[_camera()]),
        query_pb2.WatchEventsResponse(event=event(), cursor="1042"),
        alert_pb2.ListAlertsResponse(alerts=[alert()]),
        alert_pb2.WatchAlertsResponse(alert=alert(), cursor="17"),
        alert_pb2.AcknowledgeRequest(acknowledged_by="night shift", note="Police informed."),
        alert_pb2.AcknowledgeResponse(alert=alert()),
        alert_pb2.ListRulesResponse(rules=[_rule()], loaded_at=_at(-900)),
        alert_pb2.TestRuleRequest(text=TEXT, camera_id="entrance"),
        alert_pb2.TestRuleResponse(
            verdicts=[
                alert_pb2.RuleVerdict(
                    rule_id="stolen", fires=True, matched=TEXT, reason="The text is on the list."
                )
            ]
        ),
        gateway_pb2.ReadImageResponse(
            plates=[
                gateway_pb2.PictureRead(
                    plate=plate(),
                    box=frame_pb2.Box(x=812, y=604, width=148, height=52),
                    score=0.88,
                    legibility=0.97,
                    lines=1,
                )
            ],
            width=1920,
            height=1080,
            models=[
                detector_pb2.ModelInfo(name="yolo11n-plate", version="1", sha256="ab" * 32, engine="openvino")
            ],
            elapsed_ms=48.5,
        ),
        gateway_pb2.ReadinessResponse(
            ready=True, dependencies=[gateway_pb2.Dependency(name="query", ready=True)]
        ),
    )


def examples() -> Mapping[str, Any]:
    """The example of each message, as JSON values, by the message's name."""
    return MappingProxyType(
        {message.DESCRIPTOR.name: orjson.loads(to_json(message)) for message in _messages()}
    )
