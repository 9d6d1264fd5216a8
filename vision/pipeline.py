"""A whole picture in, its plates out: detect, cut, read, decide. In one process, without any service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from plates.event import Box, Detection, ModelInfo, ObjectClass, Plate, PlateRead
from plates.fusion import FusionSettings, WeightedRead, fuse
from vision.crops import MARGIN, crop_plate
from vision.models import ModelChoice, open_detector, open_reader
from vision.port import DetectorEngine, Image, ReaderEngine
from vision.views import View, quarter_turns, tiles

FILLS = 0.4
"""A plate that takes this share of a small picture is what the picture is of."""
SHARED = 0.5
"""Two reads are of one plate if they share more than this of the smaller box."""


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """How pictures are read.

    `margins`: a plate is read once for each, cut with that share of its shorter side more on every side, and
    the reads are fused. `tall`: boxes higher than this many widths are read in both quarter turns.

    Where no read is at least `sure`, the picture is looked at again: in tiles if its long side is
    `tiled_from` pixels or more, then turned by a quarter either way. A picture whose sides are at most
    `plate_sides` (width, height) may itself be of one plate and is read as such, too.

    `min_confidence`: reads below it are not reported. `expected_regions`: likely first, ISO 3166-1 alpha-2 in
    lower case.
    """

    margins: tuple[float, ...] = (MARGIN,)
    tall: float = 1.25
    sure: float = 0.5
    tiled_from: int = 900
    turns: bool = True
    plate_sides: tuple[int, int] = (420, 260)
    min_confidence: float = 0.0
    expected_regions: tuple[str, ...] = ()
    fusion: FusionSettings = field(default_factory=FusionSettings)


@dataclass(frozen=True, slots=True)
class PictureRead:
    """One plate of a picture: what it says, where it is (pixels of the picture), and the detector's score."""

    plate: Plate
    box: Box
    score: float
    read: PlateRead


class PictureReader:
    """Finds and reads every plate of a picture. Blocking; may be called from any thread its engines allow."""

    def __init__(
        self, detector: DetectorEngine, reader: ReaderEngine, settings: PipelineSettings | None = None
    ) -> None:
        self.detector = detector
        self.reader = reader
        self.settings = settings or PipelineSettings()

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models that answer, for provenance."""
        return (self.detector.model, self.reader.model)

    def read(self, image: Image) -> tuple[PictureRead, ...]:
        """The picture's plates, surest first; none of them lies within another."""
        height, width = image.shape[:2]
        settings = self.settings
        reads = list(self._look([View(image, lambda box: box)]))
        if width <= settings.plate_sides[0] and height <= settings.plate_sides[1] and width > height:
            within = [read for read in reads if read.box.area < FILLS * width * height]
            reads = [*within, *(replace(read, score=0.0) for read in self.read_crop(image))]
        if not self._is_sure(reads) and max(height, width) >= settings.tiled_from:
            reads += self._look(tiles(image))
        if not self._is_sure(reads) and settings.turns:
            reads += [read for read in self._look(quarter_turns(image)) if self._is_sure([read])]
        return tuple(apart(reads))

    def _is_sure(self, reads: Sequence[PictureRead]) -> bool:
        return any(read.plate.confidence >= self.settings.sure for read in reads)

    def _look(self, views: Sequence[View]) -> Iterator[PictureRead]:
        """The plates of some views of a picture, their boxes in pixels of the picture itself."""
        for view, found in zip(views, self.detector.detect([view.image for view in views]), strict=True):
            plates = [detection for detection in found if detection.object_class is ObjectClass.PLATE]
            for read in self.read_plates(view.image, plates):
                yield replace(read, box=view.place(read.box))

    def read_crop(self, image: Image) -> tuple[PictureRead, ...]:
        """What a picture of one plate alone says, without looking for the plate."""
        height, width = image.shape[:2]
        whole = Detection(ObjectClass.PLATE, Box(0.0, 0.0, float(width), float(height)), 1.0)
        return self.read_plates(image, [whole])

    def read_plates(self, image: Image, plates: Sequence[Detection]) -> tuple[PictureRead, ...]:
        """What the detected plates say, surest first; those below `min_confidence` are left out."""
        views = [self._views(image, plate) for plate in plates]
        reads = iter(self.reader.read([crop for turns in views for turn in turns for crop in turn]))
        results = [
            self._decide(plate, [[next(reads) for _ in turn] for turn in turns])
            for plate, turns in zip(plates, views, strict=True)
        ]
        kept = [result for result in results if result.plate.confidence >= self.settings.min_confidence]
        return tuple(sorted(kept, key=lambda result: -result.plate.confidence))

    def _views(self, image: Image, plate: Detection) -> list[list[Image]]:
        """For each way the plate may be turned, its crops."""
        crops = [crop_plate(image, plate, margin) for margin in self.settings.margins]
        if plate.corners or plate.box.height <= self.settings.tall * plate.box.width:
            return [crops]
        turns = (cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE)
        return [[np.asarray(cv2.rotate(crop, turn), np.uint8) for crop in crops] for turn in turns]

    def _decide(self, detection: Detection, turns: Sequence[Sequence[PlateRead]]) -> PictureRead:
        decided = [(self._fuse(reads), max(reads, key=lambda read: read.confidence)) for reads in turns]
        plate, read = max(decided, key=lambda pair: pair[0].confidence)
        return PictureRead(plate, detection.box, detection.score, read)

    def _fuse(self, reads: Sequence[PlateRead]) -> Plate:
        return fuse(
            [WeightedRead(read, 1.0) for read in reads],
            expected_regions=self.settings.expected_regions,
            settings=self.settings.fusion,
        ).plate


def apart(reads: Sequence[PictureRead]) -> list[PictureRead]:
    """The reads surest first, without those whose box lies largely over that of a surer one."""
    kept: list[PictureRead] = []
    for read in sorted(reads, key=lambda read: -read.plate.confidence):
        smaller = [min(read.box.area, other.box.area) for other in kept]
        shared = [read.box.intersection(other.box) for other in kept]
        if all(common <= SHARED * area for common, area in zip(shared, smaller, strict=True)):
            kept.append(read)
    return kept


def open_picture_reader(
    detector: ModelChoice | None = None,
    reader: ModelChoice | None = None,
    settings: PipelineSettings | None = None,
) -> PictureReader:
    """A picture reader with the chosen models, by default the best that are installed."""
    return PictureReader(open_detector(detector), open_reader(reader), settings)
