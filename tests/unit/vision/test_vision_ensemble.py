"""Two readers as one, and other ways to look at a picture."""

from collections.abc import Sequence

import numpy as np
import pytest

from plates.event import Box, CharAlternative, ModelInfo, PlateRead
from vision.ensemble import EnsembleReader
from vision.port import Image
from vision.views import enlarged, quarter_turns, tiles

CROP = np.zeros((20, 60, 3), np.uint8)


class Fixed:
    """Reads the same of every crop and counts the crops."""

    def __init__(self, name: str, read: PlateRead) -> None:
        self.model = ModelInfo(name, "1", "", "none")
        self.fixed = read
        self.seen = 0

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """The fixed read for each crop."""
        self.seen += len(crops)
        return [self.fixed] * len(crops)


def said(text: str, confidence: float, sure: float = 0.8, **fields: object) -> PlateRead:
    """A read whose characters are each that sure."""
    posterior = tuple((CharAlternative(char, sure),) for char in text)
    return PlateRead(text, confidence, posterior, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("confidence", [0.99, 0.0])
def test_the_second_reader_is_not_asked_where_the_first_is_sure(confidence: float) -> None:
    """Neither a sure read nor a crop that is surely no plate costs a second read."""
    second = Fixed("second", said("XX999XX", 0.9))
    reader = EnsembleReader(Fixed("first", said("AB123CD", confidence)), second)
    assert [read.text for read in reader.read([CROP, CROP])] == ["AB123CD"] * 2
    assert second.seen == 0


def test_two_readers_that_agree_are_surer_than_one() -> None:
    """The same text from both is surer than the first alone, and region and legibility stay the first's."""
    first = Fixed("first", said("AB123CD", 0.6, region="fr", legibility=0.6))
    (read,) = EnsembleReader(first, Fixed("second", said("AB123CD", 0.7, 0.95))).read([CROP])
    assert (read.text, read.region, read.legibility) == ("AB123CD", "fr", 0.6)
    assert read.confidence > 0.6


def test_a_text_that_the_first_reader_did_not_see_is_hardly_legible() -> None:
    """The second reader reads any lettering: where it overrules the first, the read is doubted."""
    first = Fixed("first", said("7Y4", 0.2, 0.3, legibility=0.2))
    (read,) = EnsembleReader(first, Fixed("second", said("WELCOME", 0.99, 0.999))).read([CROP])
    assert read.text == "WELCOME"
    assert read.legibility == pytest.approx(0.06)


def test_a_word_in_arabic_that_the_second_reader_leaves_out_is_put_back() -> None:
    """A Tunisian plate keeps its T when the second reader saw the digits alone."""
    first = Fixed("first", said("123T4507", 0.5, 0.7, region="tn", region_confidence=0.9, legibility=0.5))
    (read,) = EnsembleReader(first, Fixed("second", said("1234567", 0.9, 0.95))).read([CROP])
    assert read.text == "123T4567"


def test_both_models_are_named() -> None:
    """Provenance says that two models took part."""
    reader = EnsembleReader(Fixed("one", said("A", 1)), Fixed("two", said("A", 1)))
    assert (reader.model.name, reader.model.version) == ("one+two", "1+1")


@pytest.mark.parametrize("shape", [(600, 800, 3), (500, 1200, 3), (1200, 500, 3)])
def test_tiles_cover_the_picture_and_know_their_place(shape: tuple[int, int, int]) -> None:
    """Every pixel lies in a tile, and a tile's box is where its pixels are in the picture."""
    image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    covered = np.zeros(shape[:2], bool)
    for view in tiles(image):
        height, width = view.image.shape[:2]
        box = view.place(Box(0, 0, width, height))
        x, y = int(box.x), int(box.y)
        assert np.array_equal(image[y : y + height, x : x + width], view.image)
        covered[y : y + height, x : x + width] = True
    assert covered.all()


def test_quarter_turns_know_their_place() -> None:
    """A patch found in a turned picture is where it is in the picture itself."""
    image = np.zeros((80, 200, 3), np.uint8)
    image[10:20, 150:190] = 255
    for view in quarter_turns(image):
        rows, columns = np.nonzero(view.image[..., 0])
        top, left = int(rows.min()), int(columns.min())
        found = Box(left, top, int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
        assert view.place(found) == Box(150, 10, 40, 10)


def test_an_enlarged_picture_knows_its_place() -> None:
    """A patch found in the enlarged picture is where it is in the picture itself."""
    image = np.zeros((50, 100, 3), np.uint8)
    image[10:20, 30:70] = 255
    view = enlarged(image, 400)
    rows, columns = np.nonzero(view.image[..., 0] > 127)
    found = Box(int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    assert view.image.shape == (200, 400, 3)
    assert view.place(found) == Box(30, 10, 40, 10)
