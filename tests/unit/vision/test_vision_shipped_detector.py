"""The shipped detector on drawn plates: from far away to near, turned, of two lines and square."""

from __future__ import annotations

import numpy as np
import pytest

from plates.event import ObjectClass
from tests.builders.street import WIDTH, scene
from vision.detector import DetectorSettings, YoloDetector
from vision.models import ModelChoice, open_detector

PICTURES = 8
FOUND = 0.5  # intersection over union


@pytest.fixture(scope="module")
def detector() -> YoloDetector:
    """The default detector with its default looks."""
    return open_detector(ModelChoice(threads=1))


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
