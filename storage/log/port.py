"""The log: topics of records, appended durably, read by groups that remember where they are, and tailed by
cursor.

The embedded adapter is `storage.log.sqlite`. An engine with several partitions keeps order by key; the
embedded log has one partition, 0. Every method raises `mesh.errors.MeshError` with kind UNAVAILABLE when the
log cannot be reached or written now; what else it raises is said at the method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

PLATE_EVENTS = "plate-events"
"""Value: `PlateEvent` as protobuf. Key: camera id."""
PLATE_EVENTS_DLQ = "plate-events-dlq"
"""What could not be handled: value and key as they came. Headers: reason, kind, error, origin, trace id;
marks of replays lie among them."""
ALERTS = "alerts"
SYSTEM_METRICS = "system-metrics"
"""Value: `ReportStatusRequest` as protobuf. Key: node id."""
TOPICS = (PLATE_EVENTS, PLATE_EVENTS_DLQ, ALERTS, SYSTEM_METRICS)

HEADER_TRACEPARENT = "traceparent"
HEADER_EVENT_ID = "event-id"
HEADER_CONTENT_TYPE = "content-type"
HEADER_REASON = "reason"
"""Dead letters: why, in one word of a fixed vocabulary (UPPER_SNAKE)."""
HEADER_KIND = "kind"
"""Dead letters: what sort of failure it was, as `mesh.errors.Kind` names it."""
HEADER_ERROR = "error"
"""Dead letters: what was wrong and where, for people."""
HEADER_ORIGIN = "origin"
"""Dead letters: who gave up, and on which record: "ingest" or "event-writer plate-events/0/17"."""
HEADER_TRACE_ID = "trace-id"
"""Dead letters: the trace of the pass, 32 hexadecimal digits; none if it was not traced."""
HEADER_REPLAYED = "replayed"
"""Among the dead letters: marks that the letter at this place, "PARTITION/OFFSET", was replayed."""


class Start(Enum):
    """Where a group begins that never committed."""

    OLDEST = "oldest"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to append. Records of one key keep their order.

    A record whose `id` the topic holds already is not appended again; empty means that it has none. An engine
    that cannot look back promises this only for what it appended lately, so readers take duplicates
    nevertheless.
    """

    key: bytes
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands in its topic, and whether this append put it there or it had been there before.

    Offsets grow within a partition and are never used again."""

    partition: int
    offset: int
    new: bool = True


@dataclass(frozen=True, slots=True)
class Record:
    """A record on the log; `timestamp` is when it was appended, UTC."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Mapping[str, str]
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class TailRecord:
    """A record and the cursor that goes on after it."""

    record: Record
    cursor: str


class LogWriter(Protocol):
    """Appends records."""

    async def append(self, topic: str, records: Sequence[NewRecord]) -> list[Position]:
        """Append all of `records` or none, in order; they are durable when this returns.

        A caller that is cancelled, or that gets UNAVAILABLE, does not know whether they are on the log:
        append again, readers take duplicates.
        """


class LogReader(Protocol):
    """A member of a consumer group on one topic. Not for concurrent calls."""

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """The next records, in order, as soon as there are any; empty after `timeout` seconds.

        A record is handed out once by each reader; one that was not committed is handed out again by the next
        reader of the group, or after `rewind`. A member that holds no partition gets nothing. Cancelling
        loses nothing.
        """

    async def commit(self, records: Sequence[Record]) -> None:
        """Remember for the group that `records`, and all before them, are handled. FAILED_PRECONDITION if the
        partition now belongs to another member."""

    async def rewind(self) -> None:
        """Go back to behind the last commit: what was polled since then is handed out again."""

    async def lag(self) -> int:
        """How many records the group has not committed."""

    def skipped(self) -> int:
        """How many records retention removed before this reader came to them, since it was opened."""

    async def close(self) -> None:
        """Leave the group; another member takes over."""


class LogTail(Protocol):
    """Reads a topic from a cursor on, for one watcher, without a group. Not for concurrent calls."""

    @property
    def cursor(self) -> str:
        """Goes on after the last record that `poll` returned."""

    async def poll(self, max_records: int, timeout: float) -> list[TailRecord]:
        """The next records, in order, as soon as there are any; empty after `timeout` seconds. OUT_OF_RANGE
        if retention removed records this tail had not come to. Cancelling loses nothing."""

    async def close(self) -> None:
        """Give back what the tail holds."""


class Log(LogWriter, Protocol):
    """The whole log, as a process opens it."""

    async def reader(self, topic: str, group: str, start: Start = Start.OLDEST) -> LogReader:
        """Join `group` on `topic`. One member at a time holds a partition; the others stand by."""

    async def tail(self, topic: str, cursor: str = "") -> LogTail:
        """A tail after `cursor`: empty means from now on, "0" from the oldest kept. INVALID if it is no
        cursor of this topic, OUT_OF_RANGE if it is older than what is kept or of a log that no longer
        exists."""

    async def trim(
        self, topic: str, *, max_age: timedelta | None = None, max_bytes: int | None = None
    ) -> int:
        """Remove the oldest records until none is older than `max_age` and all together have at most
        `max_bytes` of keys and values; how many went. An engine that sees to its retention itself does
        nothing."""

    async def check(self) -> None:
        """Return if the log can be written and read now, for readiness."""

    async def close(self) -> None:
        """Finish what was begun and give everything back."""
