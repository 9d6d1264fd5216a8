"""Characters like those struck into American plates, drawn as strokes: narrow, rounded, of even weight.

No typeface is copied: each die is a draw of width, stroke, roundness and of the forms a character can take
(an open 4, a 7 with a bent stem, a hook on the 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

DIES = 40
"""How many dies there are."""

_FINE = 4
_STEPS = np.linspace(0, 1, 9)[:, None]

Point = tuple[float, float]
Path = list[tuple[float, float, float]]


@dataclass(frozen=True)
class Die:
    """Lengths in parts of the cap height. `forms` chooses among the forms of a character, by its name."""

    width: float
    stroke: float
    round: float
    forms: dict[str, int]


@lru_cache(maxsize=DIES)
def die(number: int) -> Die:
    """A die by number; the same number gives the same die."""
    rng = np.random.default_rng([7, number])
    return Die(
        width=float(rng.uniform(0.26, 0.54)),
        stroke=float(rng.uniform(0.08, 0.15)),
        round=float(rng.uniform(0.55, 1.0)),
        forms={char: int(rng.integers(12)) for char in "1234679AGIJMOWQZ"},
    )


def die_mask(number: int, char: str, height: int, above: int, below: int) -> NDArray[np.uint8]:
    """Ink of a character: capitals `height` pixels high, rows above and below, cut tight at the sides."""
    shape = die(number)
    paths = _paths(char, shape.forms.get(char, 0))
    if paths is None:
        return np.zeros((height + above + below, height // 2), np.uint8)
    thick = shape.stroke * height * _FINE
    wide = shape.width * _WIDTHS.get(char, 1.0) * height * _FINE
    size = np.array([wide, height * _FINE - thick])
    pad = round(thick + 4 * _FINE)
    canvas = np.zeros(((height + above + below) * _FINE, int(wide) + 2 * pad), np.uint8)
    origin = np.array([pad, above * _FINE + thick / 2])
    for path in paths:
        points = np.round((_rounded(path, shape.round, size) + origin) * 16).astype(np.int32)
        cv2.polylines(canvas, [points], False, (255,), max(round(thick), 1), cv2.LINE_AA, 4)
    small = cv2.resize(canvas, None, fx=1 / _FINE, fy=1 / _FINE, interpolation=cv2.INTER_AREA)
    columns = np.flatnonzero(small.max(axis=0) > 40)
    return np.ascontiguousarray(small[:, columns[0] : columns[-1] + 1].astype(np.uint8))


def _rounded(path: Path, roundness: float, size: NDArray[Any]) -> NDArray[np.float64]:
    """Points of a path whose corners are rounded by the third number, 0 to 1, of what there is room for."""
    corners = np.array([point[:2] for point in path]) * size
    lengths = np.maximum(np.linalg.norm(np.diff(corners, axis=0), axis=1), 1e-6)
    room = lengths / 2
    room[[0, -1]] = lengths[[0, -1]]  # the first and the last stroke have one corner only
    out, t = [corners[:1]], _STEPS
    for index, (_, _, bend) in enumerate(path[1:-1]):
        before, corner, after = corners[index : index + 3]
        reach = bend * roundness * min(0.5 * float(size[0]), *room[index : index + 2])
        start = corner + (before - corner) * reach / lengths[index]
        end = corner + (after - corner) * reach / lengths[index + 1]
        out.append((1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * end)
    return np.concatenate([*out, corners[-1:]])


def _line(*points: Point, bend: float = 0.0) -> Path:
    return [(x, y, bend) for x, y in points]


def _ring(left: float, top: float, right: float, bottom: float, bend: float = 1.0) -> Path:
    """A closed box with round corners, begun in the middle of its upper side."""
    middle = (left + right) / 2
    return _line(
        (middle, top), (right, top), (right, bottom), (left, bottom), (left, top), (middle, top), bend=bend
    )


_WIDTHS = {"M": 1.25, "W": 1.3, "N": 1.05, "I": 0.45, "1": 0.5, "Q": 1.05, "O": 1.06, "A": 1.1, "V": 1.1}


def _paths(char: str, form: int) -> list[Path] | None:
    found = _FORMS.get(char)
    return None if found is None else found[form % len(found)]


_BOWL: Path = [(0.0, 0.0, 0.0), (0.92, 0.0, 1.0), (0.92, 0.48, 1.0), (0.0, 0.48, 0.0)]
_SIX: list[Path] = [
    [(0.95, 0.2, 0), (0.95, 0, 1), (0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 0.45, 1), (0, 0.45, 1), (0, 0.6, 0)]
]
_SIX_STRAIGHT: list[Path] = [_line((0.72, 0), (0.04, 0.62)), _ring(0, 0.44, 1, 1)]


def _turned(paths: list[Path]) -> list[Path]:
    return [[(1 - x, 1 - y, bend) for x, y, bend in path] for path in paths]


_FORMS: dict[str, list[list[Path]]] = {
    "0": [[_ring(0, 0, 1, 1)]],
    "1": [
        [_line((0.0, 0.2), (0.7, 0), (0.7, 1))],
        [_line((0.0, 0.2), (0.5, 0), (0.5, 1)), _line((0, 1), (1, 1))],
    ],
    "2": [
        [[(0, 0.24, 0), (0, 0, 1), (1, 0, 1), (1, 0.36, 0.8), (0, 1, 0), (1, 1, 0)]],
        [[(0, 0.14, 0), (0, 0, 1), (1, 0, 1), (1, 0.3, 0.9), (0, 1, 0), (1, 1, 0)]],
        [[(0.04, 0.1, 0), (0, 0, 1), (1, 0, 1), (1, 0.22, 0.9), (0, 1, 0), (1, 1, 0)]],
        [[(0, 0.2, 0), (0, 0, 1), (1, 0, 1), (1, 0.5, 1), (0, 0.62, 1), (0, 1, 0), (1, 1, 0)]],
    ],
    "3": [
        [
            [(0, 0.2, 0), (0, 0, 1), (0.95, 0, 1), (0.95, 0.47, 1), (0.4, 0.47, 0)],
            [(0.4, 0.47, 0), (1, 0.47, 1), (1, 1, 1), (0, 1, 1), (0, 0.8, 0)],
        ],
        [[(0, 0, 0), (1, 0, 0), (0.4, 0.4, 0), (1, 0.4, 1), (1, 1, 1), (0, 1, 1), (0, 0.82, 0)]],
    ],
    "4": [
        [_line((0.76, 1), (0.76, 0), (0, 0.7), (1, 0.7))],
        [_line((0.4, 0), (0, 0.66), (1, 0.66)), _line((0.74, 0.36), (0.74, 1))],
    ],
    "5": [[[(0.94, 0, 0), (0.06, 0, 0), (0.03, 0.44, 0.3), (1, 0.4, 1), (1, 1, 1), (0, 1, 1), (0, 0.8, 0)]]],
    "6": [_SIX, _SIX_STRAIGHT],
    "7": [
        [_line((0, 0), (1, 0), (0.3, 1))],
        [[(0, 0, 0), (1, 0, 0), (1, 0.2, 1), (0.34, 0.6, 1), (0.34, 1, 0)]],
    ],
    "8": [[_ring(0.05, 0, 0.95, 0.47), _ring(0, 0.47, 1, 1)]],
    "9": [_turned(_SIX), _turned(_SIX_STRAIGHT)],
    "A": [
        [_line((0, 1), (0.5, 0), (1, 1)), _line((0.17, 0.68), (0.83, 0.68))],
        [_line((0, 1), (0.4, 0), (0.6, 0), (1, 1)), _line((0.13, 0.7), (0.87, 0.7))],
    ],
    "B": [[_BOWL, _line((0, 0), (0, 1)), [(0, 0.48, 0), (1, 0.48, 1), (1, 1, 1), (0, 1, 0)]]],
    "C": [[_line((1, 0.28), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0.72), bend=1)]],
    "D": [[[(0, 0.5, 0), (0, 0, 0), (1, 0, 1), (1, 1, 1), (0, 1, 0), (0, 0.5, 0)]]],
    "E": [[_line((1, 0), (0, 0), (0, 1), (1, 1)), _line((0, 0.48), (0.8, 0.48))]],
    "F": [[_line((1, 0), (0, 0), (0, 1)), _line((0, 0.5), (0.8, 0.5))]],
    "G": [
        [_line((1, 0.28), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0.56), bend=1), _line((1, 0.56), (0.55, 0.56))],
        [_line((1, 0.28), (1, 0), (0, 0), (0, 1), (1, 1), bend=1), _line((1, 1), (1, 0.56), (0.55, 0.56))],
    ],
    "H": [[_line((0, 0), (0, 1)), _line((1, 0), (1, 1)), _line((0, 0.48), (1, 0.48))]],
    "I": [
        [_line((0.5, 0), (0.5, 1))],
        [_line((0.5, 0), (0.5, 1)), _line((0, 0), (1, 0)), _line((0, 1), (1, 1))],
    ],
    "J": [
        [[(1, 0, 0), (1, 1, 1), (0, 1, 1), (0, 0.7, 0)]],
        [[(0.5, 0, 0), (1, 0, 0), (1, 1, 1), (0, 1, 1), (0, 0.7, 0)]],
    ],
    "K": [[_line((0, 0), (0, 1)), _line((1, 0), (0, 0.6)), _line((0.32, 0.42), (1, 1))]],
    "L": [[_line((0, 0), (0, 1), (1, 1))]],
    "M": [
        [_line((0, 1), (0, 0), (0.5, 0.6), (1, 0), (1, 1))],
        [_line((0, 1), (0, 0), (0.5, 1), (1, 0), (1, 1))],
    ],
    "N": [[_line((0, 1), (0, 0), (1, 1), (1, 0))]],
    "O": [[_ring(0, 0, 1, 1)], [_ring(0, 0, 1, 1, 0.9)]],
    "P": [[_line((0, 0), (0, 1)), [(0, 0, 0), (1, 0, 1), (1, 0.54, 1), (0, 0.54, 0)]]],
    "Q": [
        [_ring(0, 0, 1, 1), _line((0.55, 0.72), (1.05, 1.06))],
        [_ring(0, 0, 1, 1), _line((0.62, 0.8), (0.95, 1.14))],
    ],
    "R": [
        [
            _line((0, 0), (0, 1)),
            [(0, 0, 0), (1, 0, 1), (1, 0.52, 1), (0, 0.52, 0)],
            _line((0.48, 0.52), (1, 1)),
        ]
    ],
    "S": [[_line((1, 0.24), (1, 0), (0, 0), (0, 0.46), (1, 0.54), (1, 1), (0, 1), (0, 0.76), bend=1)]],
    "T": [[_line((0, 0), (1, 0)), _line((0.5, 0), (0.5, 1))]],
    "U": [[_line((0, 0), (0, 1), (1, 1), (1, 0), bend=1)]],
    "V": [[_line((0, 0), (0.5, 1), (1, 0))]],
    "W": [
        [_line((0, 0), (0.25, 1), (0.5, 0.2), (0.75, 1), (1, 0))],
        [_line((0, 0), (0.04, 1), (0.5, 0.4), (0.96, 1), (1, 0))],
    ],
    "X": [[_line((0, 0), (1, 1)), _line((1, 0), (0, 1))]],
    "Y": [[_line((0, 0), (0.5, 0.5), (1, 0)), _line((0.5, 0.5), (0.5, 1))]],
    "Z": [[_line((0, 0), (1, 0), (0, 1), (1, 1))], [_line((0.04, 0), (0.96, 0), (0, 1), (1, 1))]],
}
