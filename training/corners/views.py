"""What the corner finder learns from: cuts round pasted plates whose corners are known, and round nothing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.detector.augment import (
    Image,
    Library,
    Rng,
    View,
    caption,
    lettering,
    paste_anywhere,
    photometric,
    replace_plates,
    warped,
)
from training.detector.data import PLATE
from vision.corners import HEIGHT, WIDTH, cut, region

_SIDES = ((320, 256), (416, 320))


@dataclass(frozen=True)
class Sample:
    """A cut as the network sees it, and the plate's corners in it: float (4, 2), 0..1 of its sides.

    The corners are not numbers where there is no plate.
    """

    image: Image
    corners: NDArray[np.float32]


def samples(library: Library, rng: Rng) -> list[Sample]:
    """Cuts from one random picture, perhaps none."""
    width, height = _SIDES[int(rng.integers(len(_SIDES)))]
    view, angle = warped(library, width, height, rng)
    if rng.random() < 0.35:
        view, quad = paste_anywhere(library, view, rng)
        quads = [quad]
    else:
        view.boxes, quads = replace_plates(library, view.image, view.boxes, angle, rng)
    if rng.random() < 0.2:
        lettering(view, rng)
    if rng.random() < 0.1:
        caption(view, rng)
    picture = photometric(view.image, rng)
    whole = [quad for quad in quads if _inside(quad, width, height)]
    found = [_sample(picture, _loose(quad, rng), quad) for quad in whole]
    if rng.random() < 0.4:
        found += _empty(picture, view, rng)
    return found


def _inside(quad: NDArray[np.float32], width: int, height: int) -> bool:
    low, high = quad.min(0), quad.max(0)
    return bool((low >= 0).all() and (high <= [width, height]).all() and high[0] - low[0] >= 14)


def _loose(quad: NDArray[np.float32], rng: Rng) -> NDArray[np.float64]:
    """A box round a plate as a detector may draw it, x1 y1 x2 y2: mostly near, at times far too large."""
    low, high = quad.min(0).astype(np.float64), quad.max(0).astype(np.float64)
    spread = 0.16 if rng.random() < 0.35 else 0.06
    sides = (high - low) * np.exp(np.abs(rng.normal(0, spread, 2)) * rng.choice([1, 1, -0.6], 2))
    middle = (low + high) / 2 + rng.normal(0, spread * 0.6, 2) * (high - low)
    return np.concatenate([middle - sides / 2, middle + sides / 2])


def _sample(picture: Image, box: NDArray[np.float64], quad: NDArray[np.float32] | None) -> Sample:
    left, top, right, bottom = where = region(box)
    image = cut(picture, where)
    if quad is None:
        return Sample(image, np.full((4, 2), np.nan, np.float32))
    corners = (quad - [left, top]) / [right - left, bottom - top]
    return Sample(image, corners.astype(np.float32))


def _empty(picture: Image, view: View, rng: Rng) -> list[Sample]:
    """A cut that shows no plate or little of one; none if the first place tried has one."""
    height, width = picture.shape[:2]
    w = float(np.exp(rng.uniform(np.log(0.06), np.log(0.5)))) * width
    h = w / rng.uniform(1.2, 5)
    x, y = rng.uniform(0, width - w), rng.uniform(0, max(height - h, 1))
    box = np.array([x, y, x + w, y + h])
    plates = view.boxes[view.boxes[:, 0] == PLATE][:, 1:]
    common = np.minimum(plates[:, 2:], box[2:]) - np.maximum(plates[:, :2], box[:2])
    if (np.maximum(common, 0).prod(axis=1) > 0.1 * w * h).any():
        return []
    return [_sample(picture, box, None)]


def sheet(library: Library, seed: int) -> Image:
    """Samples with their corners drawn, for a person to look at."""
    rng, cells = np.random.default_rng(seed), []
    while len(cells) < 96:
        for found in samples(library, rng):
            cell = cv2.resize(found.image, (2 * WIDTH, 2 * HEIGHT))
            if not np.isnan(found.corners).any():
                points = np.round(found.corners * [2 * WIDTH, 2 * HEIGHT]).astype(np.int32)
                cv2.polylines(cell, [points], True, (0, 255, 0), 1)
                cv2.circle(cell, points[0].tolist(), 3, (0, 0, 255), -1)
            cells.append(cell)
    rows = [np.hstack(cells[index : index + 8]) for index in range(0, 96, 8)]
    return np.asarray(np.vstack(rows), np.uint8)
