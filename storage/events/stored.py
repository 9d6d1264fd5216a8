"""Events and reports as the event stores keep them."""

from __future__ import annotations

from datetime import datetime

import orjson
from google.protobuf.message import DecodeError

from mesh.errors import Kind, MeshError
from plates.event import PlateEvent
from storage.events.port import CameraStatus
from wire.event import event_from_bytes


def event_of(event_id: str, payload: bytes) -> PlateEvent:
    """The event of a stored payload; DATA_LOSS if it is damaged."""
    try:
        return event_from_bytes(payload)
    except (DecodeError, ValueError) as error:
        raise MeshError(Kind.DATA_LOSS, "EVENT_DAMAGED", f"stored event {event_id}: {error}") from error


def status_to_json(status: CameraStatus) -> bytes:
    """A camera's state as JSON."""
    return orjson.dumps(status)


def status_of_json(stored: bytes | str) -> CameraStatus:
    """The reverse of `status_to_json`."""
    fields = orjson.loads(stored)
    last_frame_at = fields.pop("last_frame_at")
    return CameraStatus(
        **fields, last_frame_at=datetime.fromisoformat(last_frame_at) if last_frame_at is not None else None
    )
