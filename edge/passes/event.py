"""A pass that has ended as the event that is published. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from edge.passes.direction import direction
from edge.passes.evidence import StoredPicture
from edge.passes.record import Pass
from edge.passes.verdict import Verdict
from edge.passes.views import View
from plates.event import (
    Outcome,
    PlateEvent,
    Provenance,
    Reason,
    SingleRead,
    Vehicle,
)

# The contract's bounds.
_MAX_READS = 64
_MAX_MODELS = 8


@dataclass(frozen=True, slots=True)
class Identity:
    """Who saw it."""

    site_id: str
    node_id: str
    software_version: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What was decided about a pass."""

    outcome: Outcome
    reason: Reason
    verdict: Verdict
    view: View | None


def build(
    subject: Pass,
    finding: Finding,
    pictures: tuple[StoredPicture, ...],
    identity: Identity,
    closed_at: datetime,
    trace_id: str = "",
) -> PlateEvent:
    """The event of a pass that has ended."""
    view = finding.view
    # a sign's text is no plate; its reads stay, to explain the decision
    no_plate = finding.outcome is Outcome.NO_PLATE or finding.reason is Reason.NO_VEHICLE
    return PlateEvent(
        event_id=subject.event_id,
        site_id=identity.site_id,
        node_id=identity.node_id,
        camera_id=subject.camera_id,
        first_seen_at=subject.first.captured_at,
        last_seen_at=subject.last.captured_at,
        best_seen_at=view.moment.captured_at if view is not None else subject.last.captured_at,
        clock=subject.clock,
        outcome=finding.outcome,
        reason=finding.reason,
        plate=None if no_plate else finding.verdict.plate,
        vehicle=Vehicle(
            object_class=subject.object_class(),
            box=view.vehicle_box if view is not None else None,
            direction=direction(subject.path),
        ),
        evidence=tuple(picture.item for picture in pictures),
        provenance=Provenance(
            models=tuple(subject.models[:_MAX_MODELS]),
            frames_seen=subject.frames_seen,
            frames_read=subject.frames_read,
            reads=single_reads(subject, finding.verdict),
            software_version=identity.software_version,
        ),
        trace_id=trace_id,
        closed_at=closed_at,
    )


def single_reads(subject: Pass, verdict: Verdict) -> tuple[SingleRead, ...]:
    """The reads of a pass with what each weighed in the verdict, in order of time; the heaviest ones if too
    many."""
    weighed = list(zip(subject.reads, verdict.weights, strict=True))
    heaviest = sorted(weighed, key=lambda pair: pair[1], reverse=True)[:_MAX_READS]
    return tuple(
        SingleRead(
            sequence=read.moment.sequence,
            captured_at=read.moment.captured_at,
            text=read.read.text,
            confidence=read.read.confidence,
            box=read.box,
            sharpness=read.sharpness,
            weight=weight,
        )
        for read, weight in sorted(heaviest, key=lambda pair: pair[0].moment.sequence)
    )
