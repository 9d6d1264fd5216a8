"""The detector's training views: boxes lie where the picture shows what they box."""

from __future__ import annotations

import numpy as np
import pytest

from training.detector.augment import View, quarter_turn, touches_plate
from training.detector.data import PLATE, VEHICLE

NOTHING = np.zeros((0, 5), np.float32)


@pytest.mark.parametrize("turns", [1, 3])
def test_boxes_turn_with_their_picture(turns: int) -> None:
    """After a quarter turn of an oblong view, a plate's box frames exactly the plate's pixels."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[10:20, 30:70] = 255
    view = View(image, np.array([[PLATE, 30, 10, 70, 20]], np.float32), NOTHING)
    turned = quarter_turn(view, turns)
    rows, columns = np.nonzero(turned.image[..., 0])
    framed = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert turned.image.shape == (96, 64, 3)
    assert turned.boxes[0, 1:].tolist() == framed


def test_lettering_spares_plates_but_not_vehicles() -> None:
    """Only a plate below a rectangle keeps words from being written there."""
    boxes = np.array([[PLATE, 30, 10, 70, 20], [VEHICLE, 0, 0, 96, 64]], np.float32)
    view = View(np.zeros((64, 96, 3), np.uint8), boxes, NOTHING)
    assert touches_plate(view, 0, 0, 31, 11)
    assert not touches_plate(view, 0, 21, 96, 64)
