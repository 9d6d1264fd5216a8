"""The passes of one camera: opens them, gathers what belongs to them, and closes each exactly once. Pure.

Tracks break and jump; a pass must not. The rules, in the order in which they are asked:

- a track that belongs to a pass stays with it;
- a vehicle under a plate that has a pass already joins it, if that pass has no vehicle or one at this place;
- a track that starts where a pass was lost a moment ago, or where a vehicle stood, goes on with that pass;
- anything else opens a pass;
- two open passes of one text, never seen side by side, are one vehicle: the later one is a duplicate view;
- one pass with two texts, one after the other, was two vehicles: it is split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge.passes.moment import Moment
from edge.passes.record import Ending, Pass, Read, Stillness
from edge.passes.regroup import decided, decided_text, give_stray_reads, hand_over, take_in, two_vehicles
from edge.passes.texts import same
from edge.passes.verdict import Judge
from edge.tracking.tracker import TrackedFrame, TrackedPlate, TrackedVehicle
from edge.tuning import PassTuning
from plates.event import Box, Clock, Detection, ModelInfo, ObjectClass

# A track that the tracker gave a new number is found again at once, or it is another vehicle.
_SWITCH_S = 0.6
# A lone plate that has opened no pass by then was lost before it could.
_FORGET_LONE_S = 10.0
# A new track with the plate of a pass is that pass's vehicle if it overlaps it by this much.
_PARTLY = 0.3
# How many reads look at a vehicle that was found again by its place.
_VERIFY_READS = 2
# Seen at once, two boxes are two views of one vehicle when one lies in the other by this much.
_ONE_VEHICLE = 0.8


@dataclass(frozen=True, slots=True)
class Sighting:
    """A pass in the frame just observed; `plate` is its best plate there, None if none was seen."""

    subject: Pass
    plate: Detection | None
    vehicle_box: Box | None


@dataclass(frozen=True, slots=True)
class Closing:
    """A pass that has ended and must become an event now."""

    subject: Pass
    ending: Ending


class PassBook:
    """One camera's passes. Frames must come in order."""

    def __init__(
        self,
        camera_id: str,
        clock: Clock,
        tuning: PassTuning,
        judge: Judge,
        new_id: Callable[[], str],
        on_open: Callable[[Pass], None] = lambda subject: None,
    ) -> None:
        self._camera_id = camera_id
        self._clock = clock
        self._tuning = tuning
        self._judge = judge
        self._new_id = new_id
        self._on_open = on_open
        self._passes: list[Pass] = []
        self._by_vehicle: dict[int, Pass] = {}
        self._by_plate: dict[int, Pass] = {}
        self._lone_since: dict[int, Moment] = {}
        self._side_by_side: set[frozenset[str]] = set()
        self._ended: list[Closing] = []
        self._last: Moment | None = None
        self.opened = 0

    @property
    def open(self) -> tuple[Pass, ...]:
        """The passes whose event is still to come, oldest first."""
        return tuple(p for p in self._passes if not p.settled)

    @property
    def present(self) -> tuple[Pass, ...]:
        """The passes whose vehicle may still be there, those that already have their event included."""
        return tuple(self._passes)

    def observe(self, moment: Moment, frame: TrackedFrame) -> list[Sighting]:
        """Takes the tracked objects of a frame; gives each pass seen in it, once."""
        plates: dict[int, list[TrackedPlate]] = {}
        lone: list[TrackedPlate] = []
        for plate in frame.plates:
            if plate.vehicle is None or self._is_fixture(plate, plate.vehicle, moment):
                lone.append(plate)
            else:
                plates.setdefault(plate.vehicle, []).append(plate)
        sightings: dict[str, Sighting] = {}
        known = [v for v in frame.vehicles if v.track in self._by_vehicle]
        new = [v for v in frame.vehicles if v.track not in self._by_vehicle]
        seen: set[str] = set()
        for vehicle in known + new:
            subject = self._by_vehicle.get(vehicle.track) or self._home(
                moment, vehicle, plates.get(vehicle.track, ()), seen
            )
            if subject.event_id not in seen:  # two tracks of one vehicle count once
                seen.add(subject.event_id)
                sighting = self._see_vehicle(moment, subject, vehicle, plates.get(vehicle.track, ()))
                sightings[subject.event_id] = sighting
        for plate in lone:
            if plate.track is not None:
                self._see_lone(moment, plate, plate.track, seen, sightings)
        self._note_neighbours(s.subject for s in sightings.values())
        self._lone_since = {t: m for t, m in self._lone_since.items() if moment.at - m.at < _FORGET_LONE_S}
        self._last = moment
        return list(sightings.values())

    def still(self, moment: Moment) -> None:
        """Takes a frame in which nothing moved since the one observed last: what was there is there still."""
        if self._last is None:
            return
        for subject in self._passes:
            if subject.last.sequence == self._last.sequence:
                subject.last = moment
        self._last = moment

    def add_read(self, subject: Pass, read: Read, model: ModelInfo | None = None) -> None:
        """Adds a read to a pass, and splits or merges passes if that is what the texts say."""
        while subject.merged_into is not None:
            subject = subject.merged_into
        subject.add_read(read, model)
        if not self._split(subject):
            self._merge(subject)

    def due(self, at: float) -> list[Closing]:
        """Closes what has not been seen for long enough, or has stood long enough."""
        for subject in list(self._passes):
            parked = subject.place(self._tuning) is not None
            limit = self._tuning.parked_close_after_s if parked else self._tuning.close_after_s
            if at - subject.last.at > limit:
                self._retire(subject, Ending.GONE)
            elif not subject.settled and parked and at - subject.stillness.since >= self._tuning.settle_s:
                subject.settled = True
                self._ended.append(Closing(subject, Ending.SETTLED))
        return self._take_ended()

    def close_all(self, ending: Ending) -> list[Closing]:
        """Closes every pass: the stream has ended or was lost, or the process shuts down."""
        for subject in list(self._passes):
            self._retire(subject, ending)
        self._lone_since.clear()
        return self._take_ended()

    # -- opening and finding again

    def _home(
        self, moment: Moment, vehicle: TrackedVehicle, plates: Iterable[TrackedPlate], seen: set[str]
    ) -> Pass:
        subject = (
            self._by_its_plate(vehicle.detection.box, plates)
            or self._by_its_place(moment, vehicle.detection.box, seen)
            or self._open(moment, vehicle.detection.box)
        )
        subject.vehicle_tracks.add(vehicle.track)
        self._by_vehicle[vehicle.track] = subject
        return subject

    def _by_its_plate(self, box: Box, plates: Iterable[TrackedPlate]) -> Pass | None:
        for plate in plates:
            subject = self._by_plate.get(plate.track) if plate.track is not None else None
            if subject is not None and (subject.lone_plate or box.iou(subject.box) >= _PARTLY):
                return subject
        return None

    def _by_its_place(self, moment: Moment, box: Box, seen: set[str]) -> Pass | None:
        best: tuple[float, Pass] | None = None
        for subject in self._passes:
            if subject.event_id in seen or subject.last.sequence == moment.sequence:
                continue
            place = subject.place(self._tuning)
            overlap = box.iou(place or subject.box)
            lost_now = moment.at - subject.last.at <= _SWITCH_S
            near = overlap >= self._tuning.place_overlap and (place is not None or lost_now)
            if near and (best is None or (subject.last.sequence, overlap) > (best[1].last.sequence, best[0])):
                best = overlap, subject
        if best is None:
            return None
        best[1].reading.to_verify = _VERIFY_READS
        return best[1]

    def _open(self, moment: Moment, box: Box) -> Pass:
        subject = Pass(
            event_id=self._new_id(),
            camera_id=self._camera_id,
            clock=self._clock,
            first=moment,
            last=moment,
            box=box,
            stillness=Stillness(box, moment.at),
        )
        self._passes.append(subject)
        self.opened += 1
        self._on_open(subject)
        return subject

    # -- gathering

    def _is_fixture(self, plate: TrackedPlate, vehicle: int, moment: Moment) -> bool:
        """Whether the plate stood there before the vehicle came by: a sign, or lettering in the picture."""
        owner = self._by_plate.get(plate.track) if plate.track is not None else None
        if owner is None or not owner.lone_plate or not owner.standing(moment.at, self._tuning):
            return False
        passing = self._by_vehicle.get(vehicle)
        return passing is None or not passing.standing(moment.at, self._tuning)

    def _see_vehicle(
        self, moment: Moment, subject: Pass, vehicle: TrackedVehicle, plates: Iterable[TrackedPlate]
    ) -> Sighting:
        detection = vehicle.detection
        subject.see(moment, detection.box, self._tuning)
        if detection.object_class not in (ObjectClass.UNKNOWN, ObjectClass.PLATE):
            subject.classes[detection.object_class] += 1
        best: TrackedPlate | None = None
        for plate in plates:
            self._bind_plate(subject, plate)
            if best is None or _prominence(plate.detection) > _prominence(best.detection):
                best = plate
        if best is not None:
            subject.see_plate(best.detection, best.track)
        return Sighting(subject, best.detection if best is not None else None, detection.box)

    def _bind_plate(self, subject: Pass, plate: TrackedPlate) -> None:
        if plate.track is None:
            return
        self._lone_since.pop(plate.track, None)
        owner = self._by_plate.get(plate.track)
        self._by_plate[plate.track] = subject
        if owner is not None and owner is not subject and owner.lone_plate and not owner.settled:
            self._absorb(subject, owner)

    def _see_lone(
        self, moment: Moment, plate: TrackedPlate, track: int, seen: set[str], sightings: dict[str, Sighting]
    ) -> None:
        subject = self._by_plate.get(track)
        if subject is None:
            since = self._lone_since.setdefault(track, moment)
            if not moment.single and moment.at - since.at < self._tuning.lone_plate_s:
                return
            del self._lone_since[track]
            subject = self._by_its_place(moment, plate.detection.box, seen) or self._open(
                since, plate.detection.box
            )
            self._by_plate[track] = subject
        if subject.event_id in seen and not subject.lone_plate:
            if sightings[subject.event_id].plate is None:  # the plate sticks out of its vehicle's box
                subject.see_plate(plate.detection, track)
                sightings[subject.event_id] = Sighting(
                    subject, plate.detection, sightings[subject.event_id].vehicle_box
                )
            return
        seen.add(subject.event_id)
        if subject.lone_plate:
            subject.see(moment, plate.detection.box, self._tuning)
        else:  # its vehicle is hidden or has left the picture; the plate keeps the pass alive
            subject.last = moment
        subject.see_plate(plate.detection, track)
        sightings[subject.event_id] = Sighting(subject, plate.detection, None)

    def _note_neighbours(self, subjects: Iterable[Pass]) -> None:
        together = list(subjects)
        for i, one in enumerate(together):
            for other in together[i + 1 :]:
                if not _one_vehicle(one.box, other.box):
                    self._side_by_side.add(frozenset((one.event_id, other.event_id)))

    # -- texts

    def _split(self, subject: Pass) -> bool:
        """One track, two vehicles: the reads before and after a moment are of two plates."""
        parts = two_vehicles(subject, self._judge)
        if parts is None:
            return False
        before, after = parts
        cut = after[0].moment
        # the track may have jumped to a vehicle that has a pass, but not to one that was seen elsewhere since
        known = [
            p for p in self._passes if p.last.sequence < cut.sequence or _one_vehicle(p.box, subject.box)
        ]
        heir = self._with_text(decided(after, self._judge), subject, known) or self._open(cut, subject.box)
        hand_over(subject, heir, before, after, self._tuning)
        # `subject` closes in its own time: a parked car may be hidden by the vehicle its track has jumped to
        self._rebind(subject, heir)
        return True

    def _merge(self, subject: Pass) -> None:
        """Two passes, one vehicle: the same decided text, never seen side by side."""
        text = decided_text(subject, self._judge)
        if not text or subject.last.single:
            return
        apart = [p for p in self._passes if frozenset((subject.event_id, p.event_id)) in self._side_by_side]
        other = self._with_text(text, subject, [p for p in self._passes if p not in apart])
        if other is not None:
            self._absorb(*self._elder(subject, other))

    def _with_text(self, text: str, subject: Pass, among: Iterable[Pass]) -> Pass | None:
        """The first of these passes, other than `subject`, that is decided on this text."""
        return next((p for p in among if p is not subject and same(text, decided_text(p, self._judge))), None)

    @staticmethod
    def _elder(one: Pass, other: Pass) -> tuple[Pass, Pass]:
        # A pass that already has its event cannot become the duplicate of one that has not.
        if one.settled != other.settled:
            return (one, other) if one.settled else (other, one)
        return (one, other) if one.first.sequence <= other.first.sequence else (other, one)

    def _absorb(self, into: Pass, other: Pass) -> None:
        """`other` was a second view of `into`, and ends as a duplicate."""
        take_in(into, other)
        self._rebind(other, into)
        self._retire(other, Ending.DUPLICATE)

    # -- closing

    def _rebind(self, old: Pass, new: Pass) -> None:
        for tracks in (self._by_vehicle, self._by_plate):
            for track, subject in tracks.items():
                if subject is old:
                    tracks[track] = new

    def _retire(self, subject: Pass, ending: Ending) -> None:
        """Forgets a pass, and gives it its event unless it already has one."""
        if ending is not Ending.DUPLICATE and not subject.last.single:
            give_stray_reads(subject, self._passes, self._judge)
        self._passes.remove(subject)
        self._by_vehicle = {t: p for t, p in self._by_vehicle.items() if p is not subject}
        self._by_plate = {t: p for t, p in self._by_plate.items() if p is not subject}
        self._side_by_side = {pair for pair in self._side_by_side if subject.event_id not in pair}
        if not subject.settled:
            self._ended.append(Closing(subject, ending))

    def _take_ended(self) -> list[Closing]:
        ended, self._ended = self._ended, []
        return ended


def _prominence(plate: Detection) -> float:
    return plate.score * plate.box.width


def _one_vehicle(one: Box, other: Box) -> bool:
    smaller = min(one.area, other.area)
    return smaller > 0 and one.intersection(other) / smaller >= _ONE_VEHICLE
