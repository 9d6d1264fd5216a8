"""Marks put on a plate: glyphs, separators, emblems and the word Tunis."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.fonts import ASCENT, CAP_HEIGHT, DESCENT, TUNIS, Face, arabic_word

Image = NDArray[np.uint8]

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""


def paste(mask: Image, stamp: Image, box: Box) -> None:
    """Put a glyph into the ink mask so that its capital fills `box` (parts outside are cut off)."""
    unit = (box[3] - box[1]) / CAP_HEIGHT
    wide, tall = max(round(box[2] - box[0]), 1), max(round((ASCENT + CAP_HEIGHT + DESCENT) * unit), 1)
    scaled = cv2.resize(stamp, (wide, tall), interpolation=cv2.INTER_AREA if unit < 1 else cv2.INTER_LINEAR)
    x0, y0 = round(box[0]), round(box[1] - ASCENT * unit)
    a, b, c, d = max(x0, 0), max(y0, 0), min(x0 + wide, mask.shape[1]), min(y0 + tall, mask.shape[0])
    if c > a and d > b:
        np.maximum(mask[b:d, a:c], scaled[b - y0 : d - y0, a - x0 : c - x0], out=mask[b:d, a:c])


def draw_separator(
    mask: Image,
    image: Image,
    kind: str,
    box: Box,
    ink: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    x0, y0, x1, y1 = box
    tall = y1 - y0
    if kind == "dash":
        thick = max(tall * rng.uniform(0.07, 0.14), 2)
        y = (y0 + y1) / 2
        cv2.rectangle(mask, (round(x0), round(y - thick / 2)), (round(x1), round(y + thick / 2)), (255,), -1)
        return
    if kind == "dot":
        y = (y0 + y1) / 2 if rng.random() < 0.7 else y1 - tall * 0.08
        cv2.circle(
            mask,
            (round((x0 + x1) / 2), round(y)),
            max(2, round(tall * rng.uniform(0.05, 0.09))),
            (255,),
            -1,
            cv2.LINE_AA,
        )
        return
    _draw_emblem(image, box, ink, rng)


def _draw_emblem(image: Image, box: Box, ink: NDArray[np.float32], rng: np.random.Generator) -> None:
    """A seal, coat of arms, sticker or outline of a state between two groups of characters."""
    x0, y0, x1, y1 = box
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2 + (y1 - y0) * rng.uniform(-0.15, 0.15)])
    radius = min((x1 - x0) / 2, (y1 - y0) / 2) * rng.uniform(0.7, 1.0)
    own = tuple(int(v) for v in rng.integers(0, 256, 3))
    colour = tuple(int(v) for v in ink) if rng.random() < 0.65 else own
    shape = rng.random()
    if shape < 0.3:
        count = 2 if rng.random() < 0.4 else 1
        for index in range(count):
            middle = centre + np.array([0, (index - (count - 1) / 2) * radius * 1.9])
            place = (round(middle[0]), round(middle[1]))
            cv2.circle(
                image,
                place,
                max(round(radius * 0.85), 2),
                colour,
                -1 if rng.random() < 0.5 else 2,
                cv2.LINE_AA,
            )
            cv2.circle(image, place, max(round(radius * 0.4), 1), own, -1, cv2.LINE_AA)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 12))))
        spread = rng.uniform(0.35, 1.0, angles.size) * radius
        stretch = rng.uniform(0.7, 2.0) if shape < 0.6 else 1.0
        points = centre + np.stack([np.cos(angles) * spread, np.sin(angles) * spread * stretch], 1)
        cv2.fillPoly(image, [points.astype(np.int32)], colour, cv2.LINE_AA)


_TUNIS = (
    # The word Tunis as pen strokes in a unit box, y down; then its dots.
    (
        (
            (1.0, 0.35),
            (0.99, 0.62),
            (0.86, 0.64),
            (0.82, 0.5),
            (0.76, 0.44),
            (0.7, 0.52),
            (0.74, 0.6),
            (0.79, 0.55),
            (0.76, 0.78),
            (0.66, 0.9),
        ),
        (
            (0.66, 0.42),
            (0.65, 0.62),
            (0.56, 0.63),
            (0.54, 0.48),
            (0.52, 0.62),
            (0.46, 0.63),
            (0.44, 0.48),
            (0.42, 0.62),
            (0.36, 0.63),
            (0.34, 0.46),
            (0.33, 0.72),
            (0.24, 0.86),
            (0.1, 0.84),
            (0.04, 0.66),
            (0.07, 0.56),
        ),
    ),
    ((0.95, 0.17), (1.0, 0.17), (0.63, 0.25)),
)


@lru_cache(maxsize=32)
def _tunis_mask(thick: int) -> Image:
    """The word as a mask of 96 by 128 pixels."""
    strokes, dots = _TUNIS
    mask = np.zeros((96, 128), np.uint8)
    for stroke in strokes:
        points = (np.array(stroke) * [112, 88] + [8, 4]).astype(np.int32)
        cv2.polylines(mask, [points], False, (255,), thick, cv2.LINE_AA)
    for x, y in dots:
        cv2.circle(
            mask, (round(x * 112 + 8), round(y * 88 + 4)), max(thick * 2 // 3, 3), (255,), -1, cv2.LINE_AA
        )
    return mask


def draw_tunis(mask: Image, box: Box, face: Face | None, rng: np.random.Generator) -> None:
    """The word Tunis in Arabic script: in an Arabic face, else (None) in pen strokes."""
    unit = (box[3] - box[1]) / CAP_HEIGHT
    word = _tunis_mask(int(rng.integers(6, 12))) if face is None else arabic_word(face, TUNIS)
    stamp = np.zeros((ASCENT + CAP_HEIGHT + DESCENT, 128), np.uint8)
    tall = round(CAP_HEIGHT * rng.uniform(0.85, 1.2))
    stamp[: min(tall, stamp.shape[0])] = cv2.resize(word, (128, tall), interpolation=cv2.INTER_AREA)[
        : stamp.shape[0]
    ]
    drop = rng.uniform(-0.05, 0.25) * CAP_HEIGHT * unit
    paste(mask, stamp, (box[0], box[1] + drop, box[2], box[3] + drop))


def blend(target: Image, mask: Image, colour: NDArray[np.float32] | NDArray[np.float64]) -> None:
    """Paint `colour` through `mask` (0 to 255) onto `target`, in place."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return
    part, cover = (
        target[rows[0] : rows[-1] + 1],
        mask[rows[0] : rows[-1] + 1].astype(np.float32) * np.float32(1 / 255),
    )
    paint = np.empty_like(part)
    paint[:] = np.clip(colour, 0, 255).astype(np.uint8)
    part[:] = cv2.blendLinear(np.ascontiguousarray(part), paint, 1 - cover, cover)
