"""Whether a plate's text is the one that somebody looks for. All texts are normalised before (`plates.text`).

With `confusables`, characters that look alike (O and 0, I and 1, ...) count as equal.
"""

from __future__ import annotations

import re
from functools import lru_cache

from plates import alignment
from plates.confusables import GROUPS, fold
from plates.text import CHARACTERS

_ALIKE = {char: group for group in GROUPS for char in group}


def exact(text: str, wanted: str, *, confusables: bool = False) -> bool:
    """Whether the whole text is the one wanted."""
    return fold(text) == fold(wanted) if confusables else text == wanted


def prefix(text: str, wanted: str, *, confusables: bool = False) -> bool:
    """Whether the text begins with the one wanted."""
    return fold(text).startswith(fold(wanted)) if confusables else text.startswith(wanted)


def wildcard(text: str, pattern: str, *, confusables: bool = False) -> bool:
    """Whether the whole text fits a pattern in which "*" stands for any characters and "?" for one."""
    return _wildcard(pattern, confusables).fullmatch(text) is not None


def edits(text: str, wanted: str, *, limit: int = 1, confusables: bool = False) -> int:
    """Characters replaced, missing or too many; `limit` + 1 if more than `limit`."""
    return (
        alignment.edits(fold(text), fold(wanted), limit)
        if confusables
        else alignment.edits(text, wanted, limit)
    )


def one_edit(text: str, wanted: str, *, confusables: bool = False) -> bool:
    """Whether the text is the one wanted, or one character replaced, missing or too many away from it."""
    return edits(text, wanted, limit=1, confusables=confusables) <= 1


def one_edit_patterns(wanted: str) -> tuple[str, ...]:
    """Wildcard patterns that together fit exactly the texts at most one edit away; for indexes that know only
    patterns.
    """
    replaced = [f"{wanted[:i]}?{wanted[i + 1 :]}" for i in range(len(wanted))]
    missing = [wanted[:i] + wanted[i + 1 :] for i in range(len(wanted))]
    added = [f"{wanted[:i]}?{wanted[i:]}" for i in range(len(wanted) + 1)]
    return tuple(dict.fromkeys([wanted, *replaced, *missing, *added]))


@lru_cache(maxsize=256)
def _wildcard(pattern: str, confusables: bool) -> re.Pattern[str]:
    # Runs of "*" are one: each further one would only cost time, squared.
    parts = []
    for char in re.sub(r"\*+", "*", pattern):
        if char == "*":
            parts.append(f"[{CHARACTERS}]*")
        elif char == "?":
            parts.append(f"[{CHARACTERS}]")
        else:
            parts.append(f"[{_ALIKE.get(char, char)}]" if confusables else re.escape(char))
    return re.compile("".join(parts))
