"""Cutting plates out and judging their sharpness."""

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from plates.event import Box, Detection, ObjectClass
from synth.plate import render_plate, styles_of
from vision.crops import crop_box, crop_plate, rectify, sharpness

IMAGE = np.random.default_rng(1).integers(0, 255, (120, 200, 3), dtype=np.uint8)
sides = st.floats(-500, 500)


@given(sides, sides, st.floats(0.01, 600), st.floats(0.01, 600), st.floats(0, 1))
def test_a_crop_is_never_empty_nor_outside(x: float, y: float, w: float, h: float, margin: float) -> None:
    """Whatever a detector claims, the crop is a piece of the picture of a pixel or more."""
    crop = crop_box(IMAGE, Box(x, y, w, h), margin)
    assert 1 <= crop.shape[0] <= 120
    assert 1 <= crop.shape[1] <= 200


def test_a_crop_is_the_box_and_its_margin() -> None:
    """The margin is a share of the width and of the height, on every side."""
    crop = crop_box(IMAGE, Box(50, 40, 60, 20), 0.1)
    assert np.array_equal(crop, IMAGE[38:62, 44:116])


def test_corners_rectify_a_turned_plate() -> None:
    """A plate turned by 20 degrees comes out upright: like the plate before it was turned."""
    scene = np.full((200, 300, 3), 90, np.uint8)
    cv2.putText(scene, "AB12", (100, 110), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 3)
    box = np.array([[90, 70], [215, 70], [215, 125], [90, 125]], np.float32)
    turn = cv2.getRotationMatrix2D((150, 100), 20, 1)
    turned = cv2.warpAffine(scene, turn, (300, 200), borderValue=(90, 90, 90))
    corners = tuple((float(x), float(y)) for x, y in box @ turn[:, :2].T + turn[:, 2])
    upright = crop_plate(turned, Detection(ObjectClass.PLATE, Box(0, 0, 1, 1), 1, corners), 0.0)
    wanted = scene[70:125, 90:215]
    assert upright.shape == wanted.shape
    assert np.abs(upright.astype(int) - wanted).mean() < 12


def test_rectifying_a_degenerate_quadrilateral_gives_a_picture() -> None:
    """Four corners on one point do not break it."""
    assert rectify(IMAGE, ((5.0, 5.0),) * 4).size > 0


def test_blur_lowers_sharpness_and_size_hardly_matters() -> None:
    """The same plate is less sharp when blurred, and about as sharp when twice as large."""
    drawn = render_plate("de", "KLA4729", np.random.default_rng(1), style=styles_of("de")[0]).image
    plate = np.asarray(cv2.resize(drawn, (200, 48), interpolation=cv2.INTER_AREA), np.uint8)
    values = [sharpness(cv2.GaussianBlur(plate, (0, 0), sigma)) for sigma in (0.5, 1.5, 3)]
    assert values == sorted(values, reverse=True)
    assert 0 <= values[-1] < values[0] < 1
    doubled = cv2.resize(plate, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert abs(sharpness(doubled) - sharpness(plate)) < 0.1
    assert sharpness(np.full((20, 60, 3), 7, np.uint8)) == 0
