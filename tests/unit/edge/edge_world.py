"""A small road for tests: vehicles that drive, detections of them, reads of their plates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count

from edge.passes.book import Closing, PassBook, Sighting
from edge.passes.moment import Moment
from edge.passes.record import Ending, Read
from edge.passes.verdict import FusionJudge
from edge.tracking.tracker import Tracker
from edge.tuning import Tuning
from plates.event import Box, CharAlternative, Clock, Detection, ObjectClass, PlateRead

START = datetime(2030, 1, 1, tzinfo=timezone.utc)
FPS = 10.0


def moment(index: int, fps: float = FPS, single: bool = False) -> Moment:
    """Frame `index` of a stream that starts at START."""
    return Moment(index, START + timedelta(seconds=index / fps), single)


def vehicle(box: Box, score: float = 0.9, kind: ObjectClass = ObjectClass.CAR) -> Detection:
    """A vehicle."""
    return Detection(kind, box, score)


def plate_of(box: Box, score: float = 0.9) -> Detection:
    """The plate where a car has it: in the middle, low."""
    width, height = box.width * 0.3, box.height * 0.1
    return Detection(
        ObjectClass.PLATE, Box(box.center[0] - width / 2, box.y + box.height * 0.7, width, height), score
    )


def read_of(text: str, confidence: float = 0.95) -> PlateRead:
    """A read in which each character is as sure as the whole allows."""
    each = confidence ** (1 / max(1, len(text)))
    return PlateRead(text, confidence, tuple((CharAlternative(c, each),) for c in text))


@dataclass(frozen=True)
class Car:
    """Drives in a straight line from `start` to `end` (left, top), then stands for `wait` frames.

    In the `hidden` frames it cannot be seen.
    """

    text: str
    enters: int
    start: tuple[float, float]
    end: tuple[float, float]
    frames: int = 20
    wait: int = 0
    size: tuple[float, float] = (200, 160)
    hidden: frozenset[int] = frozenset()
    shows_plate: bool = True

    def box(self, index: int) -> Box | None:
        """Where it is in a frame; None if it is not there."""
        age = index - self.enters
        if age < 0 or age >= self.frames + self.wait:
            return None
        share = min(1.0, age / max(1, self.frames - 1))
        x, y = (a + (b - a) * share for a, b in zip(self.start, self.end, strict=True))
        return Box(x, y, *self.size)


class Road:
    """A camera over a road: tracker, pass book and a reader that knows the truth."""

    def __init__(self, cars: Sequence[Car], tuning: Tuning | None = None, fps: float = FPS) -> None:
        self.tuning = tuning or Tuning()
        self.cars = cars
        self.fps = fps
        ids = count()
        self.judge = FusionJudge()
        self.book = PassBook("cam", Clock.FILE, self.tuning.passes, self.judge, lambda: f"pass-{next(ids)}")
        self.tracker = Tracker(self.tuning)
        self.closed: list[Closing] = []

    def detections(self, index: int) -> list[Detection]:
        """What the detector finds in a frame."""
        found = []
        for car in self.cars:
            box = car.box(index)
            if box is not None and index not in car.hidden:
                found.append(vehicle(box))
                if car.shows_plate:
                    found.append(plate_of(box))
        return found

    def run(self, frames: Iterable[int], ending: Ending = Ending.GONE) -> list[Closing]:
        """Every frame in turn, then the end; the passes that closed, in order."""
        for index in frames:
            self.step(index)
        self.closed += self.book.close_all(ending)
        return self.closed

    def step(self, index: int) -> list[Sighting]:
        """One frame: follow, gather, read, close."""
        now = moment(index, self.fps)
        sightings = self.book.observe(now, self.tracker.update(self.detections(index), now.at))
        for sighting in sightings:
            enough = len(sighting.subject.reads) >= 40 and not sighting.subject.reading.to_verify
            if sighting.plate is not None and index % 3 == 0 and not enough:
                self.read(now, sighting)
        self.closed += self.book.due(now.at)
        return sightings

    def read(self, now: Moment, sighting: Sighting) -> None:
        """Reads the plate of the car that it belongs to."""
        assert sighting.plate is not None
        text = self.text_at(now.sequence, sighting.plate.box)
        self.book.add_read(sighting.subject, Read(now, sighting.plate.box, read_of(text), 0.5, 1.0))

    def text_at(self, index: int, box: Box) -> str:
        """The text of the car whose plate this is."""
        for car in self.cars:
            where = car.box(index)
            if where is not None and plate_of(where).box.iou(box) > 0.5:
                return car.text
        raise AssertionError(f"no car has a plate at {box}")

    def texts(self, closed: Sequence[Closing] | None = None) -> list[str]:
        """The decided texts of passes that are no duplicates, in order."""
        found = []
        for closing in closed if closed is not None else self.closed:
            plate = closing.subject.verdict(self.judge).plate
            if closing.ending is not Ending.DUPLICATE:
                found.append(plate.text if plate is not None else "")
        return found
