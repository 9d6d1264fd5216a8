"""All reads of a pass become one plate: a posterior for each character, the text, and how sure it is.

1. The text that the reads agree on best is the backbone; each read is aligned with it, and a read that does
   not fit it (another vehicle's plate, lettering) counts for little.
2. In each column the reads' logarithms are added up, the best read in full and each further one less, because
   the frames of one pass share their faults.
3. What the reader's eye itself confuses (O and 0) is added once, however many frames say the same.
4. The likeliest whole texts are weighed by how common their form is at this camera. This prior is bounded: it
   settles what the pixels leave open and cannot overrule pixels that are sure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from plates.columns import Column, combine
from plates.confusables import confusables
from plates.consensus import Consensus, Member, gather
from plates.event import CharAlternative, CharPosterior, Plate, PlateRead, TextAlternative
from plates.pattern import country
from plates.posterior import NONE
from plates.prior import FittingFormat, RegionPrior, RegionVote, TextPrior
from plates.text import MAX_LENGTH


@dataclass(frozen=True, slots=True)
class WeightedRead:
    """A read and how far to trust its crop against the others of the pass, at least 0; only ratios matter."""

    read: PlateRead
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How reads are combined. The defaults suit a calibrated reader."""

    correlation: float = 0.3
    """How much the frames of a pass share their faults: 0 means independent, 1 that the k-th read counts for
    1/k.
    """
    confusion: float = 1.0
    """How often the reader takes look-alikes for each other, as a multiple of `plates.confusables`; 0 if it
    never does.
    """
    unknown_format: float = 0.01
    """Weight of a text that fits no format against one whose form all plates have: the bound of the prior."""
    candidates: int = 32
    """Whole texts that are weighed."""
    alternatives: int = 5
    """Whole texts, and characters a position, that are reported."""


@dataclass(frozen=True, slots=True)
class FusedPlate:
    """The plate, and what each read counted for in the decision: 0..1, in the order given."""

    plate: Plate
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A whole text as the symbols of its columns, and its weight."""

    symbols: tuple[str, ...]
    weight: float

    @property
    def text(self) -> str:
        return "".join(self.symbols)


DEFAULTS = FusionSettings()

_CLEAR = 0.75  # share of the fitting formats from which a region counts as known
_HOPELESS = 1e-5  # what is less likely than this, against the likeliest, is not followed up


def fuse(
    reads: Sequence[WeightedRead],
    *,
    expected_regions: Sequence[str] = (),
    settings: FusionSettings = DEFAULTS,
) -> FusedPlate:
    """The plate that the reads of one pass show.

    Reads without text, and those longer than any plate, count for nothing; if nothing is left the plate is
    empty with confidence 0. The order of the reads does not matter. ValueError if a read's posterior does not
    match its text's length or a weight is negative.
    """
    consensus = gather([(item.read, item.weight) for item in reads], settings.correlation)
    if not consensus.members:
        return FusedPlate(Plate("", "", "", "", 0.0), tuple(0.0 for _ in reads))
    columns = combine(consensus.text, consensus.members)
    prior = TextPrior(_regions(expected_regions, consensus.members), settings.unknown_format)
    plate = _decide(columns, prior, consensus, settings)
    return FusedPlate(plate, consensus.weights)


def _regions(expected: Sequence[str], members: Sequence[Member]) -> RegionPrior:
    votes = [
        RegionVote(m.read.region, min(1.0, m.evidence) * m.read.region_confidence)
        for m in members
        if m.read.region
    ]
    return RegionPrior(expected, votes)


def _decide(
    columns: Sequence[Column], prior: TextPrior, consensus: Consensus, settings: FusionSettings
) -> Plate:
    eyes = [_with_confusions(column, settings.confusion) for column in columns]
    candidates = _likeliest(eyes, settings.candidates)
    weighed = [_Candidate(c.symbols, c.weight * prior.of(c.text)) for c in candidates]
    weighed.sort(key=lambda c: (-c.weight, c.text))
    best = weighed[0]
    covered, total = sum(c.weight for c in candidates), sum(c.weight for c in weighed)
    # Of the texts that were not weighed nothing is known, so they count as the weighed ones do on average.
    unweighed = max(0.0, 1.0 - covered) * total / covered
    total += unweighed
    texts = _texts(weighed, consensus.share / total, settings.alternatives, consensus)
    region, form = _region(prior.fitting(best.text))
    return Plate(
        text=best.text,
        raw_text="".join(column.best for column in columns)[:MAX_LENGTH],
        region=region,
        format=form,
        confidence=texts[0].confidence,
        posterior=tuple(
            _marginal(index, eyes[index], weighed, unweighed, total, settings.alternatives)
            for index, symbol in enumerate(best.symbols)
            if symbol != NONE
        ),
        alternatives=texts,
    )


def _with_confusions(column: Column, scale: float) -> Column:
    """The column with what the reader's eye may have confused, however sure it was."""
    likely = dict(column.likely)
    for symbol, probability in column.likely.items():
        for other, share in confusables(symbol).items():
            mass = probability * min(0.45, share * scale)
            if mass > max(likely.get(other, column.other), 1e-6):
                likely[other] = mass
    total = sum(likely.values()) + column.other * column.others
    return Column({s: p / total for s, p in likely.items()}, column.other / total, column.others)


def _likeliest(columns: Sequence[Column], count: int) -> list[_Candidate]:
    """The likeliest combinations of symbols, with their probability by the pixels."""
    beam: list[tuple[float, tuple[str, ...]]] = [(1.0, ())]
    for column in columns:
        ranked = sorted(((p, symbol) for symbol, p in column.likely.items()), reverse=True)[:6]
        ranked = [item for item in ranked if item[0] > _HOPELESS * ranked[0][0]]
        beam = [(weight * p, (*symbols, symbol)) for weight, symbols in beam for p, symbol in ranked]
        if len(ranked) > 1:
            beam.sort(reverse=True)
            least = beam[0][0] * _HOPELESS
            beam = [item for item in beam[:count] if item[0] > least]
    candidates = [_Candidate(symbols, weight) for weight, symbols in beam]
    return [candidate for candidate in candidates if len(candidate.text) <= MAX_LENGTH] or candidates[:1]


def _texts(
    weighed: Sequence[_Candidate], scale: float, count: int, consensus: Consensus
) -> tuple[TextAlternative, ...]:
    """The likeliest texts; the same text reached in several ways counts once, with all its weight."""
    sums: dict[str, float] = {}
    for candidate in weighed:
        sums[candidate.text] = sums.get(candidate.text, 0.0) + candidate.weight
    first = weighed[0].text
    if consensus.rival and consensus.rival not in sums:
        sums[consensus.rival] = sums[first] * (1.0 - consensus.share) / consensus.share
    ranked = sorted(sums, key=lambda text: (text != first, -sums[text], text))[:count]
    return tuple(TextAlternative(text, min(1.0, sums[text] * scale)) for text in ranked)


def _marginal(
    index: int, column: Column, weighed: Sequence[_Candidate], unweighed: float, total: float, count: int
) -> CharPosterior:
    sums = {symbol: unweighed * probability for symbol, probability in column.likely.items()}
    for candidate in weighed:
        symbol = candidate.symbols[index]
        sums[symbol] = sums.get(symbol, 0.0) + candidate.weight
    chosen = weighed[0].symbols[index]
    ranked = sorted(sums, key=lambda symbol: (symbol != chosen, -sums[symbol], symbol))[:count]
    kept = [symbol for symbol in ranked if symbol == chosen or sums[symbol] / total >= 1e-4]
    return tuple(CharAlternative(symbol, min(1.0, sums[symbol] / total)) for symbol in kept)


def _region(fitting: Sequence[FittingFormat]) -> tuple[str, str]:
    """The region and the format that the text most likely has; empty where no region stands out."""
    regions: dict[str, float] = {}
    for item in fitting:
        for name in {item.region, country(item.region)}:
            regions[name] = regions.get(name, 0.0) + item.density
    whole = math.fsum(item.density for item in fitting)
    # A state stands out only where its country does too, and says more.
    clear = [name for name, density in regions.items() if density > _CLEAR * whole]
    region = max(clear, key=lambda name: (len(name), regions[name]), default="")
    own = [item for item in fitting if item.region == region]
    return region, max(own, key=lambda item: (item.density, item.name)).name if own else ""
