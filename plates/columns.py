"""The columns of a fused text: what all reads together say at each place, and at places only some of them
have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from plates.consensus import Member
from plates.posterior import NONE, SYMBOLS, LogColumn

_MISSED = math.log(0.05)  # a read shows nothing where there is a character
_MISSED_AT_END = math.log(0.12)  # the same at either end, where plates are cut off
_MISSED_RUN = math.log(0.2)  # the same for several characters at an end: part of the plate was hidden
# A character where there is none, against a certain wrong one where there is another.
_INVENTED = math.log(2.0)
_INVENTED_AT_END = math.log(6.0)  # the same at either end: frames, bolts, stickers
_ABSENT = math.log(SYMBOLS - 1.0)  # that nothing stands here, against a certain character, before any read


@dataclass(frozen=True, slots=True)
class Column:
    """Probabilities at one place: `likely` by symbol, `other` for each of the `others` further symbols."""

    likely: dict[str, float]
    other: float
    others: int

    @property
    def best(self) -> str:
        """The likeliest symbol."""
        return min(self.likely, key=lambda symbol: (-self.likely[symbol], symbol))


@dataclass(frozen=True, slots=True)
class Vote:
    """What one read says of a place: its column there, or None with the logarithm of having missed a
    character.
    """

    evidence: float
    column: LogColumn | None
    missed: float = 0.0


def combine(text: str, members: Sequence[Member]) -> list[Column]:
    """The columns of `text`, with those between, before and after its characters that some reads have."""
    extras = _extra_places(members)
    columns = []
    for index in range(len(text) + 1):
        count = extras.get(index, 0)
        edge = index in (0, len(text))
        missed = _MISSED if not edge else _MISSED_AT_END if count == 1 else _MISSED_RUN
        for order in range(count):
            columns.append(_pool([_extra_vote(m, index, order, missed) for m in members], edge, count))
        if index < len(text):
            edge = index in (0, len(text) - 1)
            columns.append(_pool([_vote(m, index) for m in members], edge, 1))
    return columns


def _extra_places(members: Sequence[Member]) -> dict[int, int]:
    """How many further places stand before each of the text's characters (its length: after the last)."""
    most: dict[int, int] = {}
    for member in members:
        counts: dict[int, int] = {}
        for _, before in member.alignment.extra if member.alignment else ():
            counts[before] = counts.get(before, 0) + 1
        for before, count in counts.items():
            most[before] = max(most.get(before, 0), count)
    return most


def _extra_vote(member: Member, index: int, order: int, missed: float) -> Vote:
    if member.alignment is None:
        return Vote(0.0, None)
    positions = [position for position, before in member.alignment.extra if before == index]
    if order < len(positions):
        return Vote(member.evidence, member.columns[positions[order]])
    return Vote(member.evidence, None, missed)


def _vote(member: Member, index: int) -> Vote:
    if member.alignment is None:
        return Vote(0.0, None)
    places = member.alignment.places
    place = places[index]
    if place is not None:
        return Vote(member.evidence, member.columns[place])
    if all(p is None for p in places[: index + 1]):
        run = next((i for i, p in enumerate(places) if p is not None), len(places))
    elif all(p is None for p in places[index:]):
        run = next((i for i, p in enumerate(reversed(places)) if p is not None), len(places))
    else:
        return Vote(member.evidence, None, _MISSED)
    return Vote(member.evidence, None, _MISSED_AT_END if run == 1 else _MISSED_RUN)


def _pool(votes: Sequence[Vote], edge: bool, run: int) -> Column:
    """The votes added up and normalised. `run` places are there or not as one, so each has its share of that
    prior.
    """
    symbols = {symbol for vote in votes if vote.column for symbol in vote.column.listed}
    absent = any(vote.column is None for vote in votes) or NONE in symbols
    scores = dict.fromkeys(symbols - {NONE}, 0.0)
    rest = 0.0
    invented = _INVENTED_AT_END if edge else _INVENTED
    nothing, silent = 0.0, 0.0
    for vote in votes:
        column, evidence = vote.column, vote.evidence
        if column is None:
            rest += evidence * vote.missed
            continue
        rest += evidence * column.rest
        if NONE in column.listed:
            nothing += evidence * column.listed[NONE]
        else:
            nothing += evidence * min(0.0, column.rest + invented)
            silent = max(silent, evidence)
        for symbol, log in column.listed.items():
            if symbol != NONE:
                scores[symbol] += evidence * (log - column.rest)
    totals = {symbol: rest + score for symbol, score in scores.items()}
    if absent:
        # A read that lists the empty symbol has weighed it against all others itself; for the silent ones
        # the prior is added, once.
        totals[NONE] = nothing + min(1.0, silent) * _ABSENT / run
    return _normalised(totals, rest, SYMBOLS - len(totals))


def _normalised(scores: dict[str, float], rest: float, others: int) -> Column:
    top = max(*scores.values(), rest)
    likely = {symbol: math.exp(score - top) for symbol, score in scores.items()}
    other = math.exp(rest - top) if others else 0.0
    total = sum(likely.values()) + other * others
    return Column({symbol: p / total for symbol, p in likely.items()}, other / total, others)
