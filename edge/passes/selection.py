"""Which crops are worth reading. Pure."""

from __future__ import annotations

from edge.passes.record import Pass
from edge.passes.verdict import Judge
from edge.tuning import PassTuning, ReadingTuning
from plates.event import Box, Detection

# Wider crops are not easier to read.
_ENOUGH_WIDTH_PX = 140.0
# This share of the budget is for crops that are merely new; the rest waits for better ones.
_NOVEL_BUDGET = 0.7


def quality(plate: Detection, sharpness: float, frame_width: int, frame_height: int) -> float:
    """What a crop promises, 0..1: wide, sharp, surely a plate, not cut off by the picture's edge."""
    size = min(1.0, plate.box.width / _ENOUGH_WIDTH_PX)
    whole = 0.4 if _touches_edge(plate.box, frame_width, frame_height) else 1.0
    return size * (0.3 + 0.7 * min(1.0, max(0.0, sharpness))) * plate.score * whole


def _touches_edge(box: Box, width: int, height: int) -> bool:
    return box.x <= 1 or box.y <= 1 or box.x + box.width >= width - 1 or box.y + box.height >= height - 1


def readable(plate: Detection, tuning: ReadingTuning, min_width_px: float) -> bool:
    """Whether the plate is large and sure enough for a read to make sense at all."""
    return plate.box.width >= min_width_px and plate.score >= tuning.min_plate_score


def worth_reading(
    subject: Pass, value: float, at: float, judge: Judge, reading: ReadingTuning, passing: PassTuning
) -> bool:
    """Whether a crop of quality `value` taken at `at` should be read for this pass."""
    state = subject.reading
    if state.to_verify > 0:
        return True
    waited = at - state.last_at
    if state.taken >= reading.budget or subject.verdict(judge).sure(reading):
        # Another vehicle may have slipped into the track; one that stands still cannot have been replaced
        # unseen.
        verifying = state.verified < reading.verify_budget and waited >= reading.verify_s
        return verifying and not subject.standing(at, passing)
    if value >= state.best_quality * reading.better:
        return True
    novel = waited >= reading.novel_s and value >= state.best_quality * reading.novel_share
    return novel and state.taken < max(1, round(_NOVEL_BUDGET * reading.budget))


def note_taken(subject: Pass, value: float, at: float, judge: Judge, reading: ReadingTuning) -> None:
    """Counts a crop that is sent to the reader against the pass's budget."""
    state = subject.reading
    if state.to_verify > 0:
        state.to_verify -= 1
    elif state.taken >= reading.budget or subject.verdict(judge).sure(reading):
        state.verified += 1
    else:
        state.taken += 1
    state.best_quality = max(state.best_quality, value)
    state.last_at = at
