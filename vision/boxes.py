"""The geometry round a YOLO detector: letterboxing in, decoding and non-maximum suppression out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plates.event import Box, Detection, ObjectClass
from vision.port import Image, Letterbox, Tensor

STRIDE = 32
FILL = 114


def letterbox(image: Image, size: int) -> tuple[Image, Letterbox]:
    """The picture with its long side at `size`, padded right and below with grey to multiples of 32."""
    height, width = image.shape[:2]
    frame = Letterbox(size / max(height, width), width, height)
    inner = frame.inner
    method = cv2.INTER_AREA if frame.scale < 1 else cv2.INTER_LINEAR
    resized = image if inner == (width, height) else cv2.resize(image, inner, interpolation=method)
    canvas = np.full((_padded(inner[1]), _padded(inner[0]), 3), FILL, np.uint8)
    canvas[: inner[1], : inner[0]] = resized
    return canvas, frame


def _padded(side: int) -> int:
    return -(-side // STRIDE) * STRIDE


def to_tensor(canvases: Sequence[Image]) -> Tensor:
    """Equally large BGR pictures as RGB 0..1, [n, 3, height, width]."""
    return np.asarray(cv2.dnn.blobFromImages(list(canvases), 1 / 255, swapRB=True), np.float32)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Boxes of one picture before suppression.

    Corners [n, 4] as x1, y1, x2, y2 in original pixels, scores [n], and each one's class as an index [n].
    """

    corners: Tensor
    scores: Tensor
    kinds: npt.NDArray[np.intp]


def decode(head: Tensor, frame: Letterbox, min_score: float) -> Candidates:
    """What a raw YOLO head [4 + classes, anchors] says, clipped to the picture.

    The first four rows are centre x, centre y, width and height in pixels of the input, the others are
    probabilities of the classes.
    """
    scores = head[4:].max(axis=0)
    kept = np.flatnonzero(scores >= min_score)
    centred = head[:4, kept].T / frame.scale
    half = centred[:, 2:] / 2
    limit = np.array([frame.width, frame.height], np.float32)
    low = np.clip(centred[:, :2] - half, 0, limit)
    high = np.clip(centred[:, :2] + half, 0, limit)
    whole = ((high - low) >= 1).all(axis=1)
    corners = np.concatenate([low, high], axis=1)[whole]
    return Candidates(corners, scores[kept][whole], head[4:, kept].argmax(axis=0)[whole])


def detections(
    candidates: Sequence[Candidates], classes: Sequence[ObjectClass], max_iou: float, max_inside: float
) -> tuple[Detection, ...]:
    """The objects that remain of a picture's candidates, best first; several looks at it are merged.

    Of two boxes of one class whose IoU exceeds `max_iou` the better stays; of plates also where more than
    `max_inside` of the smaller one lies within the other: no plate carries another.
    """
    corners = np.concatenate([item.corners for item in candidates])
    scores = np.concatenate([item.scores for item in candidates])
    kinds = np.concatenate([item.kinds for item in candidates])
    inside = np.array([max_inside if name is ObjectClass.PLATE else 1.0 for name in classes], np.float32)
    chosen = suppress(corners, scores, kinds, max_iou, inside)
    return tuple(Detection(classes[int(kinds[i])], _box(corners[i]), float(scores[i])) for i in chosen)


def _box(corner: Tensor) -> Box:
    x1, y1, x2, y2 = (float(value) for value in corner)
    return Box(x1, y1, x2 - x1, y2 - y1)


def suppress(
    corners: Tensor, scores: Tensor, kinds: npt.NDArray[np.intp], max_iou: float, max_inside: Tensor
) -> list[int]:
    """Indices of the boxes [n, 4] (x1, y1, x2, y2) that stay, best first; `max_inside` is by class."""
    order = np.argsort(-scores, kind="stable")
    chosen: list[int] = []
    while len(order):
        best, order = int(order[0]), order[1:]
        chosen.append(best)
        overlap, inside = overlaps(corners[best], corners[order])
        apart = (overlap <= max_iou) & (inside <= max_inside[kinds[best]])
        order = order[apart | (kinds[order] != kinds[best])]
    return chosen


def overlaps(box: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """IoU of one box [4] with each of `others` [n, 4], and the share of the smaller one that is common."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    area = (box[2:] - box[:2]).prod()
    union = np.maximum(area + areas - common, 1e-9)
    return common / union, common / np.maximum(np.minimum(area, areas), 1e-9)
