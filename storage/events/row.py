"""An event as stores keep it: what filters ask for beside the whole, which is carried on as it came."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ovr.alpr.v1 import event_pb2
from plates.event import PlateEvent
from wire.checked import check_event
from wire.event import event_to_bytes, object_class_from_wire, outcome_from_wire, timestamp_from_wire


class EventRow(NamedTuple):
    """`closed_at` is `last_seen_at` for an event that does not say; `region`, `plate` (its text) and
    `confidence` are None for one without a plate; `payload` is the event as serialised protobuf."""

    event_id: str
    best_seen_at: datetime
    camera_id: str
    site_id: str
    node_id: str
    closed_at: datetime
    outcome: str
    vehicle: str
    region: str | None
    plate: str | None
    confidence: float | None
    payload: bytes


def row_of(event: PlateEvent) -> EventRow:
    """The row of an event."""
    plate = event.plate
    return EventRow(
        event.event_id,
        event.best_seen_at,
        event.camera_id,
        event.site_id,
        event.node_id,
        event.closed_at or event.last_seen_at,
        event.outcome.value,
        event.vehicle.object_class.value,
        plate.region if plate is not None else None,
        plate.text if plate is not None else None,
        plate.confidence if plate is not None else None,
        event_to_bytes(event),
    )


def row_of_bytes(payload: bytes) -> EventRow:
    """The row of a serialised event, much faster than by making the event. DecodeError (protobuf) or
    ValueError for what `wire.event.event_from_bytes` refuses."""
    message = event_pb2.PlateEvent.FromString(payload)
    check_event(message)
    plate = message.plate if message.HasField("plate") else None
    closed = message.closed_at if message.HasField("closed_at") else message.last_seen_at
    return EventRow(
        message.event_id,
        timestamp_from_wire(message.best_seen_at),
        message.camera_id,
        message.site_id,
        message.node_id,
        timestamp_from_wire(closed),
        outcome_from_wire(message.outcome).value,
        object_class_from_wire(message.vehicle.object_class).value,
        plate.region if plate is not None else None,
        plate.text if plate is not None else None,
        plate.confidence if plate is not None else None,
        payload,
    )
