"""What one read says at each position, as logarithms that can be added up."""

from __future__ import annotations

import math
from dataclasses import dataclass

from plates.event import CharPosterior, PlateRead
from plates.text import CHARACTERS

NONE = ""
"""The symbol for "no character here"."""

SYMBOLS = len(CHARACTERS) + 1

_FLOOR = 2e-5  # nothing is less likely than this times the likeliest: no single read can veto all others
_LEAST_TRUST = 1e-3
_LEAST_CHARACTER = 1e-4  # of the character that the read itself decided for


@dataclass(frozen=True, slots=True)
class LogColumn:
    """Natural logarithms of the probabilities at one position: `listed` by symbol, `rest` for each other
    symbol.
    """

    listed: dict[str, float]
    rest: float

    def log(self, symbol: str) -> float:
        """The logarithm of the probability of `symbol`."""
        return self.listed.get(symbol, self.rest)


def columns(read: PlateRead) -> list[LogColumn]:
    """One column for each character of the read's text.

    Mass that the posterior does not list is spread over all other symbols. A read without posterior has its
    confidence spread evenly over its characters; a confidence below what the posterior gives weakens every
    column. ValueError if the posterior's length differs from the text's.
    """
    if not read.text:
        return []
    if not read.posterior:
        each = max(read.confidence, _LEAST_TRUST) ** (1 / len(read.text))
        return [_column({char: each}) for char in read.text]
    if len(read.posterior) != len(read.text):
        raise ValueError(
            f"posterior: {len(read.posterior)} positions for the {len(read.text)} characters of a read"
        )
    listed = [_listed(char, position) for char, position in zip(read.text, read.posterior, strict=True)]
    product = math.prod(position[char] for char, position in zip(read.text, listed, strict=True))
    trust = max(min(1.0, read.confidence / product), _LEAST_TRUST) ** (1 / len(read.text))
    return [_column(position, trust) for position in listed]


def _listed(char: str, position: CharPosterior) -> dict[str, float]:
    """The position's probabilities, adding up to 1 at most, the read's own character among them."""
    listed = {a.char: max(0.0, a.probability) for a in position}
    listed[char] = max(listed.get(char, 0.0), _LEAST_CHARACTER)
    total = sum(listed.values())
    return {symbol: p / total for symbol, p in listed.items()} if total > 1.0 else listed


def _column(listed: dict[str, float], trust: float = 1.0) -> LogColumn:
    """The logarithms of `listed` times `trust`; what is missing to 1 goes to the rest."""
    rest = (1.0 - trust * sum(listed.values())) / max(1, SYMBOLS - len(listed))
    least = _FLOOR * max(trust * max(listed.values()), rest)
    logs = {symbol: math.log(trust * p if trust * p > least else least) for symbol, p in listed.items()}
    return LogColumn(logs, math.log(rest if rest > least else least))
