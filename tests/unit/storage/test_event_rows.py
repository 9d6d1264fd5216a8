"""Rows of events that are carried on unread."""

from __future__ import annotations

import random

import pytest
from google.protobuf.message import DecodeError

from ovr.alpr.v1 import event_pb2
from storage.events.row import row_of, row_of_bytes
from tests.builders.events import event, picture
from wire.event import event_from_bytes, event_to_bytes


def readable(payload: bytes) -> bool:
    """Whether an event can be made of the bytes."""
    try:
        event_from_bytes(payload)
    except (DecodeError, ValueError, OverflowError):
        return False
    return True


def carried(payload: bytes) -> bool:
    """Whether a row can be made of the bytes."""
    try:
        row_of_bytes(payload)
    except (DecodeError, ValueError, OverflowError):
        return False
    return True


@pytest.mark.parametrize("text", ["AB12CDE", None])
def test_a_row_of_bytes_is_the_row_of_the_event(text: str | None) -> None:
    """Both ways to a row give the same, with a plate and without."""
    one = event(text, evidence=(picture(b"x")[0],))
    assert row_of_bytes(event_to_bytes(one)) == row_of(one)


def test_what_cannot_be_read_is_not_carried_on() -> None:
    """Whatever a message holds in a field that this version might not know or that might be out of range, a
    row is made of it exactly if an event can be."""
    chance = random.Random(0)
    numbers = (0, 1, 2, 5, 7, 12, 99, -1)
    times = ((0, 0), (-1, 5), (1 << 40, 0), (-(1 << 40), 0), (5, 999_999_999), (5, 1_000_000_000), (5, -1))
    outcomes = set()
    for _ in range(3000):
        message = event_pb2.PlateEvent.FromString(event_to_bytes(event(evidence=(picture(b"x")[0],))))
        for _ in range(chance.randint(0, 2)):
            target, field = chance.choice(
                [
                    (message, "outcome"),
                    (message, "clock"),
                    (message.vehicle, "object_class"),
                    (message.vehicle, "direction"),
                    (message.evidence[0], "kind"),
                ]
            )
            setattr(target, field, chance.choice(numbers))
        if chance.random() < 0.3:
            stamp = chance.choice(
                [
                    message.first_seen_at,
                    message.last_seen_at,
                    message.best_seen_at,
                    message.closed_at,
                    message.ingested_at,
                    message.provenance.reads[0].captured_at,
                ]
            )
            stamp.seconds, stamp.nanos = chance.choice(times)
        if chance.random() < 0.1:
            message.reason = chance.choice(("TOO_SHORT", "NEWER_REASON", ""))
        payload = message.SerializeToString()
        assert carried(payload) == readable(payload), message
        outcomes.add(readable(payload))
    assert outcomes == {True, False}
    assert not carried(b"\xff\xff")
