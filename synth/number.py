"""The number on a plate: from a pattern or a given text to marks on lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synth.layouts import CODES, Style


@dataclass(frozen=True)
class Mark:
    """One thing on a line: a character of the number (`counts`), or a gap, dash, emblem or small letters."""

    kind: str
    char: str = ""
    small: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is part of the number."""
        return self.kind in ("char", "tunis")


def expand(pattern: str, letters: str, rng: np.random.Generator) -> list[list[Mark]]:
    """Lines of marks for a pattern (see `synth.layouts.style`), its free characters drawn at random."""
    lines: list[list[Mark]] = [[]]
    small = False
    position = 0
    while position < len(pattern):
        symbol = pattern[position]
        position += 1
        if symbol == "{":
            end = pattern.index("}", position)
            codes = CODES[pattern[position:end]]
            position = end + 1
            lines[-1] += [
                Mark("dash") if char == "-" else Mark("char", char)
                for char in codes[rng.integers(len(codes))]
            ]
        elif symbol == "<":
            end = pattern.index(">", position)
            lines[-1].append(Mark("stacked", pattern[position:end]))
            position = end + 1
        elif symbol == "/":
            lines.append([])
        elif symbol == "~":
            small = True
            continue
        else:
            lines[-1].append(_mark(symbol, letters, small, rng))
        small = False
    return lines


def _mark(symbol: str, letters: str, small: bool, rng: np.random.Generator) -> Mark:
    kinds = {" ": "gap", "-": "dash", ".": "dot", "*": "emblem"}
    if symbol in kinds:
        return Mark(kinds[symbol])
    if symbol == "^":
        return Mark("tunis", "T")
    pools = {"@": letters, "#": "0123456789", "%": "123456789"}
    pool = pools.get(symbol, symbol)
    return Mark("char", pool[int(rng.integers(len(pool)))], small)


def text_of(lines: Sequence[Sequence[Mark]]) -> str:
    """The number: A-Z and 0-9 only, Tunis as T."""
    return "".join(mark.char for line in lines for mark in line if mark.counts)


def lay_out_text(text: str, style: Style, rng: np.random.Generator) -> list[list[Mark]]:
    """A given text on a style's lines: by a pattern it fits, else evenly over the style's number of lines.

    Spaces and dashes in `text` stay as gaps and dashes; ValueError if anything but A-Z and 0-9 remains.
    """
    cleaned = text.upper()
    if not cleaned or any(char not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -" for char in cleaned):
        raise ValueError(f"plate text {text!r}: expected A-Z, 0-9, spaces and dashes")
    if " " not in cleaned and "-" not in cleaned:
        for index in rng.permutation(len(style.patterns)):
            lines = expand(style.patterns[index], style.letters, rng)
            if _fits(lines, style.patterns[index], cleaned):
                return _refill(lines, cleaned)
    kinds = {" ": Mark("gap"), "-": Mark("dash")}
    marks = [kinds.get(char) or Mark("char", char) for char in cleaned]
    if style.aspect < 1.9 and style.kind != "us" and len(marks) > 3:
        half = len(marks) // 2
        return [marks[:half], marks[half:]]
    return [marks]


def _fits(lines: Sequence[Sequence[Mark]], pattern: str, text: str) -> bool:
    """Whether the drawn example has the length of `text` with letters and digits at the same places."""
    example = text_of(lines)
    if len(example) != len(text) or ("^" in pattern and example.index("T") != text.find("T")):
        return False
    return all(a.isdigit() == b.isdigit() for a, b in zip(example, text, strict=True))


def _refill(lines: Sequence[Sequence[Mark]], text: str) -> list[list[Mark]]:
    chars = iter(text)
    return [[Mark(m.kind, next(chars), m.small) if m.counts else m for m in line] for line in lines]
