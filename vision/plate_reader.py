"""`plate-reader`, our own recogniser: one character a slot, region, lines and legibility in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from plates.event import ModelInfo, PlateRead
from vision.crops import stretch
from vision.ctc import ALPHABET, alternatives
from vision.plate_line import LINES, SPAN
from vision.port import Backend, Image, Tensor, VisionError

WIDTH, HEIGHT = 160, 64
_NO_COUNTRY = ("xx", "eu")  # classes of the network that are no ISO 3166-1 country


class SlotReader:
    """Reads crops stretched to 160 x 64 with a network that gives each slot's characters a probability.

    The network's outputs: slots [n, s, 37] (first: no character), regions [n, r], lines [n, 3] (0, 1, 2),
    legibility [n] (the probability that the whole text is right), all calibrated; and, from version 0.4 on,
    spans [n, 2, 6], where the lines of characters lie.
    """

    def __init__(self, backend: Backend, model: ModelInfo, regions: Sequence[str]) -> None:
        self.model = model
        self._backend = backend
        self._regions = tuple(regions)

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """See `vision.port.ReaderEngine`."""
        return self.read_and_place(crops)[0]

    def read_and_place(self, crops: Sequence[Image]) -> tuple[list[PlateRead], Sequence[Tensor]]:
        """The reads, and the spans of each crop as `vision.plate_line` takes them."""
        if not crops:
            return [], []
        slots, regions, lines, legible, *rest = self._backend.run(
            np.stack([stretch(crop, WIDTH, HEIGHT) for crop in crops])
        )
        if regions.shape[1] != len(self._regions) or slots.shape[2] != len(ALPHABET) + 1:
            raise VisionError(
                f"{self.model.name}: the network gives {regions.shape[1]} regions and {slots.shape[2]} "
                f"characters, the manifest says {len(self._regions)} and {len(ALPHABET) + 1}"
            )
        rows = zip(slots, regions, lines, legible.reshape(len(crops)), strict=True)
        spans = rest[0] if rest else np.full((len(crops), LINES, SPAN), np.nan, np.float32)
        return [self._read(*row) for row in rows], list(spans)

    def _read(self, slots: Tensor, regions: Tensor, lines: Tensor, legible: np.float32) -> PlateRead:
        length = _text_length(slots)
        posterior = tuple(alternatives(_given_a_character(slot)) for slot in slots[:length])
        likeliest = int(regions.argmax())
        region = self._regions[likeliest]
        known = region not in _NO_COUNTRY
        return PlateRead(
            text="".join(position[0].char for position in posterior),
            confidence=float(np.clip(legible, 0, 1)) if length else 0.0,
            posterior=posterior,
            region=region if known else "",
            region_confidence=float(regions[likeliest]) if known else 0.0,
            legibility=float(np.clip(legible, 0, 1)),
            lines=2 if lines[2] > lines[1] else 1,
        )


def _given_a_character(slot: Tensor) -> Tensor:
    """The slot's probabilities if it has a character; that it may have none is in the legibility."""
    given: Tensor = slot.copy()
    given[0] = 0.0
    given /= max(float(given.sum()), 1e-6)
    return given


def _text_length(slots: npt.NDArray[np.float32]) -> int:
    blanks = np.flatnonzero(slots.argmax(axis=1) == 0)
    return int(blanks[0]) if len(blanks) else len(slots)
