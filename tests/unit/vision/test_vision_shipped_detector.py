"""The shipped detector on drawn plates: from far away to near, turned, of two lines and square."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from plates.event import Box, ObjectClass
from synth.plate import render_plate
from synth.street import paint_street
from vision.detector import DetectorSettings, YoloDetector
from vision.models import ModelChoice, open_detector
from vision.port import Image

WIDTH, HEIGHT = 640, 480
PICTURES = 8
FOUND = 0.5  # intersection over union


@pytest.fixture(scope="module")
def detector() -> YoloDetector:
    """The default detector with its default looks."""
    return open_detector(ModelChoice(threads=1))


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


def found(detector: YoloDetector, region: str, width: float, degrees: float = 0.0) -> int:
    """In how many of the pictures the plate is found."""
    count = 0
    for seed in range(PICTURES):
        picture, box, _ = scene(region, width, degrees, np.random.default_rng([seed, round(width)]))
        (objects,) = detector.detect([picture])
        plates = [item.box for item in objects if item.object_class is ObjectClass.PLATE]
        count += any(plate.iou(box) >= FOUND for plate in plates)
    return count


REGIONS = ("es", "us", "in", "br", "tn")


@pytest.mark.parametrize("width", [40, 80, 160, 0.6 * WIDTH])
def test_plates_are_found_from_forty_pixels_to_most_of_the_picture(
    detector: YoloDetector, width: float
) -> None:
    """Oblong, nearly square and two-line plates of several countries are found nearly always."""
    counts = {region: found(detector, region, width) for region in REGIONS}
    assert min(counts.values()) >= PICTURES - 2, counts


@pytest.mark.parametrize("degrees", [15, 30, -30])
def test_turned_plates_are_found(detector: YoloDetector, degrees: float) -> None:
    """A plate turned by up to thirty degrees is found like an upright one."""
    counts = {region: found(detector, region, 120, degrees) for region in REGIONS}
    assert min(counts.values()) >= PICTURES - 1, counts


@pytest.mark.parametrize(("width", "share"), [(20, 0.5), (28, 0.85)])
def test_small_plates_are_found_in_an_input_as_large_as_the_picture(width: float, share: float) -> None:
    """Twenty pixels are the limit: of plates so narrow half are found where nothing is shrunk, of those of
    twenty-eight pixels most."""
    detector = open_detector(ModelChoice(threads=1), DetectorSettings(size=WIDTH))
    counts = {region: found(detector, region, width) for region in REGIONS}
    assert sum(counts.values()) >= share * PICTURES * len(REGIONS), counts
