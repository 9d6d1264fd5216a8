"""Drawn plates on cars in a street, as a detector sees them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from plates.event import Box
from synth.plate import render_plate
from synth.street import paint_street
from vision.port import Image

WIDTH, HEIGHT = 640, 480


def scene(
    region: str, width: float, degrees: float, rng: np.random.Generator
) -> tuple[Image, Box, NDArray[np.float32]]:
    """A plate so wide (pixels) on a car's flat back in a street, its box, and its corners."""
    plate = render_plate(region, None, rng).image
    height = width * plate.shape[0] / plate.shape[1]
    canvas, _ = paint_street(WIDTH, HEIGHT, rng)
    x, y = WIDTH / 2 + rng.uniform(-10, 10), HEIGHT * 0.6
    body = cv2.boxPoints(((x, y - 0.8 * width), (3.2 * width, 3.0 * width), degrees)).astype(np.int32)
    cv2.fillConvexPoly(canvas, body, tuple(int(v) for v in rng.integers(20, 120, 3)), cv2.LINE_AA)
    corners = cv2.boxPoints(((x, y), (width, height), degrees)).astype(np.float32)
    source = np.array([[0, plate.shape[0]], [0, 0], [plate.shape[1], 0], plate.shape[1::-1]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners)
    shrunk = cv2.warpPerspective(plate, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
    mask = cv2.warpPerspective(np.full(plate.shape[:2], 255, np.uint8), matrix, (WIDTH, HEIGHT))
    canvas = np.where(mask[..., None] > 127, shrunk, canvas)
    (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
    picture = cv2.GaussianBlur(canvas, (3, 3), 0)
    box = Box(float(x0), float(y0), float(x1 - x0), float(y1 - y0))
    return np.asarray(picture, np.uint8), box, corners[[1, 2, 3, 0]]
