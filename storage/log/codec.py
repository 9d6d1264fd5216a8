"""Events as records of the log: protobuf, keyed by camera, once by event id."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from mesh.errors import Kind, MeshError
from plates.event import PlateEvent
from storage.events.row import EventRow, row_of_bytes
from storage.log.port import HEADER_CONTENT_TYPE, HEADER_EVENT_ID, HEADER_TRACEPARENT, NewRecord, Record
from wire.event import event_from_bytes, event_to_bytes

CONTENT_EVENT = "application/x-protobuf; messageType=ovr.alpr.v1.PlateEvent"


def encode_event(event: PlateEvent, traceparent: str) -> NewRecord:
    """The record of an event; consumers go on with the trace of `traceparent`."""
    headers = {
        HEADER_EVENT_ID: event.event_id,
        HEADER_CONTENT_TYPE: CONTENT_EVENT,
        HEADER_TRACEPARENT: traceparent,
    }
    return NewRecord(event.camera_id.encode(), event_to_bytes(event), headers, id=event.event_id)


def decode_row(record: Record) -> EventRow:
    """The event of a record as a row for the event store, its value carried on as it is; INVALID as below."""
    try:
        return row_of_bytes(record.value)
    except (DecodeError, ValueError, OverflowError) as error:
        raise _no_event(error) from error


def decode_event(record: Record) -> PlateEvent:
    """The event of a record; INVALID if it is none, or of a version with values that this one does not
    know."""
    try:
        return event_from_bytes(record.value)
    except (DecodeError, ValueError, OverflowError) as error:
        raise _no_event(error) from error


def _no_event(error: Exception) -> MeshError:
    return MeshError(Kind.INVALID, "NOT_AN_EVENT", f"value is no PlateEvent: {error}")
