"""Plate texts as they are compared: upper case, characters 0-9 and A-Z only."""

from __future__ import annotations

import unicodedata

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CHARACTERS = DIGITS + LETTERS
MAX_LENGTH = 16

_KEPT = frozenset(CHARACTERS)
# Letters that stand on plates and have no decomposition into a Latin letter and a mark. The Cyrillic and
# Greek ones are those that the Vienna Convention allows because they look like Latin letters.
_FOLDED = str.maketrans(
    {
        "Ø": "O", "Đ": "D", "Ð": "D", "Ł": "L", "Æ": "AE", "Œ": "OE", "ß": "SS", "ẞ": "SS",
        "А": "A", "В": "B", "Е": "E", "І": "I", "К": "K", "М": "M", "Н": "H", "О": "O", "Р": "P", "С": "C",
        "Т": "T", "У": "Y", "Х": "X",
        "Α": "A", "Β": "B", "Ε": "E", "Ζ": "Z", "Η": "H", "Ι": "I", "Κ": "K", "Μ": "M", "Ν": "N", "Ο": "O",
        "Ρ": "P", "Τ": "T", "Υ": "Y", "Χ": "X",
    }
)  # fmt: skip


def normalise(text: str) -> str:
    """`text` in upper case without accents and without anything that is not 0-9 or A-Z; may become empty."""
    if text.isascii():
        upper = text.upper()
    else:
        decomposed = unicodedata.normalize("NFKD", text.upper().translate(_FOLDED))
        upper = decomposed.translate(_FOLDED)
    return "".join(char for char in upper if char in _KEPT)
