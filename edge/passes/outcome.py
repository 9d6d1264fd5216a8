"""How a pass ended and why, from what was seen and read. Pure."""

from __future__ import annotations

from edge.passes.record import Ending, Pass
from edge.passes.verdict import Verdict
from edge.tuning import DecisionTuning, PassTuning
from plates.event import Outcome, Reason

_CUT_SHORT = {Ending.SHUTDOWN: Reason.SHUTDOWN, Ending.STREAM_LOST: Reason.STREAM_LOST}


def decide(
    subject: Pass,
    verdict: Verdict,
    ending: Ending,
    decision: DecisionTuning,
    passing: PassTuning,
    min_width_px: float,
) -> tuple[Outcome, Reason]:
    """The one outcome of a pass and its reason. A plate that was surely read stays read, however the pass
    ended."""
    if ending is Ending.DUPLICATE:
        return Outcome.REJECTED, Reason.DUPLICATE_VIEW
    if subject.lone_plate and not subject.moved and not subject.last.single:
        # a sign, or the camera's own lettering in the picture
        return Outcome.REJECTED, Reason.NO_VEHICLE
    if _is_read(subject, verdict, decision):
        return Outcome.READ, Reason.CONFIDENT
    if ending in _CUT_SHORT:
        return Outcome.DROPPED, _CUT_SHORT[ending]
    if subject.frames_seen < passing.min_frames and not subject.last.single:
        return Outcome.REJECTED, Reason.TOO_SHORT
    if not subject.lone_plate and subject.max_height < passing.min_vehicle_px:
        return Outcome.REJECTED, Reason.TOO_SMALL
    if subject.plates_seen == 0:
        return Outcome.NO_PLATE, Reason.NO_PLATE_SEEN
    return _unread(subject, verdict, decision, min_width_px)


def _is_read(subject: Pass, verdict: Verdict, decision: DecisionTuning) -> bool:
    if verdict.plate is None or len(verdict.plate.text) < decision.min_characters:
        return False
    if not decision.letters_only and verdict.plate.text.isalpha():
        return False
    needed = 1 if subject.last.single else decision.min_reads
    return verdict.agreeing >= needed and verdict.confidence >= decision.min_confidence


def _unread(
    subject: Pass, verdict: Verdict, decision: DecisionTuning, min_width_px: float
) -> tuple[Outcome, Reason]:
    if not subject.reads:
        if subject.reading.refused > 0:
            return Outcome.DROPPED, Reason.OVERLOAD
        if subject.reading.failed > 0:
            return Outcome.UNREADABLE, Reason.READ_FAILED
        small = subject.max_plate_width < min_width_px
        return Outcome.UNREADABLE, Reason.TOO_SMALL if small else Reason.ILLEGIBLE
    legible = max(read.read.legibility for read in subject.reads) >= decision.min_legibility
    if verdict.plate is None or not legible:
        return Outcome.UNREADABLE, Reason.ILLEGIBLE
    return Outcome.UNREADABLE, Reason.LOW_CONFIDENCE
