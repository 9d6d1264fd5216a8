"""Other ways to look at a picture: in tiles, or turned; and where their boxes lie in the original."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from plates.event import Box
from vision.port import Image


@dataclass(frozen=True)
class View:
    """A picture made from another; `place` gives the box in the original of a box in this one."""

    image: Image
    place: Callable[[Box], Box]


def enlarged(image: Image, length: int) -> View:
    """The picture with its long side `length` pixels, more than it has."""
    height, width = image.shape[:2]
    scale = length / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))

    def place(box: Box) -> Box:
        return Box(box.x / scale, box.y / scale, box.width / scale, box.height / scale)

    return View(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8), place)


def tiles(image: Image, overlap: float = 0.2) -> list[View]:
    """The picture in two tiles along its longer side, or in four if that is less than 1.6 times the other.

    Neighbours share `overlap` of a tile, so that nothing smaller is cut by both.
    """
    height, width = image.shape[:2]
    across, down = (2, 2) if max(height, width) < 1.6 * min(height, width) else (2, 1)
    if height > width:
        across, down = down, across
    return [
        _tile(image, left, top, right, bottom)
        for left, right in _spans(width, across, overlap)
        for top, bottom in _spans(height, down, overlap)
    ]


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    if count == 1:
        return [(0, length)]
    size = round(length / (count - (count - 1) * overlap))
    starts = [round(i * (length - size) / (count - 1)) for i in range(count)]
    return [(start, start + size) for start in starts]


def _tile(image: Image, left: int, top: int, right: int, bottom: int) -> View:
    def place(box: Box) -> Box:
        return Box(box.x + left, box.y + top, box.width, box.height)

    return View(image[top:bottom, left:right], place)


def quarter_turns(image: Image) -> list[View]:
    """The picture turned by a quarter clockwise and counterclockwise."""
    height, width = image.shape[:2]

    def from_clockwise(box: Box) -> Box:
        return Box(box.y, height - box.x - box.width, box.height, box.width)

    def from_counterclockwise(box: Box) -> Box:
        return Box(width - box.y - box.height, box.x, box.height, box.width)

    return [
        View(np.asarray(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), np.uint8), from_clockwise),
        View(np.asarray(cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE), np.uint8), from_counterclockwise),
    ]
