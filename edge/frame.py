"""What capture hands on: one picture of one camera, and when it was taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from plates.event import Clock

Pixels = NDArray[np.uint8]
"""Rows x columns x 3, blue, green, red, 8 bits each."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `sequence` counts from 0 for each camera; `single` marks a picture that belongs to no
    motion."""

    camera_id: str
    sequence: int
    captured_at: datetime
    clock: Clock
    pixels: Pixels
    single: bool = False

    @property
    def at(self) -> float:
        """When it was captured, seconds since 1970 by `clock`."""
        return self.captured_at.timestamp()

    @property
    def width(self) -> int:
        """Columns, pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows, pixels."""
        return int(self.pixels.shape[0])
