"""Plates seen from the side: their lines run at a slope, and are made level again."""

from __future__ import annotations

import cv2
import numpy as np

from vision.port import Image

_WIDTH, _HEIGHT = 96, 48
_SLOPES = np.linspace(-0.5, 0.5, 21)
_CLEARER = 1.2
_NOTABLE = 0.06
_LEAST = (24, 10)
_CUT = 0.8


def levelled(crop: Image) -> Image | None:
    """The crop of a plate sheared until its lines are level; None if they are, or it is too small to tell.

    Shearing, not turning, as a plate beside the camera's axis has slanting lines and upright strokes.
    """
    height, width = crop.shape[:2]
    if width < _LEAST[0] or height < _LEAST[1]:
        return None
    rise = slope(crop)
    if abs(rise) <= _NOTABLE:
        return None
    level = _sheared(crop, rise)
    # above and below lies what the shear had to make up
    cut = int(_CUT * abs(rise) * width / 2)
    return level[cut : height - cut] if height - 2 * cut >= max(8, height // 3) else level


def slope(crop: Image) -> float:
    """How steeply the lines of a crop run: rows down a column to the right; 0 if no slope stands out.

    Where rows run along the lines, some cross many edges and the others few: the sums of the rows vary most.
    """
    height, width = crop.shape[:2]
    grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    edges = np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    varied = [float(_sheared(edges, rise).sum(axis=1).var()) for rise in _SLOPES]
    best = int(np.argmax(varied))
    if varied[best] <= _CLEARER * varied[len(_SLOPES) // 2]:
        return 0.0
    return float(_SLOPES[best]) * (height / _HEIGHT) * (_WIDTH / width)


def _sheared(picture: Image, rise: float) -> Image:
    """The picture with each column moved so that lines of this slope become level; its middle stays."""
    height, width = picture.shape[:2]
    matrix = np.array([[1, 0, 0], [-rise, 1, rise * width / 2]], np.float32)
    sheared = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sheared, picture.dtype)
