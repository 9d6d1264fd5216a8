"""What the reads of a pass say together. Reads of something else (a sticker, the next car) do not take part.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.passes.texts import alike, distance
from edge.tuning import ReadingTuning
from plates.event import Plate, PlateRead
from plates.fusion import DEFAULTS, FusionSettings, WeightedRead, fuse

# Beside a read this many times surer, a read is a guess and takes no part.
_GUESS = 0.2

WeighedReads = Sequence[tuple[PlateRead, float]]
"""Reads in the order they were made, each with the weight of its crop."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fused plate, None if nothing was read.

    `weights` has one entry for each read and adds up to 1; reads that took no part have 0. `agreeing` counts
    the reads that say the plate's text, one misread character at most.
    """

    plate: Plate | None
    weights: tuple[float, ...]
    agreeing: int

    @property
    def confidence(self) -> float:
        """Probability that the plate's text is right; 0 without one."""
        return self.plate.confidence if self.plate is not None else 0.0

    def sure(self, tuning: ReadingTuning) -> bool:
        """Whether more reads would be a waste."""
        return self.confidence >= tuning.sure_confidence and self.agreeing >= tuning.sure_reads


Judge = Callable[[WeighedReads], Verdict]


def groups(reads: WeighedReads) -> list[list[int]]:
    """The reads' indices in groups that can be of one plate, heaviest first; empty reads are in none."""
    order = sorted(
        (i for i, (read, _) in enumerate(reads) if read.text),
        key=lambda i: reads[i][0].confidence * reads[i][1],
        reverse=True,
    )
    found: list[list[int]] = []
    for i in order:
        home = next((g for g in found if alike(reads[g[0]][0].text, reads[i][0].text)), None)
        if home is None:
            found.append([i])
        else:
            home.append(i)
    weights = {g[0]: sum(reads[i][0].confidence * reads[i][1] for i in g) for g in found}
    return [sorted(g) for g in sorted(found, key=lambda g: weights[g[0]], reverse=True)]


@dataclass(frozen=True, slots=True)
class FusionJudge:
    """Fuses the heaviest group of reads with the priors of `plates.fusion`."""

    expected_regions: tuple[str, ...] = ()
    settings: FusionSettings = DEFAULTS

    def __call__(self, reads: WeighedReads) -> Verdict:
        """The verdict on these reads."""
        found = groups(reads)
        if not found:
            return Verdict(None, (0.0,) * len(reads), 0)
        best = max(reads[i][0].confidence for i in found[0])
        taking_part = [i for i in found[0] if reads[i][0].confidence >= _GUESS * best]
        fused = fuse(
            [WeightedRead(*reads[i]) for i in taking_part],
            expected_regions=self.expected_regions,
            settings=self.settings,
        )
        weights = [0.0] * len(reads)
        total = sum(fused.weights) or 1.0
        for i, weight in zip(taking_part, fused.weights, strict=True):
            weights[i] = weight / total
        text = fused.plate.text
        agreeing = sum(1 for i in found[0] if text and distance(reads[i][0].text, text) <= 1)
        return Verdict(fused.plate, tuple(weights), agreeing)
