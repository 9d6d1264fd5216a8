"""In-memory neighbours of the pilot: a detector and a reader that know the truth, and a spool in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from edge_world import Car, plate_of, read_of, vehicle

from edge.capture.port import Picture
from edge.frame import Frame, Pixels
from edge.ports import Detected, Reads
from mesh.errors import MeshError
from ovr.alpr.v1 import ingest_pb2
from plates.event import Detection, ModelInfo, PlateRead
from wire.event import event_from_wire

DETECTOR = ModelInfo("detector", "1", "d" * 64, "test")
READER = ModelInfo("reader", "1", "e" * 64, "test")
WIDTH, HEIGHT = 640, 360


def shade(index: int) -> int:
    """The grey value of the car with this index."""
    return 120 + 25 * index


@dataclass
class Truth:
    """A road with cars, painted, detected and read without fault, except for what `failures` says.

    `failures` are raised by the detector (or the reader), one a call, before it answers again.
    """

    cars: Sequence[Car]
    failures: list[MeshError] = field(default_factory=list)
    read_failures: list[MeshError] = field(default_factory=list)
    searched: list[int] = field(default_factory=list)
    reads: int = 0
    confidence: float = 0.95
    _progress: asyncio.Event = field(default_factory=asyncio.Event)

    def frames(self, length: int) -> list[Picture]:
        """The pictures of a recording at 10 frames a second."""
        return [Picture(self.paint(i), i / 10) for i in range(length)]

    def paint(self, index: int) -> Pixels:
        """The picture of one frame: a box of its own grey for each car."""
        pixels = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
        for n, car in enumerate(self.cars):
            box = car.box(index)
            if box is not None and index not in car.hidden:
                left, top = max(0, int(box.x)), max(0, int(box.y))
                pixels[top : int(box.y + box.height), left : int(box.x + box.width)] = shade(n)
        return pixels

    async def detect(self, frame: Frame) -> Detected:
        """What is in the frame."""
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.searched.append(frame.sequence)
        self._progress.set()
        found: list[Detection] = []
        for car in self.cars:
            box = car.box(frame.sequence)
            if box is not None and frame.sequence not in car.hidden:
                found.append(vehicle(box))
                found += [plate_of(box)] if car.shows_plate else []
        return Detected(tuple(found), DETECTOR)

    async def reached(self, sequence: int) -> None:
        """Until a frame this late was searched."""
        while not self.searched or self.searched[-1] < sequence:
            self._progress.clear()
            await self._progress.wait()

    async def read(self, frame: Frame, crops: Sequence[Pixels], expected_regions: Sequence[str]) -> Reads:
        """The text of the car of that grey."""
        await asyncio.sleep(0)
        if self.read_failures:
            raise self.read_failures.pop(0)
        self.reads += len(crops)
        return Reads(tuple(self._read(crop) for crop in crops), READER)

    def _read(self, crop: Pixels) -> PlateRead:
        index = round((float(np.median(crop)) - 120) / 25)
        known = 0 <= index < len(self.cars)
        return read_of(self.cars[index].text, self.confidence) if known else PlateRead("", 0.0, ())


@dataclass(frozen=True)
class Record:
    """A spooled event."""

    sequence: int
    payload: bytes


@dataclass
class MemorySpool:
    """The spool's interface over a list; `full` is raised by append."""

    records: list[Record] = field(default_factory=list)
    acknowledged: int = 0
    full: OSError | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def append(self, payload: bytes) -> int:
        """Keeps a payload."""
        if self.full is not None:
            raise self.full
        self.records.append(Record(len(self.records) + 1, payload))
        self._news.set()
        return len(self.records)

    async def read(self, after: int, limit: int) -> list[Record]:
        """The records above `after`."""
        return [r for r in self.records if r.sequence > after][:limit]

    async def wait(self, after: int) -> None:
        """Until there is one above `after`."""
        while not (self.records and self.records[-1].sequence > after):
            self._news.clear()
            await self._news.wait()

    async def acknowledge(self, sequence: int) -> None:
        """Those up to this one are done."""
        assert sequence > self.acknowledged
        self.acknowledged = sequence

    @property
    def messages(self) -> list[ingest_pb2.PublishEvent]:
        """What was spooled."""
        return [ingest_pb2.PublishEvent.FromString(r.payload) for r in self.records]

    @property
    def events(self) -> list[object]:
        """The events spooled."""
        return [event_from_wire(m.event) for m in self.messages]
