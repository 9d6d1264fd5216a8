"""Which character of a read stands for which character of a text: reads miss characters and invent some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import ne

from plates.posterior import LogColumn

_WORST = 4.0  # cost of a character that the read rules out; costs are negative logarithms
_GAP = 3.2  # cost of a character missing or invented in the middle
_END_GAP = 2.0  # the same at either end, where plates are cut off and frames are taken for characters


@dataclass(frozen=True, slots=True)
class Alignment:
    """How a read lies on a text.

    `places[i]` is the read's position for the text's character i, or None if the read has none. `extra` are
    the read's positions that belong to no character, each with the number of the text's characters before it.
    `agreement`, 0..1, is how well the overlapping characters fit.
    """

    places: tuple[int | None, ...]
    extra: tuple[tuple[int, int], ...]
    agreement: float


def align(text: str, read: Sequence[LogColumn]) -> Alignment:
    """The cheapest alignment of a read with `text`; neither may be empty."""
    if len(text) == len(read):
        straight = [_cost(char, column) for char, column in zip(text, read, strict=True)]
        # With at most one character off, no shift can be cheaper.
        if sum(cost > _WORST / 2 for cost in straight) <= 1:
            return Alignment(tuple(range(len(text))), (), _agreement(straight, len(text)))
    costs = [[_cost(char, column) for column in read] for char in text]
    pairs = _cheapest(costs)
    places: list[int | None] = [None] * len(text)
    for row, place in pairs:
        places[row] = place
    agreement = _agreement([costs[i][j] for i, j in pairs], min(len(text), len(read)))
    return Alignment(tuple(places), _extra(places, len(read)), agreement)


def _cost(char: str, column: LogColumn) -> float:
    cost = -column.listed.get(char, column.rest)
    return cost if cost < _WORST else _WORST


def _agreement(costs: Sequence[float], shorter: int) -> float:
    return sum(1.0 - cost / _WORST for cost in costs) / shorter


def _cheapest(costs: list[list[float]]) -> list[tuple[int, int]]:
    """The pairs (character, position) of the cheapest path through the matrix of costs."""
    rows, width = len(costs), len(costs[0])
    above = [_END_GAP * j for j in range(width + 1)]
    steps: list[list[int]] = []
    for i, row in enumerate(costs):
        extra_gap = _END_GAP if i + 1 == rows else _GAP
        current = [_END_GAP * (i + 1)]
        step = []
        for j, cost in enumerate(row):
            missing_gap = _END_GAP if j + 1 == width else _GAP
            best, move = above[j] + cost, 0
            if (missing := above[j + 1] + missing_gap) < best:
                best, move = missing, 1
            if (extra := current[j] + extra_gap) < best:
                best, move = extra, 2
            current.append(best)
            step.append(move)
        steps.append(step)
        above = current
    pairs, i, j = [], rows - 1, width - 1
    while i >= 0 and j >= 0:
        move = steps[i][j]
        if move == 0:
            pairs.append((i, j))
        i, j = i - (move != 2), j - (move != 1)
    return pairs[::-1]


def _extra(places: Sequence[int | None], width: int) -> tuple[tuple[int, int], ...]:
    before, following = {}, 0
    used = {place: index for index, place in enumerate(places) if place is not None}
    for position in range(width):
        if position in used:
            following = used[position] + 1
        else:
            before[position] = following
    return tuple(before.items())


def edits(one: str, other: str, limit: int) -> int:
    """Characters replaced, missing or too many between two texts; `limit` + 1 if more than `limit`."""
    if one == other:
        return 0
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    replaced: int = sum(map(ne, one, other))
    if len(one) == len(other) and replaced <= 2:
        return min(replaced, limit + 1)  # no shift can be cheaper: it takes two edits itself
    above = list(range(len(other) + 1))
    for i, char in enumerate(one, start=1):
        current = [i]
        left = i
        for j, second in enumerate(other):
            edits_here = above[j] if char == second else above[j] + 1
            if (missing := above[j + 1] + 1) < edits_here:
                edits_here = missing
            left = edits_here if edits_here <= left else left + 1
            current.append(left)
        if min(current) > limit:
            return limit + 1
        above = current
    return min(above[-1], limit + 1)
