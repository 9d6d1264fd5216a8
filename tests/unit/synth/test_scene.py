"""Synthetic scenes: repeatable, and labelled truthfully."""

import numpy as np
import pytest

from synth.scene import cast, render_scene, stand
from synth.vehicle import SHAPES, draw_vehicle

SEEDS = range(6)


def test_same_seed_same_scene() -> None:
    """A scene depends on its generator alone."""
    first, second = (render_scene(np.random.default_rng(5), (320, 240)) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert [p.text for p in first.plates] == [p.text for p in second.plates]


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_lie_inside_the_picture(seed: int) -> None:
    """Every labelled box is a real area inside the picture."""
    scene = render_scene(np.random.default_rng(seed), (320, 240))
    assert scene.image.shape == (240, 320, 3)
    for box in [p.box for p in scene.plates] + [v.box for v in scene.vehicles]:
        x1, y1, x2, y2 = box
        assert 0 <= x1 < x2 <= 320
        assert 0 <= y1 < y2 <= 240


@pytest.mark.parametrize("seed", SEEDS)
def test_every_plate_belongs_to_a_vehicle(seed: int) -> None:
    """A labelled plate's middle lies inside a labelled vehicle, and its corners inside its box."""
    scene = render_scene(np.random.default_rng(seed), (320, 240))
    for plate in scene.plates:
        x, y = plate.corners.mean(0)
        assert any(v.box[0] <= x <= v.box[2] and v.box[1] <= y <= v.box[3] for v in scene.vehicles)
        assert np.allclose(plate.corners.min(0), plate.box[:2], atol=1e-3)
        assert np.allclose(plate.corners.max(0), plate.box[2:], atol=1e-3)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("rear", [False, True])
def test_every_kind_of_vehicle_wears_a_plate(kind: str, rear: bool) -> None:
    """Each drawing has a body, and room for the plate inside that body."""
    vehicle = draw_vehicle(kind, rear, np.random.default_rng(1))
    x1, y1, x2, y2 = vehicle.body
    assert x2 > x1
    assert y2 > y1
    assert (vehicle.plate >= [x1, y1]).all()
    assert (vehicle.plate <= [x2, y2]).all()


def test_cast_keeps_the_text_it_is_given() -> None:
    """An actor wears the plate it was told to wear."""
    actor = cast("sedan", True, "gb", "OV24RLP", np.random.default_rng(2))
    assert (actor.text, actor.region) == ("OV24RLP", "gb")


def test_a_vehicle_stands_where_it_is_put() -> None:
    """The middle of the drawing's foot maps to the point asked for."""
    vehicle = draw_vehicle("suv", False, np.random.default_rng(3))
    height, width = vehicle.image.shape[:2]
    foot = stand(vehicle, 100.0, 200.0, 50.0, yaw=0.3) @ np.array([width / 2, height, 1.0])
    assert foot[:2] / foot[2] == pytest.approx([100.0, 200.0])
