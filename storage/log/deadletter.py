"""Dead letters: what could not be handled, kept as it came, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from storage.log.port import HEADER_ERROR, HEADER_ORIGIN, HEADER_REASON, NewRecord, Record

_MAX_ERROR_CHARS = 2000


def dead_letter(
    value: bytes,
    *,
    key: bytes,
    reason: str,
    error: str,
    origin: str,
    headers: Mapping[str, str] | None = None,
) -> NewRecord:
    """A record for PLATE_EVENTS_DLQ. `reason` is one word (UPPER_SNAKE), `error` says what was wrong and
    where, `origin` who gave up; `headers` of the original are kept. The same letter of the same origin has
    the same id."""
    sha256 = hashlib.sha256(value).hexdigest()
    own = {HEADER_REASON: reason, HEADER_ERROR: error[:_MAX_ERROR_CHARS], HEADER_ORIGIN: origin}
    return NewRecord(key, value, {**(headers or {}), **own}, id=f"{origin} {sha256}")


def dead_letter_of(record: Record, *, reason: str, error: str, consumer: str) -> NewRecord:
    """A dead letter of a record of the log; the origin names the consumer and where the record stands."""
    origin = f"{consumer} {record.topic}/{record.partition}/{record.offset}"
    return dead_letter(
        record.value, key=record.key, reason=reason, error=error, origin=origin, headers=record.headers
    )
