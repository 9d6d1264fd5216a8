"""Whether anything moved: an empty road is not worth searching. Pure but for the pictures it keeps."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.frame import Pixels
from edge.tuning import MotionTuning


class MotionGate:
    """One camera's gate. Costs about 0.2 ms for a 1080p frame."""

    def __init__(self, tuning: MotionTuning) -> None:
        self._tuning = tuning
        self._searched: NDArray[np.uint8] | None = None
        self._moved_at = float("-inf")
        self._searched_at = float("-inf")

    def opens(self, pixels: Pixels, at: float) -> bool:
        """Whether the frame taken at `at` (seconds) should be searched.

        It is compared with the last frame that was searched, so that a creeping vehicle is noticed as well.
        """
        if not self._tuning.enabled:
            return True
        small = self._small(pixels)
        if self._searched is None or self._searched.shape != small.shape or self._moved(small):
            self._moved_at = at
        due = at - self._searched_at >= self._tuning.max_quiet_s
        # a time that jumps back, as a stream does when it is opened anew, must not close the gate for long
        held = 0 <= at - self._moved_at <= self._tuning.hold_s
        if not (held or due or at < self._searched_at):
            return False
        self._searched, self._searched_at = small, at
        return True

    def _small(self, pixels: Pixels) -> NDArray[np.uint8]:
        height, width = pixels.shape[:2]
        # nearest rows and columns first: averaging all pixels of a large frame costs more than it is worth
        step = max(1, width // (2 * self._tuning.width_px))
        size = (self._tuning.width_px, max(1, round(self._tuning.width_px * height / width)))
        grey = cv2.cvtColor(np.ascontiguousarray(pixels[::step, ::step]), cv2.COLOR_BGR2GRAY)
        return np.asarray(cv2.blur(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), (3, 3)), np.uint8)

    def _moved(self, small: NDArray[np.uint8]) -> bool:
        assert self._searched is not None
        difference = small.astype(np.int16) - self._searched
        # clouds and the camera's own exposure change everything at once; vehicles do not
        difference -= np.int16(np.median(difference))
        changed = np.count_nonzero(np.abs(difference) >= self._tuning.threshold)
        return bool(changed >= self._tuning.min_share * difference.size)
