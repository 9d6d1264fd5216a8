"""Whether a message is an event that `wire.event` can read, for who carries it on without reading it."""

from __future__ import annotations

from ovr.alpr.v1 import event_pb2
from plates.event import Reason
from wire import event as wire

_REASONS = frozenset(reason.value for reason in Reason)
_OUTCOMES = frozenset(wire.OUTCOMES.values())
_CLOCKS = frozenset(wire.CLOCKS.values())
_CLASSES = frozenset(wire.OBJECT_CLASSES.values())
_DIRECTIONS = frozenset(wire.DIRECTIONS.values())
_KINDS = frozenset(wire.EVIDENCE_KINDS.values())


def check_event(message: event_pb2.PlateEvent) -> None:
    """Raises what `event_from_wire` raises, and nothing for what it takes."""
    if not _readable(message):
        wire.event_from_wire(message)


def _readable(message: event_pb2.PlateEvent) -> bool:
    vehicle, in_range = message.vehicle, wire.in_range
    return (
        message.outcome in _OUTCOMES
        and message.clock in _CLOCKS
        and vehicle.object_class in _CLASSES
        and vehicle.direction in _DIRECTIONS
        and message.reason in _REASONS
        and in_range(message.first_seen_at)
        and in_range(message.last_seen_at)
        and in_range(message.best_seen_at)
        and in_range(message.closed_at)  # what is absent reads as 1970
        and in_range(message.ingested_at)
        and all(item.kind in _KINDS for item in message.evidence)
        and all(in_range(read.captured_at) for read in message.provenance.reads)
    )
