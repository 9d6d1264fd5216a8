"""The shipped readers on drawn plates: where their lines lie, and what they say."""

from __future__ import annotations

import numpy as np
import pytest

from synth.degrade import CLEAR, photograph
from synth.fonts import DEFAULT_FACES
from synth.plate import random_style, render_plate
from training.reader.spans import spans_of
from vision.models import ModelChoice, open_reader
from vision.plate_reader import SlotReader

PLATES = 40


@pytest.fixture(scope="module")
def reader() -> SlotReader:
    """The shipped slot reader."""
    found = open_reader(ModelChoice("plate-reader", threads=1))
    assert isinstance(found, SlotReader)
    return found


@pytest.mark.parametrize("region", ["us", "de", "br", "in", "tn"])
def test_the_lines_of_drawn_plates_are_found(reader: SlotReader, region: str) -> None:
    """Left, right, top and bottom of a line are off by a few hundredths of the crop, however it is turned."""
    rng = np.random.default_rng(7)
    off = []
    for _ in range(PLATES):
        plate = render_plate(None, None, rng, faces=DEFAULT_FACES, style=random_style(rng, region))
        crop, boxes = photograph(plate.image, plate.chars, rng, CLEAR)
        height, width = crop.shape[:2]
        truth = spans_of(boxes / np.array([width, height, width, height]))
        (read,), (spans,) = reader.read_and_place([crop])
        if read.lines == plate.lines:
            off.append(float(np.nanmean(np.abs(spans - truth))))
    assert len(off) >= 0.9 * PLATES
    assert np.median(off) < 0.03
