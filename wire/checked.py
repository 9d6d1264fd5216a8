"""Whether a message is an event that `wire.event` can read, for who carries it on without reading it."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from ovr.alpr.v1 import event_pb2
from plates.event import Reason
from wire import event as wire

# the years 1 to 9999, as google.protobuf.Timestamp has them
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_REASONS = frozenset(reason.value for reason in Reason)
_OUTCOMES = frozenset(wire.OUTCOMES.values())
_CLOCKS = frozenset(wire.CLOCKS.values())
_CLASSES = frozenset(wire.OBJECT_CLASSES.values())
_DIRECTIONS = frozenset(wire.DIRECTIONS.values())
_KINDS = frozenset(wire.EVIDENCE_KINDS.values())


def check_event(message: event_pb2.PlateEvent) -> None:
    """ValueError naming the field for exactly those messages that `event_from_wire` refuses."""
    vehicle, reads = message.vehicle, message.provenance.reads
    _check(message.outcome in _OUTCOMES, "outcome", message.outcome)
    _check(message.clock in _CLOCKS, "clock", message.clock)
    _check(vehicle.object_class in _CLASSES, "vehicle.object_class", vehicle.object_class)
    _check(vehicle.direction in _DIRECTIONS, "vehicle.direction", vehicle.direction)
    _check(message.reason in _REASONS, "reason", message.reason)
    for item in message.evidence:
        _check(item.kind in _KINDS, "evidence.kind", item.kind)
    # what is absent reads as 1970
    _check_time(message.first_seen_at, "first_seen_at")
    _check_time(message.last_seen_at, "last_seen_at")
    _check_time(message.best_seen_at, "best_seen_at")
    _check_time(message.closed_at, "closed_at")
    _check_time(message.ingested_at, "ingested_at")
    for read in reads:
        _check_time(read.captured_at, "provenance.reads.captured_at")


def _check(known: bool, field: str, value: object) -> None:
    if not known:
        raise ValueError(f"{field}: value {value!r} is not known to this version")


def _check_time(stamp: Timestamp, field: str) -> None:
    if not (_FIRST_SECOND <= stamp.seconds <= _LAST_SECOND and 0 <= stamp.nanos < 1_000_000_000):
        raise ValueError(f"{field}: {stamp.seconds} s, {stamp.nanos} ns is out of range")
