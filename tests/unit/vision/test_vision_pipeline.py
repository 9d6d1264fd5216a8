"""From a whole picture to its plates."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from plates.event import Box, Detection, ModelInfo, ObjectClass, PlateRead
from tests.builders.vision import detector, picture, reader
from vision.draw import draw
from vision.pipeline import PictureReader, PipelineSettings
from vision.port import Image

UPRIGHT = PipelineSettings(turns=False, cut_off=1.0)
MODEL = ModelInfo("fixed", "1", "", "none")


class FixedDetector:
    """Finds the same things in every picture."""

    model = MODEL

    def __init__(self, *found: Detection) -> None:
        self.found = found

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """The fixed detections for each picture."""
        return [self.found for _ in images]


class TopReader:
    """Reads TOP if the crop's upper half is brighter and LOW if its lower half is, else SIDE, unsurely."""

    model = MODEL

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """One read a crop."""
        return [self._read(crop) for crop in crops]

    def _read(self, crop: Image) -> PlateRead:
        middle = crop.shape[0] // 2
        above, below = crop[:middle].mean(), crop[middle:].mean()
        if abs(above - below) < 5:
            return PlateRead("SIDE", 0.3, ())
        return PlateRead("TOP111", 0.95, ()) if above > below else PlateRead("LOW111", 0.4, ())


def plate_at(x: float, y: float, width: float, height: float) -> Detection:
    """A detected plate."""
    return Detection(ObjectClass.PLATE, Box(x, y, width, height), 0.9)


def test_plates_come_with_text_box_and_score_surest_first(tmp_path: Path) -> None:
    """Every bright cell is read, at its place in pixels of the picture, the brightest first."""
    image = picture((1, 0), scale=4, light=150)
    image[128:256, 384:512] = 255
    reads = PictureReader(detector(tmp_path), reader(tmp_path), UPRIGHT).read(image)
    assert [read.plate.text for read in reads] == ["B123ABC", "B123ABC"]
    assert [read.box for read in reads] == [Box(384, 128, 128, 128), Box(128, 0, 128, 128)]
    assert reads[0].plate.confidence >= reads[1].plate.confidence
    assert reads[0].score > reads[1].score


def test_an_empty_picture_has_no_plates(tmp_path: Path) -> None:
    """Nothing found is an empty answer, not an error."""
    engine = PictureReader(detector(tmp_path), reader(tmp_path), UPRIGHT)
    assert engine.read(picture(scale=4)) == ()


@pytest.mark.parametrize("turn", [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE])
def test_a_plate_on_its_side_is_read_in_both_turns(turn: int) -> None:
    """A box much higher than wide is turned either way, and the surer read is kept."""
    upright = np.zeros((40, 160, 3), np.uint8)
    upright[:20] = 255
    image = np.zeros((240, 240, 3), np.uint8)
    image[40:200, 100:140] = cv2.rotate(upright, turn)
    engine = PictureReader(FixedDetector(plate_at(100, 40, 40, 160)), TopReader())
    (read,) = engine.read(image)
    assert read.plate.text == "TOP111"
    assert read.box == Box(100, 40, 40, 160)


def test_vehicles_are_not_read(tmp_path: Path) -> None:
    """Only plates are."""
    vehicle = Detection(ObjectClass.VEHICLE, Box(0, 0, 100, 60), 0.9)
    assert PictureReader(FixedDetector(vehicle), reader(tmp_path)).read(picture(scale=4)) == ()


def test_reads_below_the_least_confidence_are_left_out(tmp_path: Path) -> None:
    """A threshold of 1.01 keeps nothing."""
    engine = PictureReader(
        detector(tmp_path), reader(tmp_path), PipelineSettings(min_confidence=1.01, turns=False)
    )
    assert engine.read(picture((0, 0), scale=4)) == ()


def test_a_crop_is_read_without_looking_for_the_plate(tmp_path: Path) -> None:
    """The whole picture is the plate."""
    engine = PictureReader(FixedDetector(), reader(tmp_path))
    (read,) = engine.read_crop(np.full((30, 90, 3), 200, np.uint8))
    assert (read.plate.text, read.box) == ("B123ABC", Box(0, 0, 90, 30))


def test_drawing_leaves_the_picture_as_it_was(tmp_path: Path) -> None:
    """Boxes and texts go onto a copy, also at the edges."""
    image = picture((0, 0), (3, 1), scale=3)
    before = image.copy()
    reads = PictureReader(detector(tmp_path), reader(tmp_path), UPRIGHT).read(image)
    drawn = draw(image, reads)
    assert np.array_equal(image, before)
    assert not np.array_equal(drawn, before)
    assert drawn.shape == image.shape


class TurnedDetector(FixedDetector):
    """Finds a plate only in pictures that are higher than wide."""

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """The fixed detections for each upright picture."""
        return [self.found if image.shape[0] > image.shape[1] else () for image in images]


class MarkReader(TopReader):
    """Sure where the crop's upper half is bright, and silent elsewhere."""

    def _read(self, crop: Image) -> PlateRead:
        read = super()._read(crop)
        return read if read.text == "TOP111" else PlateRead("", 0.0, ())


def test_a_photo_on_its_side_is_turned_and_boxes_stay_its_own() -> None:
    """Nothing is found as it is; a quarter turn finds the plate, and its box is in pixels of the photo."""
    upright = np.zeros((600, 400, 3), np.uint8)
    upright[500:520, 100:260] = 255
    photo = np.asarray(cv2.rotate(upright, cv2.ROTATE_90_COUNTERCLOCKWISE), np.uint8)
    engine = PictureReader(TurnedDetector(plate_at(100, 500, 160, 40)), MarkReader())
    (read,) = engine.read(photo)
    assert read.plate.text == "TOP111"
    assert read.box == Box(500, 140, 40, 160)
    assert photo[140:300, 500:520].min() == 255


class PatchDetector(FixedDetector):
    """Finds a bright patch only if it is at least `least` pixels wide, and that share of the picture."""

    def __init__(self, least: int = 0, share: float = 0.0) -> None:
        super().__init__()
        self.least, self.share = least, share

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """A plate around all that is bright."""
        return [self._find(image) for image in images]

    def _find(self, image: Image) -> tuple[Detection, ...]:
        rows, columns = np.nonzero(image[..., 0] > 127)
        width = float(np.ptp(columns)) + 1 if len(columns) else 0.0
        if width < max(1, self.least, self.share * image.shape[1]):
            return ()
        return (plate_at(float(columns.min()), float(rows.min()), width, 2 * (float(np.ptp(rows)) + 1)),)


def test_a_large_picture_is_looked_at_again_in_tiles() -> None:
    """A plate too small in the whole is found in a tile, once, where it is in the whole."""
    image = np.zeros((900, 1600, 3), np.uint8)
    image[300:315, 1200:1300] = 255
    engine = PictureReader(PatchDetector(share=0.1), TopReader(), UPRIGHT)
    (read,) = engine.read(image)
    assert (read.plate.text, read.box) == ("TOP111", Box(1200, 300, 100, 30))


def test_a_picture_in_which_nothing_is_read_is_looked_at_enlarged() -> None:
    """A plate that the detector sees only when it is larger is read, where it is in the picture itself."""
    image = np.zeros((325, 650, 3), np.uint8)
    image[100:110, 300:360] = 255
    engine = PictureReader(PatchDetector(least=100), TopReader(), UPRIGHT)
    (read,) = engine.read(image)
    assert (read.plate.text, read.box) == ("TOP111", Box(300, 100, 60, 20))


def test_a_small_picture_may_be_the_plate_itself(tmp_path: Path) -> None:
    """A picture of plate size is read as a plate when nothing is found in it."""
    engine = PictureReader(FixedDetector(), reader(tmp_path))
    (read,) = engine.read(np.full((40, 160, 3), 240, np.uint8))
    assert (read.plate.text, read.score) == ("B123ABC", 0.0)


def test_what_is_lettered_on_a_plate_that_fills_the_picture_is_no_plate_of_its_own() -> None:
    """A box within the plate that a small picture is of does not win over it, however surely it is read."""
    image = np.zeros((120, 300, 3), np.uint8)
    image[80:115, 100:200] = 255
    image[95:115, 140:160] = 0
    found = FixedDetector(plate_at(10, 10, 280, 100), plate_at(140, 75, 20, 40))
    (read,) = PictureReader(found, TopReader(), UPRIGHT).read(image)
    assert (read.plate.text, read.score) == ("LOW111", 0.0)


def test_a_plate_at_the_edge_is_doubted() -> None:
    """What the picture cuts off, and captions along its edge, are read with half the confidence."""
    image = np.zeros((300, 600, 3), np.uint8)
    image[0:20, 100:200] = image[140:160, 100:200] = 255
    found = FixedDetector(plate_at(100, 0, 100, 40), plate_at(100, 140, 100, 40))
    inner, outer = PictureReader(found, TopReader()).read(image)
    assert (inner.box.y, outer.box.y) == (140, 0)
    assert outer.plate.confidence == pytest.approx(inner.plate.confidence / 2)


def test_the_threshold_counts_after_all_doubts() -> None:
    """A plate at the edge whose halved confidence is below the threshold is not reported."""
    image = np.zeros((300, 600, 3), np.uint8)
    image[0:20, 100:200] = image[140:160, 100:200] = 255
    found = FixedDetector(plate_at(100, 0, 100, 40), plate_at(100, 140, 100, 40))
    (read,) = PictureReader(found, TopReader(), PipelineSettings(min_confidence=0.6)).read(image)
    assert read.box.y == 140


class CountingReader(TopReader):
    """Counts the crops it is given."""

    def __init__(self) -> None:
        self.crops = 0

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """One read a crop."""
        self.crops += len(crops)
        return super().read(crops)


def test_a_plate_is_cut_again_only_where_it_is_not_read_surely() -> None:
    """One crop is enough for a plate that is read surely; another's reads are fused."""
    image = np.zeros((400, 600, 3), np.uint8)
    image[40:60, 100:200] = image[160:180, 100:200] = 255
    clear, doubtful = plate_at(100, 40, 100, 40), plate_at(100, 140, 100, 40)
    for found, crops in (((clear,), 1), ((doubtful,), 2), ((clear, doubtful), 3)):
        engine = CountingReader()
        PictureReader(FixedDetector(*found), engine, UPRIGHT).read(image)
        assert engine.crops == crops


@pytest.mark.parametrize("height", [40, 160, 180])
def test_a_small_picture_that_is_surely_a_plate_is_not_searched(height: int) -> None:
    """Where the picture itself reads as a plate, its plate is not looked for, even if seen from the side."""
    image = np.zeros((height, 160, 3), np.uint8)
    image[: height // 2] = 255
    engine = CountingReader()
    (read,) = PictureReader(FixedDetector(plate_at(10, 5, 140, 30)), engine).read(image)
    assert (read.plate.text, read.box, engine.crops) == ("TOP111", Box(0, 0, 160, height), 1)
