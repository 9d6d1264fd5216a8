"""Which crops are read, what the reads say, how a pass ends, where it went, and what is kept of it."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import cv2
import numpy as np
import pytest
from edge_media import picture
from edge_world import START, moment, plate_of, read_of
from hypothesis import given
from hypothesis import strategies as st

from edge.frame import Frame
from edge.passes.direction import direction
from edge.passes.event import Finding, Identity, build, single_reads
from edge.passes.evidence import encode, pictures
from edge.passes.outcome import decide
from edge.passes.record import Ending, Pass, Read, Stillness
from edge.passes.selection import note_taken, quality, readable, worth_reading
from edge.passes.texts import alike, contradict, distance, same
from edge.passes.verdict import FusionJudge, groups
from edge.passes.views import PLATE, READ, VEHICLE, Rank, Shot, Views
from edge.tuning import DecisionTuning, EvidenceTuning, PassTuning, ReadingTuning
from plates.event import (
    Box,
    Clock,
    Detection,
    Direction,
    EvidenceKind,
    ObjectClass,
    Outcome,
    PlateRead,
    Reason,
)

TEXT, OTHER = "KX53RTL", "9846MWD"
JUDGE = FusionJudge()
READING, PASSING, DECISION = ReadingTuning(), PassTuning(), DecisionTuning()
texts = st.text("ABCDEFGHKLMNPRSTUVWXYZ0123456789", min_size=1, max_size=10)


def a_pass(frames: int = 10, *, lone: bool = False, plates: int = 10, move: float = 30.0) -> Pass:
    """A pass seen in so many frames, on the move."""
    box = Box(100, 100, 200, 160)
    subject = Pass("id", "cam", Clock.FILE, moment(0), moment(0), box, Stillness(box, moment(0).at))
    subject.vehicle_tracks = set() if lone else {1}
    for index in range(frames):
        subject.see(moment(index), Box(100 + move * index, 100, 200, 160), PASSING)
        if index < plates:
            subject.see_plate(plate_of(subject.box), 1)
    return subject


def with_reads(subject: Pass, reads: list[PlateRead]) -> Pass:
    """The pass with these reads, a frame each."""
    for index, read in enumerate(reads):
        subject.add_read(Read(moment(index), plate_of(subject.box).box, read, 0.5, 1.0), None)
    return subject


def outcome(
    subject: Pass, ending: Ending = Ending.GONE, decision: DecisionTuning = DECISION
) -> tuple[Outcome, Reason]:
    """How the pass ends."""
    return decide(subject, subject.verdict(JUDGE), ending, decision, PASSING, 28)


def test_outcomes_and_their_reasons() -> None:
    """Each way a pass can end has its one outcome and reason."""
    sure, unsure = [read_of(TEXT)] * 3, [read_of(TEXT, 0.3)]
    faint = PlateRead(TEXT, 0.2, read_of(TEXT, 0.2).posterior, legibility=0.1)
    narrow = a_pass()
    narrow.max_plate_width = 20
    failed, refused = a_pass(), a_pass()
    failed.reading.failed, refused.reading.refused = 3, 3
    tiny = a_pass(plates=0)
    tiny.max_height = 10
    assert outcome(with_reads(a_pass(), sure)) == (Outcome.READ, Reason.CONFIDENT)
    assert outcome(with_reads(a_pass(), unsure)) == (Outcome.UNREADABLE, Reason.LOW_CONFIDENCE)
    assert outcome(with_reads(a_pass(), [faint])) == (Outcome.UNREADABLE, Reason.ILLEGIBLE)
    assert outcome(with_reads(a_pass(), [PlateRead("", 0.0, ())])) == (Outcome.UNREADABLE, Reason.ILLEGIBLE)
    assert outcome(narrow) == (Outcome.UNREADABLE, Reason.TOO_SMALL)
    assert outcome(failed) == (Outcome.UNREADABLE, Reason.READ_FAILED)
    assert outcome(refused) == (Outcome.DROPPED, Reason.OVERLOAD)
    assert outcome(a_pass(plates=0)) == (Outcome.NO_PLATE, Reason.NO_PLATE_SEEN)
    assert outcome(a_pass(2)) == (Outcome.REJECTED, Reason.TOO_SHORT)
    assert outcome(tiny) == (Outcome.REJECTED, Reason.TOO_SMALL)
    assert outcome(with_reads(a_pass(), sure), Ending.DUPLICATE) == (Outcome.REJECTED, Reason.DUPLICATE_VIEW)
    assert outcome(a_pass(), Ending.SHUTDOWN) == (Outcome.DROPPED, Reason.SHUTDOWN)
    assert outcome(a_pass(), Ending.STREAM_LOST) == (Outcome.DROPPED, Reason.STREAM_LOST)


def test_sure_read_survives_a_shutdown_and_a_short_pass() -> None:
    """A plate that was surely read is reported, however soon the pass ended."""
    for ending in (Ending.SHUTDOWN, Ending.STREAM_LOST, Ending.SETTLED, Ending.GONE):
        assert outcome(with_reads(a_pass(2), [read_of(TEXT)] * 2), ending)[0] is Outcome.READ


def test_sign_is_no_vehicle() -> None:
    """A lone plate that never moved is a sign, however well it reads; one that moved is a plate."""
    assert outcome(with_reads(a_pass(lone=True, move=0), [read_of(TEXT)] * 3)) == (
        Outcome.REJECTED,
        Reason.NO_VEHICLE,
    )
    assert outcome(with_reads(a_pass(lone=True), [read_of(TEXT)] * 3))[0] is Outcome.READ


def test_one_read_or_letters_alone_are_not_enough() -> None:
    """A film needs agreeing reads; a text without digits is lettering unless it is said to be a plate."""
    assert outcome(with_reads(a_pass(), [read_of(TEXT, 0.99)]))[0] is Outcome.UNREADABLE
    lettering = with_reads(a_pass(), [read_of("CENTRAL", 0.99)] * 4)
    assert outcome(lettering)[0] is Outcome.UNREADABLE
    assert outcome(lettering, decision=DecisionTuning(letters_only=True))[0] is Outcome.READ


@given(texts, texts)
def test_distance_is_a_distance(one: str, other: str) -> None:
    """Distances are symmetric, zero for the same text, and never more than the longer text."""
    assert distance(one, other) == distance(other, one) <= max(len(one), len(other))
    assert distance(one, one) == 0
    assert same(one, one)
    assert not (alike(one, other) and contradict(one, other))


def test_lookalikes_are_the_same() -> None:
    """O and 0 are one character when texts are compared; unrelated texts contradict."""
    assert same("AB12O0", "AB120O")
    assert alike("KX53RTL", "KX53RT")
    assert contradict(TEXT, OTHER)


@given(st.lists(st.tuples(texts, st.floats(0.05, 1), st.floats(0.1, 2)), max_size=10))
def test_groups_hold_each_read_once(reads: list[tuple[str, float, float]]) -> None:
    """Every read with a text is in one group, and weights of a verdict add up to 1."""
    weighed = [(read_of(text, confidence), weight) for text, confidence, weight in reads]
    assert sorted(i for group in groups(weighed) for i in group) == list(range(len(reads)))
    verdict = JUDGE(weighed)
    assert len(verdict.weights) == len(reads)
    assert not reads or verdict.plate is not None


def test_reads_of_another_thing_do_not_weigh() -> None:
    """A sticker's reads have no weight in the verdict."""
    verdict = JUDGE([(read_of(TEXT), 1.0), (read_of("TAXI5550", 0.6), 1.0), (read_of(TEXT), 1.0)])
    assert verdict.plate is not None
    assert verdict.plate.text == TEXT
    assert verdict.weights[1] == 0
    assert verdict.agreeing == 2


def test_better_crops_are_read_first_and_the_budget_holds() -> None:
    """A better crop is read at once, a like one after a while, and never more than the budget."""
    subject = a_pass()
    assert worth_reading(subject, 0.2, 0.0, JUDGE, READING, PASSING)
    note_taken(subject, 0.2, 0.0, JUDGE, READING)
    assert not worth_reading(subject, 0.2, 0.01, JUDGE, READING, PASSING)
    assert worth_reading(subject, 0.3, 0.01, JUDGE, READING, PASSING)
    assert worth_reading(subject, 0.2, 0.5, JUDGE, READING, PASSING)
    assert not worth_reading(subject, 0.05, 0.5, JUDGE, READING, PASSING)
    for index in range(200):
        if worth_reading(subject, 1.0 + index, float(index) / 100, JUDGE, READING, PASSING):
            note_taken(subject, 1.0 + index, float(index) / 100, JUDGE, READING)
    assert subject.reading.taken == READING.budget
    assert subject.reading.verified <= READING.verify_budget


def test_quality_of_crops() -> None:
    """Wide, sharp, whole and sure plates promise more; narrow ones are not read at all."""
    plate = Detection(ObjectClass.PLATE, Box(300, 200, 120, 30), 0.9)
    good = quality(plate, 0.8, 1280, 720)
    assert good > quality(plate, 0.2, 1280, 720)
    assert good > quality(Detection(ObjectClass.PLATE, Box(300, 200, 40, 10), 0.9), 0.8, 1280, 720)
    assert good > quality(Detection(ObjectClass.PLATE, Box(0, 200, 120, 30), 0.9), 0.8, 1280, 720)
    assert readable(plate, READING, 100)
    assert not readable(plate, READING, 130)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (Box(150, 150, 400, 320), Direction.APPROACHING),
        (Box(120, 90, 100, 80), Direction.RECEDING),
        (Box(700, 100, 210, 165), Direction.RIGHT),
        (Box(-500, 100, 200, 160), Direction.LEFT),
        (Box(103, 101, 202, 160), Direction.STATIONARY),
        (Box(110, 300, 200, 160), Direction.APPROACHING),
    ],
)
def test_directions(end: Box, expected: Direction) -> None:
    """A path's direction is told by how the box grows and moves."""
    start = Box(100, 100, 200, 160)
    steps = [
        (t, Box(*(a + (b - a) * t / 4 for a, b in zip(_four(start), _four(end), strict=True))))
        for t in range(5)
    ]
    assert direction(steps) is expected
    assert direction(steps[:2]) is Direction.UNKNOWN


def _four(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height


def frame(index: int, shade: int) -> Frame:
    """A frame of one grey."""
    return Frame("cam", index, START + timedelta(seconds=index), Clock.FILE, picture(shade, 1600, 900))


def shot(shade: int, scene: bool = False) -> Shot:
    """What to keep of a frame."""
    return Shot(picture(shade, 60, 20), Box(100, 100, 1400, 700), scene, EvidenceTuning())


def test_best_view_is_kept_for_each_text() -> None:
    """Read views beat seen ones, better beats worse, and each text has its own best view."""
    views = Views()
    views.offer("", Rank(VEHICLE, 9.0), frame(0, 10), shot(10))
    views.offer("", Rank(PLATE, 0.5), frame(1, 20), shot(20))
    views.offer(TEXT, Rank(READ, 0.6), frame(2, 30), shot(30, scene=True))
    views.offer(TEXT, Rank(READ, 0.5), frame(3, 40), shot(40))
    views.offer(OTHER, Rank(READ, 0.9), frame(4, 50), shot(50))
    chosen, other, unknown = views.choose(TEXT), views.choose(OTHER), views.choose("")
    assert chosen is not None
    assert other is not None
    assert unknown is not None
    assert (chosen.moment.sequence, other.moment.sequence, unknown.moment.sequence) == (2, 4, 4)
    assert chosen.vehicle is not None
    assert max(chosen.vehicle.shape) <= EvidenceTuning().max_vehicle_px
    assert chosen.scene is not None
    assert other.scene is None


def test_evidence_is_named_by_its_content() -> None:
    """A picture is a JPEG whose key is its hash, and can be decoded again."""
    stored = encode(picture(mark=20), EvidenceKind.PLATE, 90)
    digest = hashlib.sha256(stored.data).hexdigest()
    assert stored.item.key == f"sha256/{digest[:2]}/{digest}.jpg"
    decoded = cv2.imdecode(np.frombuffer(stored.data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (stored.item.height, stored.item.width, 3)
    assert pictures(None, 90) == ()


def test_event_tells_the_whole_pass() -> None:
    """An event has the pass's times, its weighed reads in order, and no plate where none was seen."""
    subject = with_reads(a_pass(), [read_of(TEXT)] * 3)
    verdict = subject.verdict(JUDGE)
    made = build(
        subject,
        Finding(Outcome.READ, Reason.CONFIDENT, verdict, None),
        (),
        Identity("site", "node", "1.0"),
        START,
        "a" * 32,
    )
    assert (made.first_seen_at, made.last_seen_at) == (START, moment(9).captured_at)
    assert [r.sequence for r in made.provenance.reads] == [0, 1, 2]
    assert sum(r.weight for r in made.provenance.reads) == pytest.approx(1)
    assert made.vehicle.direction is Direction.RIGHT
    none = Finding(Outcome.NO_PLATE, Reason.NO_PLATE_SEEN, verdict, None)
    assert build(subject, none, (), Identity("s", "n", "1"), START).plate is None


def test_event_keeps_no_more_reads_than_the_contract_takes() -> None:
    """Of very many reads the heaviest 64 are kept."""
    subject = with_reads(a_pass(), [read_of(TEXT)] * 100)
    assert len(single_reads(subject, subject.verdict(JUDGE))) == 64


def test_standing_for_hours_does_not_fill_the_memory() -> None:
    """However long a pass lasts, its path stays small and keeps its ends."""
    subject = a_pass(5000)
    assert len(subject.path) <= 64
    assert subject.path[0][0] == START.timestamp()
    assert subject.path[-1][1].x == 100 + 30.0 * 4999
