"""Letterboxing, decoding and suppression."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from plates.event import Box, ObjectClass
from vision.boxes import decode, detections, letterbox, suppress, to_tensor

CLASSES = (ObjectClass.PLATE, ObjectClass.VEHICLE)


@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from([32, 320, 640]))
def test_letterbox_pads_to_multiples_of_32_and_keeps_the_length(height: int, width: int, size: int) -> None:
    """Whatever a picture's shape, its input's sides are multiples of 32 and no longer than asked."""
    canvas, frame = letterbox(np.zeros((height, width, 3), np.uint8), size)
    assert canvas.shape[0] % 32 == 0
    assert canvas.shape[1] % 32 == 0
    assert max(canvas.shape[:2]) == size
    assert (frame.width, frame.height) == (width, height)


@given(st.floats(0, 300), st.floats(0, 200), st.floats(5, 90), st.floats(5, 90), st.integers(100, 1000))
def test_decode_returns_the_box_in_pixels_of_the_original(
    x: float, y: float, w: float, h: float, size: int
) -> None:
    """A box put into the head at the input's scale comes out where it was in the picture."""
    size = size // 32 * 32
    _, frame = letterbox(np.zeros((300, 400, 3), np.uint8), size)
    head = np.zeros((6, 3), np.float32)
    head[:4, 1] = np.array([x + w / 2, y + h / 2, w, h]) * frame.scale
    head[4, 1] = 0.9
    (found,) = detections([decode(head, frame, 0.5)], CLASSES, 0.5, 0.7)
    assert found.object_class is ObjectClass.PLATE
    assert np.allclose((found.box.x, found.box.y, found.box.width, found.box.height), (x, y, w, h), atol=0.05)


def test_decode_clips_boxes_to_the_picture_and_drops_what_lies_outside() -> None:
    """A box over the edge is cut there; one in the padding is none."""
    _, frame = letterbox(np.zeros((100, 320, 3), np.uint8), 320)
    head = np.zeros((6, 2), np.float32)
    head[:, 0] = (310, 90, 40, 40, 0.8, 0)
    head[:, 1] = (100, 120, 30, 10, 0.9, 0)
    (found,) = detections([decode(head, frame, 0.5)], CLASSES, 0.5, 0.7)
    assert found.box == Box(290, 70, 30, 30)


def test_suppression_is_per_class_and_keeps_the_best() -> None:
    """Of two boxes of one class on one place the better stays; another class is not touched."""
    corners = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [50, 0, 60, 10]], np.float32)
    scores = np.array([0.6, 0.9, 0.5, 0.4], np.float32)
    whole = np.ones(2, np.float32)
    assert suppress(corners, scores, np.array([0, 0, 1, 0]), 0.5, whole) == [1, 2, 3]


def test_a_plate_within_a_plate_is_dropped_but_a_vehicle_within_a_vehicle_stays() -> None:
    """The weaker of two nested plates goes, whichever is larger; a car before a bus does not."""
    corners = np.array([[0, 0, 100, 40], [10, 5, 50, 25]], np.float32)
    scores = np.array([0.5, 0.9], np.float32)
    inside = np.array([0.7, 1.0], np.float32)
    assert suppress(corners, scores, np.array([0, 0]), 0.5, inside) == [1]
    assert suppress(corners, scores, np.array([1, 1]), 0.5, inside) == [1, 0]


def test_tensors_are_rgb_between_0_and_1() -> None:
    """A blue BGR picture is 1 in the third plane of the tensor."""
    blue = np.zeros((32, 64, 3), np.uint8)
    blue[..., 0] = 255
    tensor = to_tensor([blue])
    assert tensor.shape == (1, 3, 32, 64)
    assert tensor.dtype == np.float32
    assert tensor[0, 2].min() == 1.0
    assert tensor[0, :2].max() == 0.0
