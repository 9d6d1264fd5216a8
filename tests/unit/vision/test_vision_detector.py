"""The detector's looks at a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from tests.builders.vision import detector, picture
from vision.detector import YoloDetector
from vision.port import Backend, Tensor


class CountingBackend:
    """Keeps how many pictures each run of the network had."""

    def __init__(self, inner: Backend) -> None:
        self.name, self.metadata = inner.name, inner.metadata
        self.inner = inner
        self.batches: list[int] = []

    def run(self, batch: npt.NDArray[np.generic]) -> tuple[Tensor, ...]:
        """As the network does."""
        self.batches.append(len(batch))
        return self.inner.run(batch)


class Blind:
    """A network for any size that sees nothing."""

    name = "blind"
    metadata: ClassVar[dict[str, str]] = {}

    def run(self, batch: npt.NDArray[np.generic]) -> tuple[Tensor, ...]:
        """A head of one anchor without a score."""
        return (np.zeros((len(batch), 6, 1), np.float32),)


def looking_twice(folder: Path, sure: float) -> tuple[YoloDetector, CountingBackend]:
    """The tiny detector, whose network takes one size only, with a second look of that size."""
    engine = detector(folder)
    backend = CountingBackend(engine._backend)
    settings = replace(engine.settings, scales=(1.0, 1.0), sure=sure)
    return YoloDetector(backend, engine.model, engine._classes, settings), backend


def test_only_pictures_without_a_sure_plate_are_looked_at_again(tmp_path: Path) -> None:
    """Of a batch the picture whose plate is sure is looked at once, the other twice."""
    engine, backend = looking_twice(tmp_path, sure=0.5)
    clear, empty = engine.detect([picture((0, 0)), picture()])
    assert (len(clear), len(empty)) == (1, 0)
    assert backend.batches == [2, 1]


def test_all_looks_are_taken_where_no_score_is_sure(tmp_path: Path) -> None:
    """With a score that none reaches each picture is looked at for every scale, and the boxes are merged."""
    engine, backend = looking_twice(tmp_path, sure=1.1)
    (found,) = engine.detect([picture((0, 0))])
    assert len(found) == 1
    assert backend.batches == [1, 1]


@pytest.mark.parametrize("shape", [(1, 2000, 3), (2000, 1, 3), (1, 1, 3)])
def test_the_thinnest_pictures_are_looked_at_twice(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    """A picture of which the network's input has less than a pixel of height breaks no look."""
    engine = detector(tmp_path)
    settings = replace(engine.settings, size=32, scales=(1.0, 0.5), sure=1.1)
    twice = YoloDetector(Blind(), engine.model, engine._classes, settings)
    assert twice.detect([np.zeros(shape, np.uint8)]) == [()]


def test_no_pictures_are_no_work(tmp_path: Path) -> None:
    """An empty batch has an empty answer."""
    engine, backend = looking_twice(tmp_path, sure=0.5)
    assert engine.detect([]) == []
    assert backend.batches == []
