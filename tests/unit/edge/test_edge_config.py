"""Cameras and tuning are checked when they are read; errors name file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from edge_media import picture
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.cameras import Camera, Cameras, in_zone, inside
from edge.motion import MotionGate
from edge.settings import EdgeSettings, named
from edge.tuning import MotionTuning, Tuning
from mesh.settings import ConfigError, load_yaml
from plates.event import Box, Detection, ObjectClass

CONFIG = Path(__file__).resolve().parents[3] / "config"
SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))


def test_shipped_files_say_the_defaults() -> None:
    """The shipped tracking.yaml holds every value at its default, the shipped cameras.yaml no camera."""
    assert load_yaml(CONFIG / "tracking.yaml", Tuning) == Tuning()
    assert load_yaml(CONFIG / "cameras.yaml", Cameras) == Cameras()


def test_example_in_the_shipped_cameras_file_is_valid(tmp_path: Path) -> None:
    """The commented example works once its comment signs are taken away."""
    lines = (CONFIG / "cameras.yaml").read_text().splitlines()[1:]
    example = [line[2:] for line in lines if line.startswith("# ") and ":" in line]
    path = tmp_path / "cameras.yaml"
    path.write_text("\n".join(example))
    (camera,) = load_yaml(path, Cameras).cameras
    assert camera.id == "gate-1"
    assert camera.regions == ("de", "fr")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cameras:\n  - id: a b\n    source: x\n", "cameras.yaml:2: cameras.0.id"),
        ("cameras:\n  - id: a\n", "cameras.0.source"),
        ("cameras:\n  - {id: a, source: x}\n  - {id: a, source: y}\n", "'a' is given to two cameras"),
        ("cameras:\n  - {id: a, source: x, zone: [[0, 0], [1, 1]]}\n", "at least three corners"),
        ("cameras:\n  - {id: a, source: x, fps: 3}\n", "cameras.0.fps"),
    ],
)
def test_wrong_cameras_are_named(tmp_path: Path, text: str, message: str) -> None:
    """A camera that cannot be is told with file, line and field."""
    path = tmp_path / "cameras.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as failure:
        load_yaml(path, Cameras)
    assert message in str(failure.value)


def test_settings_check_their_files(tmp_path: Path) -> None:
    """Settings with a wrong file do not come to be."""
    path = tmp_path / "tracking.yaml"
    path.write_text("passes:\n  close_after_s: -1\n")
    with pytest.raises(ValidationError, match=r"tracking\.yaml:2: passes\.close_after_s"):
        EdgeSettings(home=tmp_path, tracking=path)


def test_source_takes_what_is_known_of_its_camera() -> None:
    """A source run as a known camera has that camera's regions and zone."""
    known = Camera(id="gate", source="rtsp://cam", regions=("de",), zone=SQUARE)
    (camera,) = named(["clip.mp4"], "gate", False, [known])
    assert (camera.source, camera.regions, camera.zone) == ("clip.mp4", ("de",), SQUARE)


def test_ids_of_sources_differ() -> None:
    """Sources of one name get ids of their own."""
    assert [c.id for c in named(["a/x.mp4", "b/x.mp4"], "", False, ())] == ["x", "x-2"]


@given(st.floats(0, 1), st.floats(0, 1))
def test_square_zone(x: float, y: float) -> None:
    """A point is in a square when both its coordinates are."""
    edge = any(abs(v - e) < 1e-9 for v in (x, y) for e in (0.25, 0.75))
    assert edge or inside((x, y), SQUARE) == (0.25 < x < 0.75 and 0.25 < y < 0.75)


def test_vehicles_stand_where_their_wheels_are() -> None:
    """A vehicle is in the zone by its lower edge, a plate by its middle."""
    high = Detection(ObjectClass.CAR, Box(40, 10, 20, 50), 0.9)
    low = Detection(ObjectClass.CAR, Box(40, 40, 20, 50), 0.9)
    plate = Detection(ObjectClass.PLATE, Box(45, 60, 10, 20), 0.9)
    assert in_zone([high, low, plate], SQUARE, 100, 100) == (high, plate)
    assert in_zone([low], (), 100, 100) == (low,)


def test_gate_opens_for_motion_and_now_and_then() -> None:
    """Still pictures are looked at now and then; motion opens the gate, and it stays open for a while."""
    gate = MotionGate(MotionTuning(hold_s=1, max_quiet_s=5))
    still, moved = picture(), picture(mark=60)
    opened = [t for t in range(20) if gate.opens(still, float(t))]
    assert opened == [0, 1, 6, 11, 16]
    assert gate.opens(moved, 20.0)
    assert gate.opens(moved, 20.9)
    assert not gate.opens(moved, 22.0)


def test_gate_notices_what_creeps_and_forgives_the_light() -> None:
    """Slow motion adds up to an opening; light that changes everywhere does not."""
    gate = MotionGate(MotionTuning(hold_s=0, max_quiet_s=600))
    assert gate.opens(picture(90, mark=20), 0.0)
    assert not any(gate.opens(picture(90 + t, mark=20), float(t)) for t in range(1, 6))
    creeping = [gate.opens(picture(90, mark=20 + t // 4), 10.0 + t) for t in range(40)]
    assert any(creeping)
    assert MotionGate(MotionTuning(enabled=False)).opens(picture(), 0.0)
