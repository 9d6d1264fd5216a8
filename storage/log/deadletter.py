"""Dead letters: what could not be handled, kept as it came, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime

from mesh.errors import Kind, MeshError
from storage.log.port import (
    HEADER_ERROR,
    HEADER_KIND,
    HEADER_ORIGIN,
    HEADER_REASON,
    HEADER_REPLAYED,
    HEADER_TRACE_ID,
    HEADER_TRACEPARENT,
    PLATE_EVENTS_DLQ,
    Log,
    NewRecord,
    Record,
)

_MAX_ERROR_CHARS = 2000
_OWN = frozenset((HEADER_REASON, HEADER_KIND, HEADER_ERROR, HEADER_ORIGIN, HEADER_TRACE_ID))
_BATCH = 100
_PATIENCE_SECONDS = 10.0


def dead_letter(
    value: bytes, *, key: bytes, error: MeshError, origin: str, headers: Mapping[str, str] | None = None
) -> NewRecord:
    """A record for PLATE_EVENTS_DLQ: `error` says why, `origin` who gave up; `headers` of the original are
    kept. The same letter of the same origin has the same id."""
    kept = dict(headers or {})
    sha256 = hashlib.sha256(value).hexdigest()
    words = str(error).removeprefix(f"{error.reason}: ")
    own = {
        HEADER_REASON: error.reason,
        HEADER_KIND: error.kind.value,
        HEADER_ERROR: words[:_MAX_ERROR_CHARS],
        HEADER_ORIGIN: origin,
    }
    _, _, rest = kept.get(HEADER_TRACEPARENT, "").partition("-")
    if trace_id := rest.partition("-")[0]:
        own[HEADER_TRACE_ID] = trace_id
    return NewRecord(key, value, {**kept, **own}, id=f"{origin} {sha256}")


def dead_letter_of(record: Record, error: MeshError, *, consumer: str) -> NewRecord:
    """A dead letter of a record of the log; the origin names the consumer and where the record stands."""
    origin = f"{consumer} {record.topic}/{record.partition}/{record.offset}"
    return dead_letter(record.value, key=record.key, error=error, origin=origin, headers=record.headers)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as it lies on the log, or the mark that one was replayed."""

    record: Record

    @property
    def place(self) -> str:
        """Where it lies, "PARTITION/OFFSET": its name for people."""
        return f"{self.record.partition}/{self.record.offset}"

    @property
    def at(self) -> datetime:
        """When it was given up, UTC."""
        return self.record.timestamp

    def header(self, name: str) -> str:
        """A header; empty if the letter has none of this name."""
        return self.record.headers.get(name, "")

    @property
    def replay_of(self) -> str:
        """Of a mark, the place of the letter; empty for a letter."""
        return self.header(HEADER_REPLAYED)

    @property
    def topic(self) -> str:
        """The topic that the original was read from; empty if it never came onto one."""
        _, _, place = self.header(HEADER_ORIGIN).partition(" ")
        return place.partition("/")[0]

    def original(self) -> NewRecord:
        """The record as it was. Its id is the replay's, so that a replay that is repeated is there once."""
        headers = {name: text for name, text in self.record.headers.items() if name not in _OWN}
        return NewRecord(self.record.key, self.record.value, headers, id=f"replay {self.place}")

    def mark(self) -> NewRecord:
        """The record for PLATE_EVENTS_DLQ that says that the letter was replayed."""
        return NewRecord(self.record.key, b"", {HEADER_REPLAYED: self.place}, id=f"replayed {self.place}")


async def letters(log: Log) -> AsyncGenerator[Letter, None]:
    """Everything among the dead letters until now, oldest first, marks of replays included. UNAVAILABLE if
    the log stops to answer."""
    now = await log.tail(PLATE_EVENTS_DLQ)
    end = now.cursor
    await now.close()
    tail = await log.tail(PLATE_EVENTS_DLQ, "0")
    try:
        while tail.cursor != end:
            found = await tail.poll(_BATCH, _PATIENCE_SECONDS)
            if not found:
                raise MeshError(Kind.UNAVAILABLE, "LOG_UNAVAILABLE", "the dead letters do not come")
            for item in found:
                yield Letter(item.record)
                if item.cursor == end:
                    return
    finally:
        await tail.close()
