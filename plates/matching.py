"""Whether a plate's text is the one that somebody looks for. All texts are normalised before (`plates.text`).

With `confusables`, characters that look alike (O and 0, I and 1, ...) count as equal.
"""

from __future__ import annotations

from plates import alignment
from plates.confusables import fold


def exact(text: str, wanted: str, *, confusables: bool = False) -> bool:
    """Whether the whole text is the one wanted."""
    return fold(text) == fold(wanted) if confusables else text == wanted


def prefix(text: str, wanted: str, *, confusables: bool = False) -> bool:
    """Whether the text begins with the one wanted."""
    return fold(text).startswith(fold(wanted)) if confusables else text.startswith(wanted)


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
