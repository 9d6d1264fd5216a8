"""The demo clip: its truth, and that the file holds what the truth says."""

from pathlib import Path

import av
import numpy as np
import pytest

from synth import clip
from synth.clip import FAR, FPS, FRAMES, NEAR, PARK_DISTANCE, ROLES, render_demo_clip


def test_the_cast_covers_what_the_demo_shows() -> None:
    """Several regions, one spoilt plate, one on the watchlist, one that parks, and no text twice."""
    assert len({role.region for role in ROLES}) >= 5
    assert sum(role.spoilt for role in ROLES) == 1
    assert sum(role.parks for role in ROLES) == 1
    assert sum(role.text == clip.WATCHLIST_TEXT for role in ROLES) == 1
    assert len({role.text for role in ROLES}) == len(ROLES)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.text)
def test_vehicles_move_one_way(role: clip.Role) -> None:
    """Approaching vehicles never recede, receding ones never approach, and all but the parked one leave."""
    metres = [d for d in (role.distance(i / FPS) for i in range(FRAMES)) if d is not None]
    steps = np.diff(metres)
    assert len(metres) > 2 * FPS
    assert (steps >= -1e-9).all() if role.rear else (steps <= 1e-9).all()
    assert min(metres) >= NEAR * 0.8
    assert max(metres) <= FAR
    ends = role.distance(FRAMES / FPS - 1 / FPS)
    assert ends == pytest.approx(PARK_DISTANCE) if role.parks else ends is None


def test_clip_is_written_and_repeatable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed gives the same file, of the promised size and rate, and the same truth."""
    monkeypatch.setattr(clip, "FRAMES", 12)
    truths = [render_demo_clip(tmp_path / name, seed=3) for name in ("a.mp4", "b.mp4")]
    assert truths[0] == truths[1]
    assert truths[0][0].text == ROLES[0].text
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == FPS
    assert len(frames) == 12
    assert frames[0].shape == (720, 1280, 3)
