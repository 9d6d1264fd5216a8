"""Characters that look alike on plates, and how often a reader takes one for the other.

The shares are defaults for a calibrated reader, by the similarity of the shapes in common plate typefaces;
they are replaced by a measured matrix when one is published with a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

GROUPS: tuple[str, ...] = ("0ODQ", "1I", "2Z", "5S", "6G", "8B")
"""Characters that count as equal when texts are compared with confusables; disjoint, the digit first."""

_PAIRS: tuple[tuple[str, str, float], ...] = (
    ("O", "0", 0.004),
    ("I", "1", 0.003),
    ("Q", "0", 0.0012),
    ("Q", "O", 0.0012),
    ("D", "0", 0.001),
    ("D", "O", 0.0008),
    ("B", "8", 0.0012),
    ("S", "5", 0.001),
    ("Z", "2", 0.001),
    ("G", "6", 0.0008),
    ("T", "1", 0.0002),
    ("T", "7", 0.0002),
    ("L", "1", 0.0002),
    ("J", "1", 0.0001),
    ("A", "4", 0.0002),
    ("C", "G", 0.0004),
    ("U", "V", 0.0004),
    ("V", "Y", 0.0002),
    ("M", "N", 0.0002),
    ("M", "H", 0.0002),
    ("E", "F", 0.0002),
    ("P", "R", 0.0002),
    ("3", "8", 0.0002),
    ("B", "R", 0.0001),
    ("K", "X", 0.0001),
)


def _table() -> Mapping[str, Mapping[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for one, other, share in _PAIRS:
        table.setdefault(one, {})[other] = share
        table.setdefault(other, {})[one] = share
    return MappingProxyType({char: MappingProxyType(others) for char, others in table.items()})


_TABLE = _table()
_NONE: Mapping[str, float] = MappingProxyType({})
_FOLD = str.maketrans({char: group[0] for group in GROUPS for char in group})


def confusables(char: str) -> Mapping[str, float]:
    """The characters that can be meant when a reader says `char`, each with its probability; empty if
    none."""
    return _TABLE.get(char, _NONE)


def fold(text: str) -> str:
    """`text` with each character replaced by the first of its group: equal for texts that look alike."""
    return text.translate(_FOLD)


def equal_folded(one: str, other: str) -> bool:
    """Whether two normalised texts differ in nothing but characters that look alike."""
    return fold(one) == fold(other)
