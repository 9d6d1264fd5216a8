"""When the texts say that a pass is two vehicles, or two passes are one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

from edge.passes.moment import Moment
from edge.passes.record import Pass, Read, Stillness
from edge.passes.texts import contradict, same
from edge.passes.verdict import Judge, groups
from edge.tuning import PassTuning

# Two texts must each be this sure, by this many reads, before they merge or split passes.
_DECIDED = 0.7
_DECIDED_READS = 2


def decided(reads: Sequence[Read], judge: Judge) -> str:
    """The text that these reads decide on; empty while they do not."""
    verdict = judge([(r.read, r.weight) for r in reads])
    if verdict.plate is None or verdict.confidence < _DECIDED or verdict.agreeing < _DECIDED_READS:
        return ""
    return verdict.plate.text


def decided_text(subject: Pass, judge: Judge) -> str:
    """The text that a pass's reads decide on; empty while they do not."""
    verdict = subject.verdict(judge)
    if verdict.plate is None or verdict.confidence < _DECIDED or verdict.agreeing < _DECIDED_READS:
        return ""
    return verdict.plate.text


def two_vehicles(subject: Pass, judge: Judge) -> tuple[list[Read], list[Read]] | None:
    """The reads before and after a moment, if they are of two plates; None if the pass is one vehicle's.

    Reads of two texts in turns are one vehicle's, with a sticker; a picture that stands alone has no before.
    """
    found = groups([(r.read, r.weight) for r in subject.reads])
    if subject.last.single or len(found) < 2:
        return None
    early, late = sorted(found[:2], key=lambda g: g[0])
    cut = subject.reads[late[0]].moment.sequence
    if subject.reads[early[-1]].moment.sequence >= cut:
        return None
    before = [r for r in subject.reads if r.moment.sequence < cut]
    after = [r for r in subject.reads if r.moment.sequence >= cut]
    one, other = decided(before, judge), decided(after, judge)
    return (before, after) if one and other and contradict(one, other) else None


def hand_over(
    subject: Pass, heir: Pass, before: Sequence[Read], after: Sequence[Read], tuning: PassTuning
) -> None:
    """`subject` goes back to its reads `before`; its tracks and what was seen since go on with `heir`."""
    cut = after[0].moment
    heir.last, heir.box, heir.stillness = subject.last, subject.box, subject.stillness
    heir.moved |= subject.moved
    heir.frames_seen += max(1, len({r.moment.sequence for r in after}))
    heir.plates_seen += len(after)
    heir.max_plate_width = max(heir.max_plate_width, *(r.box.width for r in after))
    heir.max_height = max(heir.max_height, subject.max_height)
    heir.classes = heir.classes or subject.classes.copy()
    heir.path += [(at, box) for at, box in subject.path if at >= cut.at]
    heir.reading.taken += len(after)
    _add_views_and_models(heir, subject)
    heir.vehicle_tracks |= subject.vehicle_tracks
    heir.plate_tracks |= subject.plate_tracks
    heir.set_reads([*heir.reads, *after])
    subject.vehicle_tracks, subject.plate_tracks = set(subject.vehicle_tracks), set(subject.plate_tracks)
    subject.set_reads(before)
    _go_back(subject, before[-1].moment, cut.at, tuning)


def give_stray_reads(subject: Pass, others: Iterable[Pass], judge: Judge) -> None:
    """A pass that is undecided gives its reads of a text to the pass that is decided on it.

    Where vehicles hide one another a plate is now and then taken for that of the vehicle beside its own.
    """
    plate = subject.verdict(judge).plate
    if plate is None or decided_text(subject, judge):
        return
    owner = next((p for p in others if p is not subject and same(plate.text, decided_text(p, judge))), None)
    if owner is not None:
        stray = [r for r in subject.reads if same(r.read.text, plate.text)]
        subject.set_reads([r for r in subject.reads if r not in stray])
        owner.set_reads([*owner.reads, *stray])


def _go_back(subject: Pass, read: Moment, cut: float, tuning: PassTuning) -> None:
    """Puts a pass back to where its vehicle was seen for sure: where it was read last, or stood since."""
    kept = [point for point in subject.path if point[0] <= read.at] or subject.path[:1]
    stillness = Stillness(kept[0][1], kept[0][0])
    for at, box in kept:
        stillness.see(box, at, tuning)
    for at, box in subject.path[len(kept) :]:
        if at >= cut or not stillness.holds(box, tuning):
            break
        kept.append((at, box))
    last = datetime.fromtimestamp(kept[-1][0], timezone.utc)
    subject.path, subject.box, subject.stillness = kept, kept[-1][1], stillness
    subject.last = Moment(read.sequence, max(read.captured_at, last))
    stands = subject.standing(subject.last.at, tuning)
    subject.rest, subject.rested_at = (subject.box, subject.last.at) if stands else (None, 0.0)


def take_in(into: Pass, other: Pass) -> None:
    """`other` was a second view of `into`: everything it has goes there."""
    alike = into.lone_plate == other.lone_plate
    into.moved |= other.moved
    into.frames_seen += other.frames_seen
    into.plates_seen += other.plates_seen
    into.classes.update(other.classes)
    if not other.lone_plate:
        into.max_height = max(into.max_height, other.max_height)
    into.max_plate_width = max(into.max_plate_width, other.max_plate_width)
    into.reading.taken += other.reading.taken
    into.first = min(into.first, other.first, key=lambda m: m.sequence)
    if other.last.sequence > into.last.sequence:
        into.last, into.box, into.stillness = other.last, other.box, other.stillness
    if alike:
        into.path = sorted([*into.path, *other.path], key=lambda p: p[0])
    _add_views_and_models(into, other)
    into.vehicle_tracks |= other.vehicle_tracks
    into.plate_tracks |= other.plate_tracks
    into.set_reads([*into.reads, *other.reads])
    other.merged_into = into


def _add_views_and_models(into: Pass, other: Pass) -> None:
    into.views.take_over(other.views)
    for model in other.models:
        into.note_model(model)
