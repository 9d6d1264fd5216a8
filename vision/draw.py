"""Reads drawn onto a copy of the picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from plates.event import Box
from vision.pipeline import PictureRead
from vision.port import Image

_SURE = (80, 200, 60)
_UNSURE = (40, 170, 250)
_INK = (20, 20, 20)
SURE_FROM = 0.8


def draw(image: Image, reads: Sequence[PictureRead]) -> Image:
    """A copy of the picture with a box and the text at each plate: green if the read is sure, else orange."""
    picture = np.array(image)
    scale = max(0.4, min(image.shape[:2]) / 900)
    for read in reads:
        colour = _SURE if read.plate.confidence >= SURE_FROM else _UNSURE
        label = f"{read.plate.text or '?'} {read.plate.confidence:.0%}"
        draw_box(picture, read.box, label, colour, scale)
    return picture


def draw_box(picture: Image, box: Box, label: str, colour: tuple[int, int, int], scale: float = 0.6) -> None:
    """One box with its label above it, or below where there is no room, drawn into `picture` itself."""
    line = max(1, round(2 * scale))
    left, top = round(box.x), round(box.y)
    right, bottom = round(box.x + box.width), round(box.y + box.height)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, line)
    (width, height), base = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, line)
    x = int(np.clip(left, 0, max(0, picture.shape[1] - width - 4)))
    y = top - 4 if top - height - base - 4 >= 0 else min(picture.shape[0] - 2, bottom + height + base + 2)
    cv2.rectangle(picture, (x, y - height - base), (x + width + 4, y + 2), colour, cv2.FILLED)
    cv2.putText(
        picture, label, (x + 2, y - base // 2), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, line, cv2.LINE_AA
    )
