"""How far two plate texts are from each other, as a reader could have misread one for the other. Pure."""

from __future__ import annotations

from plates.confusables import fold

# Above this share of differing characters two reads are not of one plate; misreads of one plate stay well
# below.
_ALIKE_SHARE = 0.4
# From this share on, two decided texts are two plates. Between the two shares nothing is claimed.
_CONTRADICTION_SHARE = 0.5


def distance(one: str, other: str) -> int:
    """Characters to replace, insert or delete to get from one text to the other; look-alikes cost nothing."""
    one, other = fold(one), fold(other)
    row = list(range(len(other) + 1))
    for i, char in enumerate(one, start=1):
        above, row[0] = row[0], i
        for j, target in enumerate(other, start=1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (char != target))
    return row[-1]


def alike(one: str, other: str) -> bool:
    """Whether the two can be reads of one plate."""
    return distance(one, other) <= _ALIKE_SHARE * max(len(one), len(other))


def contradict(one: str, other: str) -> bool:
    """Whether the two, each of them decided, are two plates."""
    return distance(one, other) >= _CONTRADICTION_SHARE * max(len(one), len(other), 1)


def same(one: str, other: str) -> bool:
    """Whether the two are the same text but for look-alikes; empty texts are never the same."""
    return bool(one) and fold(one) == fold(other)
