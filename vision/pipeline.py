"""A whole picture in, its plates out: detect, cut, read, decide. In one process, without any service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from plates.event import Box, Detection, ModelInfo, ObjectClass, Plate, PlateRead
from plates.formats import match
from plates.fusion import FusionSettings, WeightedRead, fuse
from vision.crops import crop_plate
from vision.models import ModelChoice, open_detector, open_reader
from vision.port import DetectorEngine, Image, ReaderEngine
from vision.views import View, enlarged, quarter_turns, tiles

EDGE = 1.5
"""A box this near to the picture's edge, pixels, is cut off by it, or is a caption."""
CHOSEN_BELOW = 0.2
"""Formats that score less say little of a text: almost any has the form of a chosen one."""
SHORT = 4
"""Characters of the numbers of houses and buses, which are as legible as plates."""
FILLS = 0.4
"""A plate that takes this share of a small picture is what the picture is of, and carries no other plate."""
WHOLE = 0.25
"""A read of the whole plate may be this much less sure than one of a part, and is still preferred."""
SHARED = 0.5
"""Two reads are of one plate if they share more than this of the smaller box."""


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """How pictures are read.

    `margins`: a plate is read for each in turn, cut with that share of its sides more on every side, until
    it is read with at least the confidence `enough`; the reads are fused. `tall`: boxes higher than this many
    widths are read in both quarter turns.

    A picture whose long side is `tiled_from` pixels or more is looked at again in tiles where no read is at
    least `sure`; a smaller one is, enlarged to that side, where no crop is read at least that `legible`. Any
    is looked at turned by a quarter either way where still no crop is. A picture whose sides are at most
    `plate_sides` (width, height) may itself be of one plate and is read as such, too, instead of enlarged.

    A plate's confidence is at most `benefit` above its best crop's legibility, or `known_benefit` if its text
    has the form of a known plate. It is lowered where the detector's score is below `plain_score`, where the
    box touches the picture's edge (to the share `cut_off`: half a plate, or a camera's caption), or where the
    text has the form of no known plate (`formless`) or only that of a chosen text (`chosen`): it may be
    lettering, unless it is of more than SHORT characters and its legibility is at least `plain_legibility`.

    `min_confidence`: reads below it are not reported. `expected_regions`: likely first, ISO 3166-1 alpha-2 in
    lower case.
    """

    margins: tuple[float, ...] = (0.02, 0.1)
    enough: float = 0.9
    tall: float = 1.25
    sure: float = 0.5
    tiled_from: int = 1300
    turns: bool = True
    legible: float = 0.3
    plate_sides: tuple[int, int] = (420, 260)
    benefit: float = 0.2
    known_benefit: float = 0.35
    plain_score: float = 0.5
    cut_off: float = 0.5
    formless: float = 0.4
    chosen: float = 0.7
    plain_legibility: float = 0.75
    min_confidence: float = 0.4
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
        return self._reported(apart(self._found(image)))

    def read_crop(self, image: Image) -> tuple[PictureRead, ...]:
        """What a picture of one plate alone says, without looking for the plate."""
        return self._reported(self._read_alone(image))

    def _reported(self, reads: Sequence[PictureRead]) -> tuple[PictureRead, ...]:
        return tuple(read for read in reads if read.plate.confidence >= self.settings.min_confidence)

    def _found(self, image: Image) -> list[PictureRead]:
        """All that is read in the picture, of a plate perhaps several times."""
        height, width = image.shape[:2]
        settings = self.settings
        most_wide, most_high = settings.plate_sides
        small = width <= most_wide and height <= min(most_high, settings.tall * width)
        alone = [replace(read, score=0.0) for read in self._read_alone(image)] if small else []
        if any(read.plate.confidence >= settings.enough for read in alone):
            return alone
        reads = list(self._look([View(image, lambda box: box)]))
        if small:
            filling = [read for read in reads if read.box.area >= FILLS * width * height]
            beside = [r for r in reads if not any(_same_plate(r.box, plate.box) for plate in filling)]
            reads = [*beside, *alone]
        large = max(height, width) >= settings.tiled_from
        if large and not self._is_sure(reads):
            reads += self._look(tiles(image))
        if not large and not small and not self._is_legible(reads):
            reads += self._look([enlarged(image, settings.tiled_from)])
        if settings.turns and not self._is_legible(reads):
            reads += [read for read in self._look(quarter_turns(image)) if self._is_sure([read])]
        return reads

    def _is_sure(self, reads: Sequence[PictureRead]) -> bool:
        return any(read.plate.confidence >= self.settings.sure for read in reads)

    def _is_legible(self, reads: Sequence[PictureRead]) -> bool:
        return any(read.read.confidence >= self.settings.legible for read in reads)

    def _look(self, views: Sequence[View]) -> Iterator[PictureRead]:
        """The plates of some views of a picture, their boxes in pixels of the picture itself."""
        for view, found in zip(views, self.detector.detect([view.image for view in views]), strict=True):
            plates = [detection for detection in found if detection.object_class is ObjectClass.PLATE]
            for read in self._read(view.image, plates, self.settings.margins):
                share = self.settings.cut_off if _touches_edge(read.box, view.image) else 1.0
                plate = replace(read.plate, confidence=share * read.plate.confidence)
                yield replace(read, plate=plate, box=view.place(read.box))

    def _read_alone(self, image: Image) -> list[PictureRead]:
        height, width = image.shape[:2]
        whole = Detection(ObjectClass.PLATE, Box(0.0, 0.0, float(width), float(height)), 1.0)
        return self._read(image, [whole], (0.0,))

    def _read(self, image: Image, plates: Sequence[Detection], margins: Sequence[float]) -> list[PictureRead]:
        """What the detected plates say, surest first."""
        reads: list[list[list[PlateRead]]] = [[] for _ in plates]  # by plate, margin and turn
        results: dict[int, PictureRead] = {}
        unsure = list(range(len(plates)))
        for margin in margins:
            views = [self._turns(image, plates[index], margin) for index in unsure]
            answers = iter(self.reader.read([crop for turns in views for crop in turns]))
            for index, turns in zip(unsure, views, strict=True):
                reads[index].append([next(answers) for _ in turns])
                results[index] = self._decide(plates[index], list(zip(*reads[index], strict=True)))
            unsure = [index for index in unsure if results[index].plate.confidence < self.settings.enough]
        return sorted(results.values(), key=lambda result: -result.plate.confidence)

    def _turns(self, image: Image, plate: Detection, margin: float) -> list[Image]:
        """The plate's crop, for each way it may be turned."""
        crop = crop_plate(image, plate, margin)
        if plate.corners or plate.box.height <= self.settings.tall * plate.box.width:
            return [crop]
        turns = (cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE)
        return [np.asarray(cv2.rotate(crop, turn), np.uint8) for turn in turns]

    def _decide(self, detection: Detection, turns: Sequence[Sequence[PlateRead]]) -> PictureRead:
        decided = [
            (
                self._doubted(self._fuse(reads), detection.score, max(read.legibility for read in reads)),
                max(reads, key=lambda read: read.confidence),
            )
            for reads in turns
        ]
        plate, read = max(decided, key=lambda pair: pair[0].confidence)
        return PictureRead(plate, detection.box, detection.score, read)

    def _doubted(self, plate: Plate, score: float, legibility: float) -> Plate:
        settings = self.settings
        form = max((found.score for found in match(plate.text)), default=0.0)
        known = form >= CHOSEN_BELOW
        share = settings.chosen if form > 0 else settings.formless
        if known or (legibility >= settings.plain_legibility and len(plate.text) > SHORT):
            share = 1.0
        believed = share * plate.confidence * min(1.0, score / settings.plain_score)
        most = legibility + (settings.known_benefit if known else settings.benefit)
        return replace(plate, confidence=min(believed, most))

    def _fuse(self, reads: Sequence[PlateRead]) -> Plate:
        return fuse(
            [WeightedRead(read, 1.0) for read in reads],
            expected_regions=self.settings.expected_regions,
            settings=self.settings.fusion,
        ).plate


def apart(reads: Sequence[PictureRead]) -> list[PictureRead]:
    """The reads surest first, of those that are of one plate only the best.

    That is the surest, unless another, sure enough, has more of the same text: a box round half a plate is
    read surely, too.
    """
    kept: list[PictureRead] = []
    for read in sorted(reads, key=lambda read: -read.plate.confidence):
        rival = next((other for other in kept if _same_plate(read.box, other.box)), None)
        if rival is None:
            kept.append(read)
        elif rival.plate.text in read.plate.text and _is_whole(read, rival):
            kept[kept.index(rival)] = read
    return sorted(kept, key=lambda read: -read.plate.confidence)


def _touches_edge(box: Box, image: Image) -> bool:
    height, width = image.shape[:2]
    right, bottom = box.x + box.width, box.y + box.height
    return min(box.x, box.y) < EDGE or right > width - EDGE or bottom > height - EDGE


def _same_plate(box: Box, other: Box) -> bool:
    return box.intersection(other) > SHARED * min(box.area, other.area)


def _is_whole(read: PictureRead, part: PictureRead) -> bool:
    longer = len(read.plate.text) > len(part.plate.text) and read.box.area > part.box.area
    return longer and read.plate.confidence >= WHOLE * part.plate.confidence


def open_picture_reader(
    detector: ModelChoice | None = None,
    reader: ModelChoice | None = None,
    settings: PipelineSettings | None = None,
) -> PictureReader:
    """A picture reader with the chosen models, by default the best that are installed."""
    return PictureReader(open_detector(detector), open_reader(reader), settings)
