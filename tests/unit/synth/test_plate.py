"""Drawn plates: repeatable, of the format they claim, with boxes that hold their characters."""

from __future__ import annotations

import re

import numpy as np
import pytest

from synth.degrade import photograph
from synth.plate import REGIONS, Plate, render_plate, styles_of


def draw(region: str, seed: int, text: str | None = None) -> Plate:
    return render_plate(region, text, np.random.default_rng(seed))


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_draws_readable_plates(region: str) -> None:
    """A plate of any region is a colour picture with A-Z and 0-9 for text and a box inside it a character."""
    for seed in range(4):
        plate = draw(region, seed)
        height, width = plate.image.shape[:2]
        assert (plate.image.dtype, plate.image.shape[2]) == (np.uint8, 3)
        assert re.fullmatch("[A-Z0-9]{1,12}", plate.text)
        assert plate.region == region
        assert plate.chars.shape == (len(plate.text), 4)
        assert (plate.chars[:, :2] >= -1).all()
        assert (plate.chars[:, 2:] <= (width + 1, height + 1)).all()
        assert (plate.chars[:, 2:] > plate.chars[:, :2]).all()


def test_same_seed_same_plate() -> None:
    """Equal seeds give equal pictures, other seeds give others."""
    assert np.array_equal(draw("us", 3).image, draw("us", 3).image)
    assert draw("us", 3).text != draw("us", 4).text


@pytest.mark.parametrize(
    ("region", "form"),
    [
        ("tn", r"\d{1,3}T\d{1,4}"),
        ("br", r"[A-Z]{3}\d[A-Z0-9]\d\d"),
        ("es", r"\d{4}[A-Z]{3}|M\d{4}[A-Z]{2}|B\d{4}[A-Z]{2}|GC\d{4}[A-Z]"),
        ("ar", r"[A-Z]{3}\d{3}|[A-Z]{2}\d{3}[A-Z]{2}|[A-Z]\d{3}[A-Z]{3}|\d{3}[A-Z]{3}"),
        ("ro", r"[A-Z]{1,2}\d{2,3}[A-Z]{3}|[A-Z]{2}\d{6}"),
    ],
)
def test_text_follows_the_regions_formats(region: str, form: str) -> None:
    """Random numbers have the shape the region uses."""
    for seed in range(20):
        assert re.fullmatch(form, draw(region, seed).text)


def test_a_given_text_is_drawn() -> None:
    """The number asked for is the number drawn, gaps and dashes left out of the text."""
    assert draw("us", 1, "ABC1234").text == "ABC1234"
    assert draw("de", 1, "B-XY 12").text == "BXY12"
    assert draw("tn", 1, "123T4567").text == "123T4567"


def test_bad_requests_say_what_was_wrong() -> None:
    """An unknown region and a text that no plate can carry are refused by name."""
    with pytest.raises(ValueError, match="atlantis"):
        styles_of("atlantis")
    with pytest.raises(ValueError, match="AB!"):
        draw("us", 1, "AB!")


def test_boxes_follow_the_camera() -> None:
    """After the camera the boxes still run from left to right, in pixels of the crop."""
    rng = np.random.default_rng(5)
    plate = render_plate("gb", "AB12CDE", rng)
    _, boxes = photograph(plate.image, plate.chars, rng)
    assert boxes.shape == (7, 4)
    if plate.lines == 1:
        assert (np.diff(boxes[:, 0]) > 0).all()
