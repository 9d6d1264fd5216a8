"""What the pilot needs of its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.frame import Frame, Pixels
from plates.event import Detection, ModelInfo, PlateRead


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found in a frame, best first, and by which model."""

    detections: tuple[Detection, ...]
    model: ModelInfo | None


@dataclass(frozen=True, slots=True)
class Reads:
    """What the crops say, in their order, and which model read them."""

    reads: tuple[PlateRead, ...]
    model: ModelInfo | None


class DetectorClient(Protocol):
    """Finds vehicles and plates. Raises MeshError."""

    async def detect(self, frame: Frame) -> Detected:
        """The objects of a frame."""


class ReaderClient(Protocol):
    """Reads plates. Raises MeshError."""

    async def read(self, frame: Frame, crops: Sequence[Pixels], expected_regions: Sequence[str]) -> Reads:
        """What the crops, cut from this frame, say."""
