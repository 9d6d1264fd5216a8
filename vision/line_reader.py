"""`plate-reader-ctc`, PP-OCR's recogniser taught plates: reads a plate as one line of characters."""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from plates.event import ModelInfo, PlateRead
from vision.ctc import ALPHABET, decode, likelihood
from vision.plate_line import lay_out
from vision.port import Backend, Image, Tensor, VisionError

_NARROW = 2.3


class LineReader:
    """Reads crops laid out as one line of 192 x 48: the network names a character or none at each step.

    The network takes float [n, 3, 48, 192], BGR, -1..1, and gives calibrated probabilities [n, steps, 37]
    (first: no character).
    """

    def __init__(self, backend: Backend, model: ModelInfo) -> None:
        self.model = model
        self._backend = backend

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """See `vision.port.ReaderEngine`. Crops less wide than 2.3 heights are read as two lines as well."""
        narrow = [index for index, crop in enumerate(crops) if crop.shape[1] < _NARROW * crop.shape[0]]
        both = self.read_lines(
            [*crops, *(crops[index] for index in narrow)], [1] * len(crops) + [2] * len(narrow)
        )
        reads = both[: len(crops)]
        for index, other in zip(narrow, both[len(crops) :], strict=True):
            reads[index] = max(reads[index], other, key=lambda read: read.confidence)
        return reads

    def read_lines(
        self, crops: Sequence[Image], lines: Sequence[int], spans: Sequence[Tensor] | None = None
    ) -> list[PlateRead]:
        """What each crop says if it has that many lines, 1 or 2; seen closer if it is told where they lie
        (`spans`, see `vision.plate_line`).
        """
        if not crops:
            return []
        places = [None] * len(crops) if spans is None else spans
        pictures = [lay_out(*each) for each in zip(crops, lines, places, strict=True)]
        (output,) = self._backend.run(cv2.dnn.blobFromImages(pictures, 1 / 127.5, mean=(127.5,) * 3))
        if output.shape[2] != len(ALPHABET) + 1:
            raise VisionError(f"{self.model.name}: the network has {output.shape[2]} classes, not 37")
        return [_read(frames, count) for frames, count in zip(output, lines, strict=True)]


def _read(frames: Tensor, lines: int) -> PlateRead:
    line = decode(frames)
    confidence = likelihood(frames, line.text) if line.text else 0.0
    return PlateRead(line.text, confidence, line.posterior, legibility=confidence, lines=lines)
