"""A plate laid out as one line of text, as `plate-reader-ctc` takes it."""

from __future__ import annotations

import cv2
import numpy as np

from vision.port import Image

WIDTH, HEIGHT = 192, 48
_OVERLAP = 0.04
_MUCH_LARGER = 1.5


def lay_out(crop: Image, lines: int) -> Image:
    """The crop stretched to 192 x 48; of a plate of two lines the lower half stands right of the upper."""
    if lines != 2:
        return _stretch(crop, WIDTH)
    height = crop.shape[0]
    reach = max(1, round((0.5 + _OVERLAP) * height))
    halves = [_stretch(crop[:reach], WIDTH // 2), _stretch(crop[height - reach :], WIDTH // 2)]
    return np.hstack(halves)


def _stretch(part: Image, width: int) -> Image:
    shrinks = part.shape[1] > _MUCH_LARGER * width or part.shape[0] > _MUCH_LARGER * HEIGHT
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (width, HEIGHT), interpolation=method), np.uint8)
