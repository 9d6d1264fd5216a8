"""Which reads of a pass show the same plate, and how much each of them counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from plates.alignment import Alignment, align, edits
from plates.event import PlateRead
from plates.posterior import LogColumn, columns
from plates.text import MAX_LENGTH

_STRANGER = 0.35  # agreement up to which a read shows another plate
_KIN = 0.7  # agreement from which a read shows this plate
_NEGLIGIBLE = 1e-6  # reads of less than this quality, against the best, are left out
_BACKBONES = 6  # distinct texts that are compared with each other


@dataclass(frozen=True, slots=True)
class Member:
    """A read that takes part: its columns, how they lie on the backbone, and what it counts for.

    `quality` says how good the crop and the read are; `evidence` is the factor of its logarithms, 1 for the
    best read.
    """

    index: int
    read: PlateRead
    columns: list[LogColumn]
    quality: float
    alignment: Alignment | None = None
    evidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Consensus:
    """The reads of one plate. `share` is the probability that this plate is the pass's own, and not `rival`,
    the strongest text of other plates among the reads (empty: none).

    `weights` are the evidence of every read that was given, in its order, scaled to 1 for the best.
    """

    text: str
    members: tuple[Member, ...]
    share: float
    rival: str
    weights: tuple[float, ...]


def gather(reads: Sequence[tuple[PlateRead, float]], correlation: float) -> Consensus:
    """The plate that most reads agree on. ValueError for a negative weight or a posterior of the wrong
    length.
    """
    members = _members(reads)
    if not members:
        return Consensus("", (), 0.0, "", tuple(0.0 for _ in reads))
    text = _backbone(members)
    aligned = [replace(m, alignment=align(text, m.columns)) for m in members]
    kin = _weighed(aligned, text, correlation)
    weights = [0.0] * len(reads)
    best = max((m.evidence for m in kin), default=0.0)
    for member in kin:
        weights[member.index] = member.evidence / best
    share, rival = _share(kin, aligned, text)
    return Consensus(text, tuple(kin), share, rival, tuple(weights))


def _members(reads: Sequence[tuple[PlateRead, float]]) -> list[Member]:
    qualities = [_quality(index, read, weight) for index, (read, weight) in enumerate(reads)]
    best = max(qualities, default=0.0)
    members = [
        Member(index, read, columns(read), quality / best)
        for index, ((read, _), quality) in enumerate(zip(reads, qualities, strict=True))
        if quality > _NEGLIGIBLE * best
    ]
    # In an order of their own: sums of floating-point numbers depend on it, and ties with them.
    return sorted(members, key=lambda m: (-m.quality, m.read.text, m.read.confidence, m.read.region))


def _quality(index: int, read: PlateRead, weight: float) -> float:
    if weight < 0.0:
        raise ValueError(f"weight: {weight} of read {index} is negative")
    if not 0 < len(read.text) <= MAX_LENGTH:
        return 0.0
    return float(weight * max(read.legibility, 0.01) * max(read.confidence, 0.0004) ** 0.5)


def _backbone(members: Sequence[Member]) -> str:
    """The text that lies nearest to all others, weighted by quality."""
    mass: dict[str, float] = {}
    for member in members:
        mass[member.read.text] = mass.get(member.read.text, 0.0) + member.quality
    texts = sorted(mass, key=lambda text: (-mass[text], text))[:_BACKBONES]
    if len(texts) == 1:
        return texts[0]
    support = {text: mass[text] for text in texts}
    for one, other in combinations(texts, 2):
        likeness = _likeness(one, other)
        support[one] += mass[other] * likeness
        support[other] += mass[one] * likeness
    return max(texts, key=lambda text: (support[text], mass[text], text))


def _likeness(one: str, other: str) -> float:
    limit = max(len(one), len(other)) // 2
    return max(0.0, 1.0 - edits(one, other, limit) / (limit + 1)) ** 2


def _weighed(aligned: Sequence[Member], text: str, correlation: float) -> list[Member]:
    """The members that show the backbone's plate, with their evidence.

    The best counts in full and each further one less, by its rank. Ranks are soft, so that reads of equal
    quality count the same and the order in which they came does not matter.
    """
    kin = []
    for member in aligned:
        kinship = _kinship(member, text)
        coverage = min(1.0, len(member.columns) / len(text))
        if kinship > 0.0:
            kin.append((member, member.quality * kinship * coverage))
    best = max(quality for _, quality in kin)
    powers = [(quality / best) ** 4 for _, quality in kin]
    members = []
    for (member, quality), power in zip(kin, powers, strict=True):
        rank = sum(other / (other + power) for other in powers if other > 0.0) - 0.5
        evidence = quality / best / (1.0 + correlation * max(0.0, rank))
        members.append(replace(member, quality=quality, evidence=evidence))
    return members


def _kinship(member: Member, text: str) -> float:
    """How likely the read shows the plate whose text is the backbone, 0..1."""
    if member.read.text == text or member.alignment is None:
        return 1.0
    return min(1.0, max(0.0, (member.alignment.agreement - _STRANGER) / (_KIN - _STRANGER)))


def _share(kin: Sequence[Member], aligned: Sequence[Member], text: str) -> tuple[float, str]:
    """How much stronger the reads of this plate are than those of the strongest stranger, 0..1, and that
    stranger.
    """
    strangers: dict[str, float] = {}
    for member in aligned:
        if (foreign := 1.0 - _kinship(member, text)) > 0.0:
            strangers[member.read.text] = strangers.get(member.read.text, 0.0) + member.quality * foreign
    rival = min(strangers, key=lambda other: (-strangers[other], other), default="")
    own, other = sum(m.quality for m in kin), strangers.get(rival, 0.0)
    return own**2 / (own**2 + other**2), rival
