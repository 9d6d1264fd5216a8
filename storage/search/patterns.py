"""What a search text asks of an index: pure text, no database.

One-edit search goes by deletions: two texts are at most one edit apart only if they are equal after each gave
up at most one character, so a text is indexed under itself and itself without each of its characters.
Candidates that share such a variant can still be two edits apart and are checked.
"""

from __future__ import annotations

import re

from mesh.errors import FieldViolation, Kind, MeshError
from plates.text import normalise
from storage.search.port import SearchMode, SearchQuery

GRAM = 3
END = "$"


def normalise_query(query: SearchQuery) -> str:
    """The text to search for: 0-9 and A-Z, in WILDCARD mode "*" and "?", too. INVALID if nothing is left of
    it."""
    if query.mode is not SearchMode.WILDCARD:
        text = normalise(query.text)
        if not text:
            raise _invalid("holds no character of a plate (0-9, A-Z)")
        return text
    pattern = "".join(char if char in "*?" else normalise(char) for char in query.text)
    if not pattern.strip("*"):
        raise _invalid('needs at least one character that is not "*"')
    return re.sub(r"\*+", "*", pattern)


def deletions(text: str) -> set[str]:
    """`text` and `text` without each of its characters."""
    return {text, *(text[:i] + text[i + 1 :] for i in range(len(text)))}


def grams(text: str) -> set[str]:
    """All runs of three characters in `text`."""
    return {text[i : i + GRAM] for i in range(len(text) - GRAM + 1)}


def marked(text: str) -> str:
    """`text` with its end marked, so that its last two characters are a run of three, too."""
    return f"{text}{END}"


def literal_prefix(pattern: str) -> str:
    """What every match of the pattern begins with."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


def longest_run(pattern: str) -> str:
    """The longest run of literal characters in the pattern, its marked end among them."""
    return max(re.split(r"[*?]", marked(pattern)), key=len)


def after_prefix(prefix: str) -> str:
    """The first text behind all that begin with `prefix`, in the order of ASCII."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _invalid(what: str) -> MeshError:
    return MeshError(
        Kind.INVALID, "SEARCH_TEXT_INVALID", f"text {what}", fields=(FieldViolation("text", what),)
    )
