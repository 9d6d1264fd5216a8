"""Notices a stream that comes but shows nothing new: same times, same picture, or black. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from edge.frame import Pixels

# Darker than this everywhere, in grey values, is black: lens cap, dead sensor. Night has lamps and noise.
_BLACK_LEVEL = 16
# Pixels looked at: every n-th row and column, about this many a side.
_SAMPLES = 64


class Stall(str, Enum):
    """What is wrong with a stream that still comes."""

    SAME_TIME = "same_time"
    SAME_PICTURE = "same_picture"
    BLACK = "black"


@dataclass(slots=True)
class FreezeWatch:
    """Looks at every picture. Limits in seconds of wall time; 0 switches one off."""

    same_time_s: float = 5.0
    same_picture_s: float = 30.0
    black_s: float = 30.0
    _position: float | None = None
    _sample: Pixels | None = None
    _since: dict[Stall, float] = field(default_factory=dict)

    def look(self, pixels: Pixels, position: float | None, now: float) -> Stall | None:
        """What has been wrong for longer than allowed; None if all is well. `now` in seconds, never
        backwards."""
        sample = np.array(
            pixels[:: max(1, pixels.shape[0] // _SAMPLES), :: max(1, pixels.shape[1] // _SAMPLES)]
        )
        same_time = position is not None and position == self._position
        same_picture = self._sample is not None and np.array_equal(sample, self._sample)
        self._position, self._sample = position, sample
        stalls = (
            (Stall.SAME_TIME, same_time, self.same_time_s),
            (Stall.BLACK, int(sample.max()) < _BLACK_LEVEL, self.black_s),
            (Stall.SAME_PICTURE, same_picture, self.same_picture_s),
        )
        found: Stall | None = None
        for stall, seen, limit in stalls:
            if not seen:
                self._since.pop(stall, None)
            elif now - self._since.setdefault(stall, now) >= limit > 0 and found is None:
                found = stall
        return found

    def reset(self) -> None:
        """Forgets what was seen: the stream was opened anew."""
        self._position = self._sample = None
        self._since.clear()
