"""The OpenVINO backend."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.builders.tiny_onnx import tiny_detector
from vision.backends.openvino import OFTEN, OWN_SHAPES, OpenVinoBackend
from vision.port import Tensor


def batch(pictures: int, light: float = 0.5) -> Tensor:
    """Equal inputs for the tiny detector."""
    return np.full((pictures, 3, 64, 128), light, np.float32)


def test_a_shape_that_comes_often_is_answered_as_before(tmp_path: Path) -> None:
    """Whether a network was compiled for a shape alone or not, its answers are the same."""
    backend = OpenVinoBackend(tiny_detector(tmp_path / "tiny.onnx"), threads=1)
    (first,) = backend.run(batch(2))
    for _ in range(OFTEN + 2):
        (again,) = backend.run(batch(2))
        (single,) = backend.run(batch(1))
    assert again == pytest.approx(first)
    assert single == pytest.approx(first[:1])


def test_more_shapes_than_get_networks_are_answered(tmp_path: Path) -> None:
    """Shapes beyond those with a network of their own are served by the one for any shape."""
    backend = OpenVinoBackend(tiny_detector(tmp_path / "tiny.onnx"), threads=1)
    for pictures in range(1, OWN_SHAPES + 4):
        for _ in range(OFTEN + 1):
            (heads,) = backend.run(batch(pictures))
        assert len(heads) == pictures


def test_callers_at_once_get_their_own_answers(tmp_path: Path) -> None:
    """Callers of two shapes and many lights do not mix, also while a network is being compiled."""
    backend = OpenVinoBackend(tiny_detector(tmp_path / "tiny.onnx"), threads=1, streams=2)
    lights = [number / 200 for number in range(200)]
    alone = [backend.run(batch(1 + number % 2, light))[0] for number, light in enumerate(lights[:20])]
    with ThreadPoolExecutor(8) as pool:
        jobs = [batch(1 + number % 2, light) for number, light in enumerate(lights)]
        answers = [heads for (heads,) in pool.map(backend.run, jobs)]
    assert [len(heads) for heads in answers] == [1, 2] * 100
    for heads, wanted in zip(answers, alone, strict=False):
        assert heads == pytest.approx(wanted)
