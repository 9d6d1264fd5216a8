"""Where a plate's lines of characters lie, from the boxes of its characters."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vision.plate_line import LINES, SPAN

Spans = NDArray[np.float32]
"""LINES by SPAN, as `vision.plate_line.lay_out` takes them."""


def spans_of(boxes: NDArray[np.floating]) -> Spans:
    """The lines of characters whose boxes (N, 4: x0, y0, x1, y1) follow in the order they are read.

    Gives float32 (LINES, SPAN) in the boxes' unit, NaN for a line there is not. A line begins where a
    character stands further left than the one before.
    """
    spans = np.full((LINES, SPAN), np.nan, np.float32)
    middles = boxes[:, [0, 2]].mean(axis=1)
    breaks = [0, *(i + 1 for i, (one, other) in enumerate(pairwise(middles)) if other < one), len(boxes)]
    if len(boxes) == 0 or len(breaks) > LINES + 1:
        return spans
    for index, (first, last) in enumerate(pairwise(breaks)):
        x0, y0, x1, y1 = np.asarray(boxes[first:last], np.float64).T
        x = (x0 + x1) / 2
        slope = float(np.polyfit(x, (y0 + y1) / 2, 1)[0]) if len(x) > 1 else 0.0
        top, bottom = (y0 - slope * x).min(), (y1 - slope * x).max()
        left, right = x0.min(), x1.max()
        ends = slope * np.array([left, right])
        spans[index] = [left, right, *(top + ends), *(bottom + ends)]
    return spans
