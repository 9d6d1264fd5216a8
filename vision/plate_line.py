"""A plate laid out as one line of text, as `plate-reader-ctc` takes it."""

from __future__ import annotations

import cv2
import numpy as np

from vision.crops import MUCH_LARGER, stretch
from vision.port import Image, Tensor

WIDTH, HEIGHT = 192, 48
LINES, SPAN = 2, 6
"""Most lines of a plate, and the numbers that say where one lies (see `lay_out`)."""

_OVERLAP = 0.04
_ABOVE, _BESIDE = 0.2, 0.35  # of a line's height, seen on each side of it
_WIDE = 2.2  # heights that a line cut out is wide at least, so that few characters are not drawn out
_LEAST = 0.05  # of the crop: nothing less wide or high is a line


def lay_out(crop: Image, lines: int, spans: Tensor | None = None) -> Image:
    """The crop stretched to 192 x 48; of a plate of two lines the lower half stands right of the upper.

    With `spans` the lines of characters alone, made level: float (2, 6), in parts of the crop, each line's
    left and right and its top and bottom at either (top left, top right, bottom left, bottom right). Spans
    that no plate can have count for nothing.
    """
    count = 2 if lines == 2 else 1
    if spans is not None and _plausible(spans[:count]):
        return _close(crop, spans[:count])
    if count == 1:
        return stretch(crop, WIDTH, HEIGHT)
    height = crop.shape[0]
    reach = max(1, round((0.5 + _OVERLAP) * height))
    halves = [stretch(crop[:reach], WIDTH // 2, HEIGHT), stretch(crop[height - reach :], WIDTH // 2, HEIGHT)]
    return np.hstack(halves)


def _plausible(spans: Tensor) -> bool:
    left, right, top_left, top_right, bottom_left, bottom_right = spans.T
    sides = np.concatenate([right - left, bottom_left - top_left, bottom_right - top_right])
    return bool((sides > _LEAST).all() and (np.abs(spans - 0.5) < 1.0).all())  # NaN is neither


def _close(crop: Image, spans: Tensor) -> Image:
    """The lines side by side, each between the same left and right."""
    height, width = crop.shape[:2]
    width_each = WIDTH // len(spans)
    left, right = float(spans[:, 0].min()) * width, float(spans[:, 1].max()) * width
    parts = [_cut(crop, _around(span, left, right, width, height), width_each) for span in spans]
    return np.hstack(parts)


def _around(span: Tensor, left: float, right: float, width: int, height: int) -> Tensor:
    """The corners, clockwise from the top left, in pixels, of a line and what is seen around it."""
    x0, x1 = float(span[0]) * width, float(span[1]) * width
    top, bottom = (np.array(span[i : i + 2], np.float64) * height for i in (2, 4))
    tall = float((bottom - top).mean())
    beside = max(_BESIDE * tall, (_WIDE * tall - (right - left)) / 2)
    ends = np.array([left - beside, right + beside])
    share = (ends - x0) / (x1 - x0)
    top = top[0] + share * (top[1] - top[0]) - _ABOVE * tall
    bottom = bottom[0] + share * (bottom[1] - bottom[0]) + _ABOVE * tall
    corners = [[ends[0], top[0]], [ends[1], top[1]], [ends[1], bottom[1]], [ends[0], bottom[0]]]
    return np.array(corners, np.float32)


def _cut(crop: Image, corners: Tensor, width: int) -> Image:
    """The quadrilateral as a picture `width` x 48; a crop much larger is first brought near that size."""
    across, down = corners[1, 0] - corners[0, 0], corners[3, 1] - corners[0, 1]
    scale = [min(1.0, MUCH_LARGER * to / max(size, 1.0)) for to, size in ((width, across), (HEIGHT, down))]
    if min(scale) < 1.0:
        size = [max(1, round(side * by)) for side, by in zip(crop.shape[1::-1], scale, strict=True)]
        corners = corners * np.array([size[0] / crop.shape[1], size[1] / crop.shape[0]], np.float32)
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    target = np.array([[0, 0], [width, 0], [width, HEIGHT], [0, HEIGHT]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, target)
    return np.asarray(
        cv2.warpPerspective(crop, matrix, (width, HEIGHT), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
