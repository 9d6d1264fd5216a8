"""Reads as tests of fusion need them."""

from __future__ import annotations

from collections.abc import Mapping

from plates.event import CharAlternative, PlateRead
from plates.fusion import FusedPlate, FusionSettings, WeightedRead, fuse


def read(
    text: str,
    confidence: float = 0.9,
    *,
    unsure: Mapping[int, Mapping[str, float]] | None = None,
    legibility: float = 1.0,
    region: str = "",
    region_confidence: float = 0.0,
) -> PlateRead:
    """A read whose characters are all equally sure, but for the positions in `unsure` with their own
    probabilities."""
    each = confidence ** (1 / max(1, len(text)))
    posterior = tuple(
        tuple(CharAlternative(c, p) for c, p in (unsure or {}).get(i, {char: each}).items())
        for i, char in enumerate(text)
    )
    return PlateRead(text, confidence, posterior, region, region_confidence, legibility)


def fused(
    *reads: PlateRead, regions: tuple[str, ...] = (), settings: FusionSettings | None = None
) -> FusedPlate:
    """The fusion of reads of equal weight."""
    return fuse(
        [WeightedRead(r) for r in reads], expected_regions=regions, settings=settings or FusionSettings()
    )
