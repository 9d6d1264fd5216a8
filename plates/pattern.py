"""A small language for the forms of plates' texts, and a table that finds the forms a text fits.

A pattern is a run of symbols: ``L`` a letter of the format's alphabet, ``D`` a digit, ``N`` a digit but 0,
``A`` either, ``V`` a letter of the format's second alphabet, ``<name>`` one of the format's codes (a county,
a district), a lower-case letter or a digit itself. A symbol may be followed by ``?`` or ``{m,n}``. The forms
themselves stand in `plates.regions`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

from plates.text import DIGITS, LETTERS

_TOKEN = re.compile(r"(<[a-z]+>|[LDNAVa-z0-9])(\?|\{(\d),(\d)\})?")
_MASK = str.maketrans({**dict.fromkeys(DIGITS, "D"), **dict.fromkeys(LETTERS, "L")})


@dataclass(frozen=True)
class Format:
    """One form of text that a region issues.

    `weight` is how common it is within the region; `codes` gives the lists that `<name>` stands for.
    """

    name: str
    region: str
    description: str
    patterns: tuple[str, ...]
    letters: str = LETTERS
    second: str = LETTERS
    codes: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0

    @cached_property
    def expression(self) -> re.Pattern[str]:
        """The patterns as one regular expression over the whole text."""
        return re.compile("|".join(self._expression(pattern) for pattern in self.patterns))

    @cached_property
    def masks(self) -> frozenset[str]:
        """Every sequence of L (letter) and D (digit) that a fitting text can have."""
        return frozenset(mask for pattern in self.patterns for mask in self._masks(pattern))

    @cached_property
    def size(self) -> int:
        """How many texts have this format; those that fit two patterns count twice."""
        return sum(self._size(pattern) for pattern in self.patterns)

    def fits(self, text: str) -> bool:
        """Whether `text` (normalised) has this format."""
        return self.expression.fullmatch(text) is not None

    def _expression(self, pattern: str) -> str:
        parts = []
        for symbol, least, most in _tokens(pattern):
            one = self._symbol(symbol)
            parts.append(one if (least, most) == (1, 1) else f"{one}{{{least},{most}}}")
        return "".join(parts)

    def _size(self, pattern: str) -> int:
        return math.prod(
            sum(self._choices(symbol) ** count for count in range(least, most + 1))
            for symbol, least, most in _tokens(pattern)
        )

    def _choices(self, symbol: str) -> int:
        if symbol.startswith("<"):
            return len(self._codes(symbol))
        return {
            "L": len(self.letters),
            "V": len(self.second),
            "D": 10,
            "N": 9,
            "A": 10 + len(self.letters),
        }.get(symbol, 1)

    def _symbol(self, symbol: str) -> str:
        classes = {"L": f"[{self.letters}]", "V": f"[{self.second}]", "D": "[0-9]", "N": "[1-9]"}
        if symbol == "A":
            return f"[0-9{self.letters}]"
        if symbol.startswith("<"):
            return f"(?:{'|'.join(self._codes(symbol))})"
        return classes.get(symbol, symbol.upper())

    def _codes(self, symbol: str) -> list[str]:
        return self.codes[symbol[1:-1]].split()

    def _masks(self, pattern: str) -> set[str]:
        choices = []
        for symbol, least, most in _tokens(pattern):
            if symbol.startswith("<"):
                kinds = {code.translate(_MASK) for code in self._codes(symbol)}
            elif symbol == "A":
                kinds = {"L", "D"}
            else:
                kinds = {"D" if symbol in "DN" or symbol.isdigit() else "L"}
            choices.append(
                {"".join(run) for count in range(least, most + 1) for run in product(kinds, repeat=count)}
            )
        return {"".join(parts) for parts in product(*choices)}


def _tokens(pattern: str) -> list[tuple[str, int, int]]:
    """The symbols of a pattern with how often each may stand; ValueError for anything else."""
    tokens, position = [], 0
    while position < len(pattern):
        match = _TOKEN.match(pattern, position)
        if match is None:
            raise ValueError(f"pattern {pattern!r}: {pattern[position:]!r} is no symbol")
        symbol, many, least, most = match.groups()
        tokens.append(
            (symbol, *((1, 1) if many is None else (0, 1) if many == "?" else (int(least), int(most))))
        )
        position = match.end()
    return tokens


@dataclass(frozen=True, slots=True)
class FormatMatch:
    """A format that a text fits.

    `score` is how common the format is among the region's plates, 0..1; `size` how many texts have it.
    """

    name: str
    region: str
    score: float
    size: int


class FormatTable:
    """Formats, found by text or by name."""

    def __init__(self, formats: Iterable[Format]) -> None:
        """ValueError if two formats share a name."""
        self.by_region: dict[str, tuple[Format, ...]] = {}
        self._by_name: dict[str, Format] = {}
        self._by_mask: dict[str, list[Format]] = {}
        for item in formats:
            if item.name in self._by_name:
                raise ValueError(f"two formats are named {item.name}")
            self._by_name[item.name] = item
            self.by_region[item.region] = (*self.by_region.get(item.region, ()), item)
            for mask in item.masks:
                self._by_mask.setdefault(mask, []).append(item)
        self._totals = {region: sum(f.weight for f in formats) for region, formats in self.by_region.items()}

    def match(self, text: str, regions: Iterable[str] | None = None) -> list[FormatMatch]:
        """The formats that `text` (normalised) fits, the commonest of their region first, then by name.

        `regions` restricts the search; a country stands for its states too.
        """
        wanted = None if regions is None else frozenset(regions)
        found = [
            FormatMatch(item.name, item.region, item.weight / self._totals[item.region], item.size)
            for item in self._by_mask.get(text.translate(_MASK), ())
            if (wanted is None or item.region in wanted or country(item.region) in wanted) and item.fits(text)
        ]
        return sorted(found, key=lambda match: (-match.score, match.name))

    def describe(self, name: str) -> str:
        """The format in a sentence for people; empty if there is none of this name."""
        item = self._by_name.get(name)
        return item.description if item else ""


def country(region: str) -> str:
    """The country of a region: "us" for "us-ny" and for "us"."""
    return region.partition("-")[0]
