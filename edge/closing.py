"""The end of a pass: decided, its pictures encoded, its event on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.trace import Span

from edge.capture.clock import utc_now
from edge.meters import CameraMeter, Stages
from edge.passes.book import Closing
from edge.passes.event import Finding, Identity, build
from edge.passes.evidence import StoredPicture, pictures
from edge.passes.outcome import decide
from edge.passes.record import Ending
from edge.passes.verdict import Judge
from edge.tuning import Tuning
from mesh import names
from mesh.errors import MeshError
from mesh.logs import logger
from mesh.telemetry import Telemetry, inject, trace_id
from ovr.alpr.v1 import ingest_pb2
from plates.event import PlateEvent
from wire.event import event_to_wire


class EventSink(Protocol):
    """Where events are safe: the spool."""

    async def append(self, payload: bytes) -> int:
        """Returns the payload's number once it is on disk. MeshError or OSError if it cannot be."""


def payload_of(event: PlateEvent, stored: Sequence[StoredPicture], traceparent: str) -> bytes:
    """The event with its pictures as the spool keeps it: a serialised PublishEvent without its number."""
    message = ingest_pb2.PublishEvent(event=event_to_wire(event), traceparent=traceparent)
    for picture in stored:
        if all(picture.item.sha256 != blob.sha256 for blob in message.blobs):
            message.blobs.add(sha256=picture.item.sha256, data=picture.data)
    return message.SerializeToString()


@dataclass(frozen=True, slots=True)
class Closer:
    """Makes events of the passes of one camera."""

    identity: Identity
    tuning: Tuning
    judge: Judge
    min_plate_width_px: float
    sink: EventSink
    telemetry: Telemetry
    stages: Stages
    meter: CameraMeter
    on_event: Callable[[PlateEvent], None]

    async def close(self, closing: Closing, span: Span) -> None:
        """Ends a pass and its span. What the spool does not take is counted as lost, never silently."""
        traceparent = inject(span)
        with self.telemetry.span(names.SPAN_FUSE, parent=traceparent), self.stages.timed("fuse"):
            finding = self._find(closing)
            stored = await asyncio.to_thread(pictures, finding.view, self.tuning.evidence.jpeg_quality)
        subject = closing.subject
        event = build(subject, finding, stored, self.identity, utc_now(), trace_id(span))
        with self.telemetry.span(names.SPAN_SPOOL, parent=traceparent), self.stages.timed("spool"):
            await self._spool(event, stored, traceparent)
        self.meter.pass_closed(event.outcome, event.reason)
        span.set_attributes(
            {
                names.ATTR_OUTCOME: event.outcome.value,
                names.ATTR_REASON: event.reason.value,
                names.ATTR_FRAMES_SEEN: subject.frames_seen,
            }
        )
        span.end()
        logger("edge.closing").info(
            "pass closed",
            camera=event.camera_id,
            event_id=event.event_id,
            outcome=event.outcome.value,
            reason=event.reason.value,
        )
        self.on_event(event)

    def _find(self, closing: Closing) -> Finding:
        subject = closing.subject
        verdict = subject.verdict(self.judge)
        outcome, reason = decide(
            subject,
            verdict,
            closing.ending,
            self.tuning.decision,
            self.tuning.passes,
            self.min_plate_width_px,
        )
        text = verdict.plate.text if verdict.plate is not None else ""
        # the views of a duplicate have gone to the pass it is a duplicate of
        view = None if closing.ending is Ending.DUPLICATE else subject.views.choose(text)
        return Finding(outcome, reason, verdict, view)

    async def _spool(self, event: PlateEvent, stored: Sequence[StoredPicture], traceparent: str) -> None:
        try:
            await self.sink.append(payload_of(event, stored, traceparent))
        except (MeshError, OSError) as error:
            reason = error.reason.lower() if isinstance(error, MeshError) else "disk"
            self.telemetry.counter(names.EVENTS_LOST).labels(reason).inc()
            logger("edge.closing").error(
                "event lost", event_id=event.event_id, camera=event.camera_id, why=str(error)
            )
