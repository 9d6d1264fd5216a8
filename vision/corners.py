"""Where the four corners of a detected plate lie: a small network looks at a cut round each box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from plates.event import Box, Detection
from vision.port import Backend, Image, Tensor

WIDTH, HEIGHT = 128, 64
"""Pixels of the network's input; a cut of any shape is stretched to it."""
AROUND = 0.35
"""How much of a box's sides is shown round it on each side."""
_BATCH = 16
"""Cuts that are looked at together; what TensorRT's engines are built for."""

Edges = tuple[float, float, float, float]


def region(box: npt.NDArray[np.float64]) -> Edges:
    """What is shown of a box, both as x1, y1, x2, y2 in pixels."""
    left, top, right, bottom = (float(value) for value in box)
    across, down = AROUND * (right - left), AROUND * (bottom - top)
    return left - across, top - down, right + across, bottom + down


def cut(image: Image, edges: Edges) -> Image:
    """That part of a picture as the network sees it; beyond the picture its last pixels go on."""
    left, top, right, bottom = edges
    wide, tall = right - left, bottom - top
    shrink = max(1, int(min(wide / WIDTH, tall / HEIGHT)))
    size = (WIDTH * shrink, HEIGHT * shrink)  # a plain warp of a large cut would alias
    matrix = np.array([[size[0] / wide, 0, 0], [0, size[1] / tall, 0]])
    matrix[:, 2] = -matrix[0, 0] * left, -matrix[1, 1] * top
    seen = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if shrink > 1:
        seen = cv2.resize(seen, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(seen, np.uint8)


@dataclass(frozen=True, slots=True)
class CornerSettings:
    """Which corners are believed.

    A box gets corners if it is at least `least` pixels wide in the look, no higher than `tall` of its width
    (others may be turned by a quarter), and the network says plate with at least `sure`.
    """

    least: float = 36.0
    tall: float = 1.25
    sure: float = 0.5


class CornerFinder:
    """Gives plates their corners, and boxes that fit."""

    def __init__(self, backend: Backend, settings: CornerSettings | None = None) -> None:
        self.settings = settings or CornerSettings()
        self._backend = backend

    def refine(self, image: Image, scale: float, plates: Sequence[Detection]) -> tuple[Detection, ...]:
        """The plates with corners where they were found, and boxes just round those.

        `image` is the picture at `scale`; boxes and corners are in pixels of the original.
        """
        chosen = [index for index, plate in enumerate(plates) if self._is_worth(plate.box, scale)]
        regions = [region(_scaled(plates[index].box, scale)) for index in chosen]
        refined = list(plates)
        for index, edges, (points, sure) in zip(chosen, regions, self._look(image, regions), strict=True):
            if sure >= self.settings.sure:
                refined[index] = _with_corners(plates[index], _placed(points, edges) / scale)
        return tuple(refined)

    def _is_worth(self, box: Box, scale: float) -> bool:
        return box.width * scale >= self.settings.least and box.height <= self.settings.tall * box.width

    def _look(self, image: Image, regions: Sequence[Edges]) -> Iterator[tuple[Tensor, float]]:
        for start in range(0, len(regions), _BATCH):
            cuts = np.stack([cut(image, edges) for edges in regions[start : start + _BATCH]])
            corners, sure = self._backend.run(cuts)
            yield from zip(corners, sure.tolist(), strict=True)


def _scaled(box: Box, scale: float) -> npt.NDArray[np.float64]:
    return scale * np.array([box.x, box.y, box.x + box.width, box.y + box.height])


def _placed(points: Tensor, edges: Edges) -> npt.NDArray[np.float64]:
    left, top, right, bottom = edges
    return np.asarray(points, np.float64) * [right - left, bottom - top] + [left, top]


def _with_corners(plate: Detection, quad: npt.NDArray[np.float64]) -> Detection:
    low, high = np.maximum(quad.min(0), 0), quad.max(0)
    if not cv2.isContourConvex(quad.astype(np.float32)) or (high - low).min() < 1:
        return plate
    box = Box(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    return replace(plate, box=box, corners=tuple((float(x), float(y)) for x, y in quad))
