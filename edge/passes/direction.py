"""Where a vehicle went, as the camera sees it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from plates.event import Box, Direction

# A vehicle whose box grows or shrinks by this factor comes or goes.
_GROWTH = 1.25
# Otherwise it must move by this share of its own width to have a direction at all.
_SHIFT = 0.5
_STILL_SHIFT = 0.2
_STILL_GROWTH = 1.12


def direction(path: Sequence[tuple[float, Box]]) -> Direction:
    """The direction of a path of (time in seconds, box in pixels), in order of time; UNKNOWN if it is too
    short."""
    if len(path) < 3:
        return Direction.UNKNOWN
    first, last = path[0][1], path[-1][1]
    size = max(1.0, (first.width + last.width) / 2)
    shift = (last.center[0] - first.center[0]) / size
    drop = (last.center[1] - first.center[1]) / max(1.0, (first.height + last.height) / 2)
    # the diagonal changes less than width or height when a vehicle turns
    growth = _diagonal(last) / max(1.0, _diagonal(first))
    if abs(shift) < _STILL_SHIFT and abs(drop) < _STILL_SHIFT and 1 / _STILL_GROWTH < growth < _STILL_GROWTH:
        return Direction.STATIONARY
    if growth >= _GROWTH and abs(shift) < 4 * growth:
        return Direction.APPROACHING
    if growth <= 1 / _GROWTH and abs(shift) < 4 / growth:
        return Direction.RECEDING
    if abs(shift) >= _SHIFT and abs(shift) >= abs(drop):
        return Direction.RIGHT if shift > 0 else Direction.LEFT
    # seen from above, it comes when it moves down the picture
    if abs(drop) >= _SHIFT:
        return Direction.APPROACHING if drop > 0 else Direction.RECEDING
    return Direction.UNKNOWN


def _diagonal(box: Box) -> float:
    return float((box.width**2 + box.height**2) ** 0.5)
