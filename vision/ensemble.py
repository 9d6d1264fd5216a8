"""Two readers as one: the second is asked where the first is not sure, or always."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plates.event import CharAlternative, CharPosterior, ModelInfo, PlateRead
from plates.fusion import FusionSettings, WeightedRead, fuse
from plates.matching import edits
from vision.line_reader import LineReader
from vision.plate_reader import SlotReader
from vision.port import Image, ReaderEngine

# The eye's confusions and the formats' prior count once, where the reads of a pass are fused: with texts of
# no known form so common, formats count for nothing here.
_SETTINGS = FusionSettings(confusion=0.0, unknown_format=1e6)

DISAGREED = 0.3
COUNTRY_SURE = 0.3

UNSURE = (0.05, 0.93)
ALWAYS = (0.0, 1.01)


class EnsembleReader:
    """Crops of which `first` is neither sure nor sure that they are no plate are read by `second` too.

    A second reader of lines is told by a first one of slots how many there are and where they lie.

    `between`: the confidences of `first` from and below which that is so. The two reads are fused, with these
    `weights`.

    Region, legibility and lines stay those of the first reader, which knows plates; but where the text is not
    its own, give or take a character, the legibility is lowered: the second reads any lettering.
    """

    def __init__(
        self,
        first: ReaderEngine,
        second: ReaderEngine,
        between: tuple[float, float] = UNSURE,
        weights: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        self._first, self._second, self._between, self._weights = first, second, between, weights
        one, two = first.model, second.model
        self.model = ModelInfo(
            f"{one.name}+{two.name}", f"{one.version}+{two.version}", one.sha256, one.engine
        )

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """See `vision.port.ReaderEngine`."""
        if isinstance(self._first, SlotReader):
            reads, spans = self._first.read_and_place(crops)
        else:
            reads, spans = self._first.read(crops), None
        least, enough = self._between
        unsure = [index for index, read in enumerate(reads) if least <= read.confidence < enough]
        asked = [crops[index] for index in unsure]
        if isinstance(self._second, LineReader):
            places = None if spans is None else [spans[index] for index in unsure]
            others = self._second.read_lines(asked, [reads[index].lines for index in unsure], places)
        else:
            others = self._second.read(asked)
        for index, other in zip(unsure, others, strict=True):
            reads[index] = combine(reads[index], other, self._weights)
        return reads


def combine(read: PlateRead, other: PlateRead, weights: tuple[float, float] = (1.0, 1.0)) -> PlateRead:
    """What two readers say of one crop, as one read."""
    if not other.text:
        return read
    said = (read, _with_country_word(other, read))
    both = [WeightedRead(one, weight) for one, weight in zip(said, weights, strict=True)]
    plate = fuse(both, settings=_SETTINGS).plate
    posterior = tuple(_given_a_character(position) for position in plate.posterior)
    agreed = edits(read.text, plate.text, limit=1) <= 1
    legibility = read.legibility if agreed else DISAGREED * read.legibility
    return replace(
        read, text=plate.text, confidence=plate.confidence, posterior=posterior, legibility=legibility
    )


def _with_country_word(other: PlateRead, read: PlateRead) -> PlateRead:
    """The second reader's Tunisian plate with the T that stands for its Arabic word before the last four.

    A reader of Latin text leaves that word out.
    """
    tunisian = read.region == "tn" and read.region_confidence >= COUNTRY_SURE
    if not (tunisian and other.text.isdigit() and 5 <= len(other.text) <= 7):
        return other
    at = len(other.text) - 4
    word = ((CharAlternative("T", 0.95),),)
    posterior = other.posterior and (*other.posterior[:at], *word, *other.posterior[at:])
    return replace(other, text=f"{other.text[:at]}T{other.text[at:]}", posterior=posterior)


def _given_a_character(position: CharPosterior) -> CharPosterior:
    absent = sum(item.probability for item in position if not item.char)
    share = max(1e-6, 1 - absent)
    return tuple(CharAlternative(item.char, item.probability / share) for item in position if item.char)
