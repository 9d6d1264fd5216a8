"""A pass while it lasts: where its vehicle was, what was read of it, and whether it stands still."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from edge.passes.moment import Moment
from edge.passes.verdict import Judge, Verdict
from edge.passes.views import Views
from edge.tuning import PassTuning
from plates.event import Box, Clock, Detection, ModelInfo, ObjectClass, PlateRead

# Enough for any direction; a car that is parked for hours must not fill the memory.
_PATH_POINTS = 64
_FAR = 0.75
# A parked vehicle that is being hidden seems to move for this long, with this share of its box on its place.
_HIDING_S = 5.0
_ON_PLACE = 0.5


@dataclass(frozen=True, slots=True)
class Read:
    """What the reader said of one crop of the pass. `weight` is what the crop is worth before anything is
    read."""

    moment: Moment
    box: Box
    read: PlateRead
    sharpness: float
    weight: float


class Ending(str, Enum):
    """Why a pass is over."""

    GONE = "gone"
    SETTLED = "settled"
    DUPLICATE = "duplicate"
    SHUTDOWN = "shutdown"
    STREAM_LOST = "stream_lost"


@dataclass(slots=True)
class Stillness:
    """Since when a box has not moved; `anchor` is where it stands."""

    anchor: Box
    since: float

    def see(self, box: Box, at: float, tuning: PassTuning) -> None:
        """Takes the next place of the box."""
        if not self.holds(box, tuning):
            self.anchor, self.since = box, at

    def holds(self, box: Box, tuning: PassTuning) -> bool:
        """Whether a box at this place has not moved."""
        reach = tuning.still_shift * max(1.0, math.sqrt(self.anchor.area))
        (x, y), (ax, ay) = box.center, self.anchor.center
        return abs(x - ax) <= reach and abs(y - ay) <= reach


@dataclass(slots=True)
class ReadingState:
    """How much of the pass's reading budget is used."""

    best_quality: float = 0.0
    last_at: float = float("-inf")
    taken: int = 0
    verified: int = 0
    to_verify: int = 0
    failed: int = 0
    refused: int = 0


@dataclass(slots=True, eq=False)
class Pass:
    """One vehicle (or lone plate) before one camera, from its first frame to its last."""

    event_id: str
    camera_id: str
    clock: Clock
    first: Moment
    last: Moment
    box: Box
    stillness: Stillness
    vehicle_tracks: set[int] = field(default_factory=set)
    plate_tracks: set[int] = field(default_factory=set)
    frames_seen: int = 0
    frames_read: int = 0
    plates_seen: int = 0
    classes: Counter[ObjectClass] = field(default_factory=Counter)
    path: list[tuple[float, Box]] = field(default_factory=list)
    max_height: float = 0.0
    max_plate_width: float = 0.0
    reads: list[Read] = field(default_factory=list)
    models: list[ModelInfo] = field(default_factory=list)
    reading: ReadingState = field(default_factory=ReadingState)
    views: Views = field(default_factory=Views)
    settled: bool = False
    merged_into: Pass | None = None
    moved: bool = False
    rest: Box | None = None
    rested_at: float = 0.0
    _verdict: Verdict | None = None

    @property
    def lone_plate(self) -> bool:
        """Whether no vehicle was seen, only a plate."""
        return not self.vehicle_tracks

    def see(self, moment: Moment, box: Box, tuning: PassTuning) -> None:
        """Notes where the vehicle (or lone plate) is in a frame; once for each frame."""
        if moment.sequence != self.last.sequence or self.frames_seen == 0:
            self.frames_seen += 1
        self.last = moment
        self.box = box
        self.max_height = max(self.max_height, box.height)
        self.stillness.see(box, moment.at, tuning)
        if self.standing(moment.at, tuning):
            self.rest, self.rested_at = box, moment.at
        self.path.append((moment.at, box))
        self.moved = self.moved or _far(self.path[0][1], box)
        if len(self.path) > _PATH_POINTS:
            # every second point but the first and the last: the whole way stays, ever more coarsely
            self.path = [self.path[0], *self.path[1:-1:2], self.path[-1]]

    def see_plate(self, plate: Detection, track: int | None) -> None:
        """Notes the plate in the frame last seen."""
        self.plates_seen += 1
        self.max_plate_width = max(self.max_plate_width, plate.box.width)
        if track is not None:
            self.plate_tracks.add(track)

    def standing(self, at: float, tuning: PassTuning) -> bool:
        """Whether it has stood still long enough to be called parked."""
        return at - self.stillness.since >= tuning.still_after_s

    def place(self, tuning: PassTuning) -> Box | None:
        """Where it stands, as far as its last sighting tells; None if it was on its way.

        A standing vehicle that is being hidden by another one seems to shrink and to move. So one that stood
        a moment ago, and whose box still lies on that place, is taken to stand there.
        """
        if self.standing(self.last.at, tuning):
            return self.box
        if self.rest is None or self.last.at - self.rested_at > _HIDING_S:
            return None
        smaller = max(1.0, min(self.box.area, self.rest.area))
        return self.rest if self.box.intersection(self.rest) >= _ON_PLACE * smaller else None

    def add_read(self, read: Read, model: ModelInfo | None) -> None:
        """Adds a read; the verdict is then made anew."""
        self.reads.append(read)
        self.frames_read += 1
        if model is not None:
            self.note_model(model)
        self._verdict = None

    def note_model(self, model: ModelInfo) -> None:
        """Notes a model that took part."""
        if model not in self.models:
            self.models.append(model)

    def set_reads(self, reads: Sequence[Read]) -> None:
        """Replaces the reads, after a split or a merge."""
        self.reads = sorted(reads, key=lambda r: r.moment.sequence)
        self.frames_read = len({r.moment.sequence for r in self.reads})
        self._verdict = None

    def verdict(self, judge: Judge) -> Verdict:
        """What its reads say together."""
        if self._verdict is None:
            self._verdict = judge([(r.read, r.weight) for r in self.reads])
        return self._verdict

    def object_class(self) -> ObjectClass:
        """The vehicle's class by most votes; UNKNOWN for a lone plate."""
        return self.classes.most_common(1)[0][0] if self.classes else ObjectClass.UNKNOWN


def _far(one: Box, other: Box) -> bool:
    """Whether the box has moved by more than a detector's unsureness of it: by most of its own width."""
    (x, y), (ox, oy) = one.center, other.center
    return max(abs(x - ox), abs(y - oy)) > _FAR * max(one.width, other.width)
