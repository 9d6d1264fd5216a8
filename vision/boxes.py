"""The geometry round a YOLO detector: letterboxing in, decoding and non-maximum suppression out."""

from __future__ import annotations

from collections.abc import Sequence

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
    scale = size / max(height, width)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = image if inner == (width, height) else cv2.resize(image, inner, interpolation=method)
    canvas = np.full((_padded(inner[1]), _padded(inner[0]), 3), FILL, np.uint8)
    canvas[: inner[1], : inner[0]] = resized
    return canvas, Letterbox(scale, width, height)


def _padded(side: int) -> int:
    return -(-side // STRIDE) * STRIDE


def to_tensor(canvases: Sequence[Image]) -> Tensor:
    """Equally large BGR pictures as RGB 0..1, [n, 3, height, width]."""
    return np.asarray(cv2.dnn.blobFromImages(list(canvases), 1 / 255, swapRB=True), np.float32)


def decode(
    head: Tensor, frame: Letterbox, classes: Sequence[ObjectClass], min_score: float, max_iou: float
) -> tuple[Detection, ...]:
    """A raw YOLO head [4 + classes, anchors] as detections in original pixels, best first, clipped to them.

    The first four rows are centre x, centre y, width and height in pixels of the input, the others are
    probabilities. Suppression is per class: of two boxes whose IoU exceeds `max_iou` the better stays.
    """
    scores = head[4:].max(axis=0)
    kept = np.flatnonzero(scores >= min_score)
    scores = scores[kept]
    kinds = head[4:, kept].argmax(axis=0)
    corners = _corners(head[:4, kept].T / frame.scale, frame)
    chosen = suppress(corners, scores, kinds, max_iou)
    return tuple(
        Detection(classes[int(kinds[i])], _box(corners[i]), float(scores[i]))
        for i in chosen
        if (corners[i, 2:] - corners[i, :2] >= 1).all()
    )


def _corners(centred: Tensor, frame: Letterbox) -> Tensor:
    half = centred[:, 2:] / 2
    limit = np.array([frame.width, frame.height], np.float32)
    low = np.clip(centred[:, :2] - half, 0, limit)
    high = np.clip(centred[:, :2] + half, 0, limit)
    return np.concatenate([low, high], axis=1)


def _box(corner: Tensor) -> Box:
    x1, y1, x2, y2 = (float(value) for value in corner)
    return Box(x1, y1, x2 - x1, y2 - y1)


def suppress(corners: Tensor, scores: Tensor, kinds: npt.NDArray[np.intp], max_iou: float) -> list[int]:
    """Indices of the boxes [n, 4] (x1, y1, x2, y2) that stay, best first."""
    order = np.argsort(-scores, kind="stable")
    chosen: list[int] = []
    while len(order):
        best, order = int(order[0]), order[1:]
        chosen.append(best)
        overlap = ious(corners[best], corners[order])
        order = order[(overlap <= max_iou) | (kinds[order] != kinds[best])]
    return chosen


def ious(box: Tensor, others: Tensor) -> Tensor:
    """IoU of one box [4] with each of `others` [n, 4], corner form."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + areas - common
    return np.asarray(common / np.maximum(union, 1e-9), np.float32)
