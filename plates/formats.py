"""Which formats a text fits, among those of the world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from plates.pattern import Format, FormatMatch, FormatTable
from plates.regions import ALL

_TABLE = FormatTable(ALL)

FORMATS: Mapping[str, tuple[Format, ...]] = MappingProxyType(_TABLE.by_region)
"""The known formats by region."""


def match(text: str, regions: Iterable[str] | None = None) -> list[FormatMatch]:
    """The formats that `text` (normalised) fits, the commonest of their region first, then by name.

    `regions` restricts the search; a country stands for its states too.
    """
    return _TABLE.match(text, regions)


def describe(name: str) -> str:
    """The format of this name in a sentence for people; empty if there is none."""
    return _TABLE.describe(name)
