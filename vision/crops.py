"""Cutting plates out of pictures, and how sharp they are."""

from __future__ import annotations

import cv2
import numpy as np

from plates.event import Box, Detection
from vision.port import Image

MARGIN = 0.06
_SHARPNESS_HEIGHT = 48
MUCH_LARGER = 1.5
"""Times its target size from which a picture is averaged down, not interpolated."""


def crop_plate(image: Image, detection: Detection, margin: float = MARGIN) -> Image:
    """The plate of a detection, wider by `margin` of its width and height on each side, rectified by corners.

    At least one pixel large. A view into `image` where there are no corners.
    """
    if len(detection.corners) == 4:
        return rectify(image, detection.corners, margin)
    return crop_box(image, detection.box, margin)


def crop_box(image: Image, box: Box, margin: float = 0.0) -> Image:
    """The picture under a box, wider by `margin` of its width and height on each side, clipped."""
    height, width = image.shape[:2]
    across, down = margin * box.width, margin * box.height
    left = int(np.clip(np.floor(box.x - across), 0, width - 1))
    top = int(np.clip(np.floor(box.y - down), 0, height - 1))
    right = int(np.clip(np.ceil(box.x + box.width + across), left + 1, width))
    bottom = int(np.clip(np.ceil(box.y + box.height + down), top + 1, height))
    return image[top:bottom, left:right]


def stretch(image: Image, width: int, height: int) -> Image:
    """The picture at that size whatever its shape, as networks take it: by area if it is much larger."""
    shrinks = image.shape[1] > MUCH_LARGER * width or image.shape[0] > MUCH_LARGER * height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def rectify(image: Image, corners: tuple[tuple[float, float], ...], margin: float = MARGIN) -> Image:
    """The quadrilateral of four corners (clockwise from the plate's top left) as an upright rectangle."""
    quad = np.array(corners, np.float32)
    width = max(1.0, float(np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2)
    height = max(1.0, float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2)
    across, down = margin * width, margin * height
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    target += np.array([across, down], np.float32)
    size = (max(1, round(width + 2 * across)), max(1, round(height + 2 * down)))
    matrix = cv2.getPerspectiveTransform(quad, target)
    return np.asarray(cv2.warpPerspective(image, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def sharpness(crop: Image) -> float:
    """How sharp a crop is, 0..1, comparable across sizes.

    Variance of the Laplacian at a common height of 48 px over the variance of the grey values, squashed.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    width = max(1, round(grey.shape[1] * _SHARPNESS_HEIGHT / grey.shape[0]))
    grey = cv2.resize(grey, (width, _SHARPNESS_HEIGHT), interpolation=cv2.INTER_AREA)
    contrast = float(grey.var())
    edges = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    return edges / (edges + 2 * contrast + 25.0)
