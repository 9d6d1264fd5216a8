"""One camera's way from frame to event: gate, search, follow, read, close. Lanes share only their clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uuid6
from opentelemetry.trace import Span

from edge.cameras import Camera, in_zone
from edge.capture.camera import CameraCapture, Drop, State
from edge.closing import Closer
from edge.frame import Frame, Pixels
from edge.meters import CameraMeter, Stages
from edge.motion import MotionGate
from edge.passes.book import Closing, PassBook, Sighting
from edge.passes.moment import Moment
from edge.passes.record import Ending, Pass, Read
from edge.passes.selection import note_taken, quality, readable, worth_reading
from edge.passes.verdict import Judge
from edge.passes.views import PLATE, READ, VEHICLE, Rank, Shot
from edge.ports import Detected, DetectorClient, ReaderClient, Reads
from edge.tracking.tracker import Tracker
from edge.tuning import Tuning
from mesh import names
from mesh.errors import Kind, MeshError
from mesh.logs import logger
from mesh.telemetry import Telemetry, inject
from plates.event import Detection
from vision.crops import crop_plate, sharpness

# How long capture may stay silent before the lane looks after its passes.
_PATIENCE_S = 0.5
# A live camera that has sent nothing for this long has lost the vehicles it was following.
_LOST_S = 10.0
# A recording waits this long for a detector that is away or busy; then its frame is dropped.
_WAIT_FOR_DETECTOR_S = 60.0
# Of the frames of a pass, the first and every one after so many is traced.
_TRACE_EVERY = 30


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The services a lane asks."""

    detector: DetectorClient
    reader: ReaderClient


@dataclass(frozen=True, slots=True)
class Crop:
    """A plate cut out of a frame, and what it promises."""

    pixels: Pixels
    sharpness: float
    quality: float


class Lane:
    """One camera. `run` until its frames end; `ending` says how passes that are open then shall end."""

    def __init__(
        self,
        camera: Camera,
        capture: CameraCapture,
        neighbours: Neighbours,
        closer: Closer,
        tuning: Tuning,
        judge: Judge,
        telemetry: Telemetry,
        stages: Stages,
        meter: CameraMeter,
    ) -> None:
        self.camera, self.capture, self.meter = camera, capture, meter
        self._neighbours, self._closer, self._tuning, self._judge = neighbours, closer, tuning, judge
        self._telemetry, self._stages = telemetry, stages
        self._gate = MotionGate(tuning.motion)
        self._tracker = Tracker(tuning)
        self._spans: dict[str, Span] = {}
        self._log = logger("edge.lane").bind(camera=camera.id)
        self._stopping = asyncio.Event()
        self._book = PassBook(
            camera.id, capture.clock, tuning.passes, judge, lambda: str(uuid6.uuid7()), self._opened
        )

    async def run(self) -> None:
        """Works on frames until there are none left; then every pass is closed."""
        while not self.capture.ended:
            frame = await self.capture.take(_PATIENCE_S)
            self.meter.follow(self.capture.count)
            if frame is not None:
                await self._work(frame)
            else:
                await self._look_after_passes()
        await self._close(self._book.close_all(self._last_ending()))
        self.meter.follow(self.capture.count)

    async def stop(self) -> None:
        """Ends `run` soon; passes that are open then end by the shutdown."""
        self._stopping.set()
        await self.capture.stop()

    def _last_ending(self) -> Ending:
        if self._stopping.is_set():
            return Ending.SHUTDOWN
        failed = self.capture.state()[0] is State.FAILED
        return Ending.STREAM_LOST if failed else Ending.GONE

    async def _look_after_passes(self) -> None:
        """No frame came: passes of a stream that is gone must not stay open for ever."""
        if self.capture.lost_for() >= _LOST_S:
            await self._close(self._book.close_all(Ending.STREAM_LOST))

    # -- a frame

    async def _work(self, frame: Frame) -> None:
        moment = Moment(frame.sequence, frame.captured_at, frame.single)
        with self._stages.timed("gate"):
            search = frame.single or self._gate.opens(frame.pixels, frame.at)
        if not search:
            self.meter.frame_still()
            self._book.still(moment)
        else:
            found = await self._detect(frame)
            if found is None:
                return
            await self._follow(frame, moment, found)
        await self._close(self._book.close_all(Ending.GONE) if frame.single else self._book.due(frame.at))

    async def _follow(self, frame: Frame, moment: Moment, found: Detected) -> None:
        self.meter.frame_searched()
        with self._stages.timed("track"):
            here = in_zone(found.detections, self.camera.zone, frame.width, frame.height)
            tracked = self._tracker.single(here) if frame.single else self._tracker.update(here, frame.at)
            sightings = self._book.observe(moment, tracked)
        for sighting in sightings:
            if found.model is not None:
                sighting.subject.note_model(found.model)
        await self._read(frame, moment, sightings)

    async def _detect(self, frame: Frame) -> Detected | None:
        """The answer, or None when the frame had to be dropped."""
        give_up = asyncio.get_running_loop().time() + _WAIT_FOR_DETECTOR_S
        while True:
            try:
                with self._traced(frame), self._stages.timed("detect"):
                    return await self._neighbours.detector.detect(frame)
            except MeshError as error:
                patient = error.kind in (Kind.EXHAUSTED, Kind.UNAVAILABLE, Kind.DEADLINE)
                late = asyncio.get_running_loop().time() >= give_up
                if self.capture.newest_wins or not patient or late or self._stopping.is_set():
                    refused = error.kind is Kind.EXHAUSTED
                    self.capture.count.dropped[Drop.DETECT_REFUSED if refused else Drop.DETECT_FAILED] += 1
                    self._log.warning("frame dropped", sequence=frame.sequence, why=str(error))
                    return None
                await self._pause(error.retry_after or 0.2)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except asyncio.TimeoutError:
            return

    @contextmanager
    def _traced(self, frame: Frame) -> Iterator[None]:
        """The search as a child of a pass's trace, for a sample of its frames; else by itself."""
        due = [
            p
            for p in self._book.open
            if p.frames_seen <= 1 or (frame.sequence - p.first.sequence) % _TRACE_EVERY == 0
        ]
        if not due:
            yield
            return
        parents = [inject(self._spans[p.event_id]) for p in due if p.event_id in self._spans]
        attributes: dict[str, str | int] = {
            names.ATTR_CAMERA: self.camera.id,
            names.ATTR_FRAME_SEQUENCE: frame.sequence,
        }
        with self._telemetry.span(
            names.SPAN_DETECT, parent=parents[0], links=parents[1:], attributes=attributes
        ):
            yield

    # -- reading

    async def _read(self, frame: Frame, moment: Moment, sightings: Sequence[Sighting]) -> None:
        wanted: list[tuple[Sighting, Detection, Crop]] = []
        for sighting in sightings:
            if sighting.plate is None:
                self._offer(frame, sighting, None, Rank(VEHICLE, sighting.subject.box.area), "")
                continue
            crop = self._cut(frame, sighting.plate)
            if self._wants(sighting.subject, sighting.plate, crop, frame):
                note_taken(sighting.subject, crop.quality, frame.at, self._judge, self._tuning.reading)
                wanted.append((sighting, sighting.plate, crop))
            else:
                self._offer(frame, sighting, crop, Rank(PLATE, crop.quality), "")
        answers = await asyncio.gather(*(self._ask(frame, s.subject, crop) for s, _, crop in wanted))
        for (sighting, plate, crop), answer in zip(wanted, answers, strict=True):
            if answer is not None and answer.reads:
                self._note(frame, moment, sighting, plate, crop, answer)

    def _note(
        self, frame: Frame, moment: Moment, sighting: Sighting, plate: Detection, crop: Crop, answer: Reads
    ) -> None:
        read = answer.reads[0]
        self._offer(frame, sighting, crop, Rank(READ, read.confidence * read.legibility), read.text)
        weight = max(0.01, crop.quality)
        self._book.add_read(
            sighting.subject, Read(moment, plate.box, read, crop.sharpness, weight), answer.model
        )

    def _cut(self, frame: Frame, plate: Detection) -> Crop:
        with self._stages.timed("crop"):
            pixels = crop_plate(frame.pixels, plate)
            sharp = sharpness(pixels)
            return Crop(pixels, sharp, quality(plate, sharp, frame.width, frame.height))

    def _wants(self, subject: Pass, plate: Detection, crop: Crop, frame: Frame) -> bool:
        reading = self._tuning.reading
        if not readable(plate, reading, self.min_plate_width_px):
            return False
        return worth_reading(subject, crop.quality, frame.at, self._judge, reading, self._tuning.passes)

    @property
    def min_plate_width_px(self) -> float:
        """Narrower plates are not read."""
        return self.camera.min_plate_width_px or self._tuning.reading.min_plate_width_px

    async def _ask(self, frame: Frame, subject: Pass, crop: Crop) -> Reads | None:
        span = self._spans.get(subject.event_id)
        parent = inject(span) if span is not None else None
        try:
            with (
                self._telemetry.span(names.SPAN_READ, parent=parent, attributes={names.ATTR_CROPS: 1}),
                self._stages.timed("read"),
            ):
                reads = await self._neighbours.reader.read(frame, [crop.pixels], self.camera.regions)
        except MeshError as error:
            if error.kind is Kind.EXHAUSTED:
                subject.reading.refused += 1
            else:
                subject.reading.failed += 1
            self._log.warning("crop not read", sequence=frame.sequence, why=str(error))
            return None
        self.meter.crops(1)
        return reads

    def _offer(self, frame: Frame, sighting: Sighting, crop: Crop | None, rank: Rank, text: str) -> None:
        shot = Shot(
            plate=crop.pixels if crop is not None else None,
            vehicle_box=sighting.vehicle_box,
            with_scene=self.camera.scene_evidence,
            tuning=self._tuning.evidence,
        )
        sighting.subject.views.offer(text, rank, frame, shot)

    # -- opening and closing

    def _opened(self, subject: Pass) -> None:
        self.meter.pass_opened()
        attributes = {names.ATTR_CAMERA: self.camera.id, names.ATTR_EVENT_ID: subject.event_id}
        self._spans[subject.event_id] = self._telemetry.start(names.SPAN_PASS, attributes=attributes)

    async def _close(self, closings: Sequence[Closing]) -> None:
        for closing in closings:
            await self._closer.close(closing, self._spans.pop(closing.subject.event_id))
