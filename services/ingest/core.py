"""Makes events durable: the pictures first, then the event on the log; what breaks the contract is kept as
dead letter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from enum import Enum

from mesh import names
from mesh.errors import Kind, MeshError
from mesh.logs import logger
from mesh.telemetry import Telemetry, exemplar, inject
from plates.event import PlateEvent
from storage.images.port import ImageStore, image_key
from storage.log.codec import encode_event
from storage.log.deadletter import dead_letter
from storage.log.port import (
    HEADER_CONTENT_TYPE,
    HEADER_EVENT_ID,
    HEADER_TRACEPARENT,
    PLATE_EVENTS,
    PLATE_EVENTS_DLQ,
    SYSTEM_METRICS,
    LogWriter,
    NewRecord,
)

CONTENT_PUBLISH = "application/x-protobuf; messageType=ovr.alpr.v1.PublishEvent"
CONTENT_STATUS = "application/x-protobuf; messageType=ovr.alpr.v1.ReportStatusRequest"
ORIGIN = "ingest"


class Result(Enum):
    """What became of an event that was sent."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    DEAD_LETTERED = "dead_lettered"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to an event; `reason` says why it was not stored, empty if it was."""

    result: Result
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's bytes and the SHA-256 its sender says they have, hexadecimal."""

    sha256: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """An event as it was sent. `original` gives its bytes, in case it must be kept as it came."""

    event: PlateEvent
    pictures: tuple[Picture, ...]
    traceparent: str
    original: Callable[[], bytes]


class Ingest:
    """What the service exists for. Any number of events may be taken at once; an event may be taken again."""

    def __init__(
        self,
        log: LogWriter,
        images: ImageStore,
        telemetry: Telemetry,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._log = log
        self._images = images
        self._telemetry = telemetry
        self._clock = clock
        self._events = telemetry.counter(names.INGEST_EVENTS)
        self._dead = telemetry.counter(names.INGEST_DEAD_LETTERS)
        self._missing = telemetry.counter(names.INGEST_EVIDENCE_MISSING)
        self._delay = telemetry.histogram(names.INGEST_DELAY_SECONDS)
        self._logger = logger("ingest")

    async def take(self, submission: Submission) -> Receipt:
        """Make an event durable. Never raises for what is wrong with the event or the stores: the receipt
        says so."""
        event = submission.event
        attributes = {names.ATTR_EVENT_ID: event.event_id, names.ATTR_CAMERA: event.camera_id}
        with self._telemetry.span(
            names.SPAN_INGEST_STORE, parent=submission.traceparent or None, attributes=attributes
        ) as span:
            try:
                receipt = await self._store(submission)
            except MeshError as error:
                receipt = await self._failed(submission, error)
            span.set_attribute(names.ATTR_INGEST_RESULT, receipt.result.value)
        self._events.labels(receipt.result.value).inc()
        return receipt

    async def refuse(
        self, original: bytes, error: MeshError, *, event_id: str, camera_id: str, traceparent: str
    ) -> Receipt:
        """Keep what cannot even be read as an event; RETRY if it cannot be kept now."""
        receipt = await self._bury(original, error, event_id, camera_id, traceparent)
        self._events.labels(receipt.result.value).inc()
        return receipt

    async def report(self, node_id: str, status: bytes) -> None:
        """Put an edge box's report on the log. UNAVAILABLE if it cannot be written now."""
        record = NewRecord(node_id.encode(), status, {HEADER_CONTENT_TYPE: CONTENT_STATUS})
        await self._log.append(SYSTEM_METRICS, [record])

    async def _store(self, submission: Submission) -> Receipt:
        event = submission.event
        keys = evidence_keys(event, submission.pictures)
        await self._store_pictures(event, submission.pictures, keys)
        event = replace(event, ingested_at=self._clock())
        with self._telemetry.span(names.SPAN_LOG_APPEND):
            record = encode_event(event, inject() or submission.traceparent)
            (position,) = await self._log.append(PLATE_EVENTS, [record])
        if not position.new:
            return Receipt(Result.DUPLICATE)
        if event.closed_at is not None and event.ingested_at is not None:
            self._delay.observe(max(0.0, (event.ingested_at - event.closed_at).total_seconds()), exemplar())
        return Receipt(Result.STORED)

    async def _store_pictures(
        self, event: PlateEvent, pictures: Sequence[Picture], keys: dict[str, str]
    ) -> None:
        media_types = {item.sha256: item.media_type for item in event.evidence}
        sent = {picture.sha256 for picture in pictures}
        await asyncio.gather(
            *(self._images.put(keys[p.sha256], p.data, media_types[p.sha256]) for p in pictures)
        )
        for item in event.evidence:
            if item.sha256 not in sent and not await self._images.exists(item.key):
                self._missing.inc()
                self._logger.warning("picture missing", event_id=event.event_id, key=item.key)

    async def _failed(self, submission: Submission, error: MeshError) -> Receipt:
        if error.kind is not Kind.INVALID:
            self._logger.warning("not stored", event_id=submission.event.event_id, error=str(error))
            return Receipt(Result.RETRY, error.reason)
        event = submission.event
        return await self._bury(
            await asyncio.to_thread(submission.original),
            error,
            event.event_id,
            event.camera_id,
            submission.traceparent,
        )

    async def _bury(
        self, original: bytes, error: MeshError, event_id: str, camera_id: str, traceparent: str
    ) -> Receipt:
        headers = {
            HEADER_EVENT_ID: event_id,
            HEADER_CONTENT_TYPE: CONTENT_PUBLISH,
            HEADER_TRACEPARENT: traceparent,
        }
        letter = dead_letter(original, key=camera_id.encode(), error=error, origin=ORIGIN, headers=headers)
        try:
            (position,) = await self._log.append(PLATE_EVENTS_DLQ, [letter])
        except MeshError as failure:
            self._logger.warning("dead letter not stored", event_id=event_id, error=str(failure))
            return Receipt(Result.RETRY, failure.reason)
        if position.new:
            self._dead.labels(error.reason).inc()
            self._logger.warning("dead letter", event_id=event_id, error=str(error))
        return Receipt(Result.DEAD_LETTERED, str(error))


def evidence_keys(event: PlateEvent, pictures: Sequence[Picture]) -> dict[str, str]:
    """The key of each evidence item by its hash. INVALID if a key is not its content's, or a picture that was
    sent is none of them; whether its bytes have that hash the image store checks."""
    keys = {item.sha256: item.key for item in event.evidence}
    for item in event.evidence:
        if item.key != image_key(item.sha256, item.media_type):
            raise _broken(
                "EVIDENCE_KEY_MISMATCH", f"evidence key {item.key} is not that of its hash and type"
            )
    for picture in pictures:
        if picture.sha256 not in keys:
            raise _broken("EVIDENCE_UNKNOWN", f"picture {picture.sha256} belongs to no evidence of the event")
    return keys


def _broken(reason: str, message: str) -> MeshError:
    return MeshError(Kind.INVALID, reason, message)
