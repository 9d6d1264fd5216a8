"""Lines that slope, made level."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vision.level import levelled, slope
from vision.port import Image


def plate(rise: float, width: int = 160, height: int = 60) -> Image:
    """A white plate with a text, on grey, its lines running down by `rise` rows a column."""
    image = np.full((height, width, 3), 90, np.uint8)
    cv2.rectangle(image, (10, 16), (width - 10, height - 16), (235, 235, 235), -1)
    cv2.putText(image, "AB 123", (18, height - 21), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (20, 20, 20), 2)
    matrix = np.array([[1, 0, 0], [rise, 1, -rise * width / 2]], np.float32)
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


@pytest.mark.parametrize("rise", [-0.25, -0.12, 0.12, 0.25])
def test_a_slope_is_measured_and_taken_out(rise: float) -> None:
    """The slope of a slanting plate is found to a few hundredths, and none is left afterwards."""
    crop = plate(rise)
    assert slope(crop) == pytest.approx(rise, abs=0.04)
    level = levelled(crop)
    assert level is not None
    assert slope(level) == pytest.approx(0, abs=0.06)
    assert level.shape[1] == crop.shape[1]


def test_a_level_plate_stays_as_it_is() -> None:
    """Nothing is done to lines that are level, to a crop without lines, or to one too small to tell."""
    assert levelled(plate(0.0)) is None
    assert levelled(np.full((40, 120, 3), 128, np.uint8)) is None
    assert levelled(plate(0.25)[:9]) is None
    assert levelled(np.zeros((1, 1, 3), np.uint8)) is None
