"""The corners of plates: where they are, when they are believed, and how exact the shipped model is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from plates.event import Box, Detection, ObjectClass
from tests.builders.street import scene
from vision.corners import AROUND, HEIGHT, WIDTH, CornerFinder, CornerSettings, cut, region
from vision.models import ModelChoice, open_detector
from vision.port import Tensor

QUAD = np.array([[0.25, 0.3], [0.8, 0.25], [0.75, 0.7], [0.2, 0.75]], np.float32)


class Told:
    """A network that always gives the same corners; keeps how many cuts it saw at once."""

    name = "told"

    def __init__(self, sure: float = 1.0, quad: Tensor = QUAD) -> None:
        self.metadata: dict[str, str] = {}
        self.sure, self.quad = sure, quad
        self.batches: list[int] = []

    def run(self, batch: npt.NDArray[np.generic]) -> tuple[Tensor, ...]:
        """The same for every cut."""
        assert batch.shape[1:] == (HEIGHT, WIDTH, 3)
        self.batches.append(len(batch))
        return np.repeat(self.quad[None], len(batch), 0), np.full(len(batch), self.sure, np.float32)


def plate(x: float, y: float, width: float, height: float) -> Detection:
    return Detection(ObjectClass.PLATE, Box(x, y, width, height), 0.9)


def test_corners_are_in_pixels_of_the_original_and_the_box_is_just_round_them() -> None:
    """A look at half size: what the network says of the cut comes back in the picture's own pixels."""
    look = np.zeros((120, 160, 3), np.uint8)
    (found,) = CornerFinder(Told()).refine(look, 0.5, [plate(100, 80, 100, 50)])
    left, top, wide, tall = (
        100 - 100 * AROUND,
        80 - 50 * AROUND,
        100 * (1 + 2 * AROUND),
        50 * (1 + 2 * AROUND),
    )
    wanted = QUAD * [wide, tall] + [left, top]
    assert np.allclose(found.corners, wanted, atol=1e-3)
    assert (found.box.x, found.box.y) == pytest.approx(tuple(wanted.min(0)))
    assert found.box.x + found.box.width == pytest.approx(wanted[:, 0].max())


@pytest.mark.parametrize(
    ("box", "network"),
    [
        (plate(10, 10, 40, 90), Told()),
        (plate(10, 10, 12, 5), Told()),
        (plate(10, 10, 90, 30), Told(sure=0.2)),
        (plate(10, 10, 90, 30), Told(quad=QUAD[[0, 2, 1, 3]])),
    ],
    ids=["upright", "tiny", "no plate", "crossed"],
)
def test_a_box_stays_as_it_is_where_corners_cannot_be_believed(box: Detection, network: Told) -> None:
    """Boxes of turned or tiny plates, and of what the network takes for no plate or no quadrilateral."""
    assert CornerFinder(network).refine(np.zeros((200, 200, 3), np.uint8), 1.0, [box]) == (box,)


def test_many_plates_are_looked_at_a_few_at_a_time_and_keep_their_order() -> None:
    """Twenty boxes, one of them upright, go through the network in two batches."""
    network = Told()
    boxes = [plate(10 * i, 20, 60, 20) for i in range(19)]
    boxes.insert(7, plate(5, 5, 20, 60))
    found = CornerFinder(network).refine(np.zeros((100, 300, 3), np.uint8), 1.0, boxes)
    assert network.batches == [16, 3]
    assert found[7] == boxes[7]
    assert all(a.box.x < b.box.x for a, b in pairwise(found[8:]))


def test_a_cut_beyond_the_picture_goes_on_with_its_last_pixels() -> None:
    """Half of a cut over the left edge is the edge's colour."""
    picture = np.full((60, 60, 3), 200, np.uint8)
    seen = cut(picture, region(np.array([-30.0, 10.0, 30.0, 40.0])))
    assert seen.shape == (HEIGHT, WIDTH, 3)
    assert (seen == 200).all()


@pytest.mark.parametrize("degrees", [0.0, 15.0, -25.0])
@pytest.mark.parametrize("area", ["es", "us", "tn"])
def test_the_shipped_corners_are_within_a_tenth_of_the_height(area: str, degrees: float) -> None:
    """Drawn plates of 160 px on a car: the found corners' mean distance from where they were drawn."""
    finder = open_detector(ModelChoice(threads=1))._corners
    assert finder is not None
    off = []
    for seed in range(6):
        picture, box, corners = scene(area, 160, degrees, np.random.default_rng([seed, 7]))
        loose = plate(box.x - 6, box.y - 4, box.width + 14, box.height + 6)
        (found,) = finder.refine(picture, 1.0, [loose])
        tall = float(np.linalg.norm(corners[3] - corners[0]))
        if found.corners:
            off.append(float(np.linalg.norm(np.array(found.corners) - corners, axis=1).mean()) / tall)
    assert len(off) >= 5
    assert np.median(off) < 0.1


def test_settings_say_from_which_width_on_corners_are_looked_for() -> None:
    """With a least width of 200 pixels of the look a box of 150 is left alone."""
    network = Told()
    finder = CornerFinder(network, CornerSettings(least=200))
    finder.refine(np.zeros((200, 300, 3), np.uint8), 1.0, [plate(10, 10, 150, 50)])
    assert network.batches == []
