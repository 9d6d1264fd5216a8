"""Two readers as one: the second is asked only where the first is not sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plates.event import CharAlternative, CharPosterior, ModelInfo, PlateRead
from plates.fusion import FusionSettings, WeightedRead, fuse
from vision.port import Image, ReaderEngine

# The formats' prior and the eye's confusions are applied once, where the reads of a pass are fused.
_NEUTRAL = FusionSettings(unknown_format=1.0, confusion=0.0)


class EnsembleReader:
    """Crops of which `first` is less sure than `below` are read by `second` too, and the two reads fused.

    Region, legibility and lines stay those of the first reader, which knows plates.
    """

    def __init__(self, first: ReaderEngine, second: ReaderEngine, below: float = 0.9) -> None:
        self._first, self._second, self._below = first, second, below
        one, two = first.model, second.model
        self.model = ModelInfo(
            f"{one.name}+{two.name}", f"{one.version}+{two.version}", one.sha256, one.engine
        )

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """See `vision.port.ReaderEngine`."""
        reads = self._first.read(crops)
        unsure = [index for index, read in enumerate(reads) if read.confidence < self._below]
        others = self._second.read([crops[index] for index in unsure])
        for index, other in zip(unsure, others, strict=True):
            reads[index] = combine(reads[index], other)
        return reads


def combine(read: PlateRead, other: PlateRead) -> PlateRead:
    """What two readers say of one crop, as one read."""
    if not other.text:
        return read
    plate = fuse([WeightedRead(read), WeightedRead(other)], settings=_NEUTRAL).plate
    posterior = tuple(_given_a_character(position) for position in plate.posterior)
    return replace(read, text=plate.text, confidence=plate.confidence, posterior=posterior)


def _given_a_character(position: CharPosterior) -> CharPosterior:
    absent = sum(item.probability for item in position if not item.char)
    share = max(1e-6, 1 - absent)
    return tuple(CharAlternative(item.char, item.probability / share) for item in position if item.char)
