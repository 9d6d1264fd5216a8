"""What the rest of the project asks of vision: find objects in pictures, read plates in crops, run tensors.

Pictures are `Image`: uint8, [height, width, 3], blue-green-red. Engines may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from plates.event import Detection, ModelInfo, PlateRead

Image = npt.NDArray[np.uint8]
Tensor = npt.NDArray[np.float32]


class VisionError(Exception):
    """A model or a picture cannot be used; the message names which one and why."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a picture was brought to the detector's size: original pixels = input pixels / scale."""

    scale: float
    width: int
    height: int

    @property
    def inner(self) -> tuple[int, int]:
        """Width and height of the picture in the input, without the padding."""
        return max(1, round(self.width * self.scale)), max(1, round(self.height * self.scale))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture at the detector's size, ready to be run in a batch.

    `canvas`: the network's input; `frame`: how it came from the picture; objects count from `min_score` on.
    """

    canvas: Image
    frame: Letterbox
    min_score: float

    @property
    def seen(self) -> Image:
        """The canvas without its padding."""
        width, height = self.frame.inner
        return self.canvas[:height, :width]


class DetectorEngine(Protocol):
    """Finds plates and vehicles."""

    @property
    def model(self) -> ModelInfo:
        """The model that answers, for provenance."""

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """The objects of each image, best first, boxes in that image's pixels."""


class BatchingDetector(DetectorEngine, Protocol):
    """A detector whose work can be split, so that pictures of many callers run together."""

    def prepare(self, image: Image, *, size: int = 0, min_score: float = 0.0) -> Prepared:
        """A picture made ready, so that it need not be kept; 0 means the engine's own size and score."""

    def detect_prepared(self, prepared: Sequence[Prepared]) -> list[tuple[Detection, ...]]:
        """The second half of `detect`, for pictures that were made ready one by one."""


class ReaderEngine(Protocol):
    """Reads number plates."""

    @property
    def model(self) -> ModelInfo:
        """The model that answers, for provenance."""

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """What each crop says; an empty text if nothing can be read."""


class Backend(Protocol):
    """Runs one network: an inference runtime with a model loaded into it."""

    @property
    def name(self) -> str:
        """The engine's name: openvino, onnxruntime or tensorrt."""

    @property
    def metadata(self) -> dict[str, str]:
        """What the model's file says of itself."""

    def run(self, batch: npt.NDArray[np.generic]) -> tuple[Tensor, ...]:
        """The network's outputs for an input [n, ...]; dtype as the network wants it."""
