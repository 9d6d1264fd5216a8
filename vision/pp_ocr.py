"""The general text recogniser PP-OCR from the `rapidocr` wheel, selectable as the reader.

Only the model's file is used; `rapidocr` is not imported, because its own dependencies are not installed.
Source of the model: PaddleOCR (Apache-2.0), converted by RapidOCR.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from plates.event import ModelInfo, PlateRead
from vision.ctc import Charset, CtcText, confusion_matrix, decode
from vision.port import Backend, Image, Tensor, VisionError

NAME = "PP-OCRv6_rec_small"
_HEIGHT = 48
_WIDTHS = (160, 320, 480)  # a few fixed input widths keep the engines from compiling anew for every crop


@dataclass(frozen=True, slots=True)
class PpOcrSettings:
    """`band`: the part of a crop's height that is read as well, where single-line plates carry their number.

    `two_line_below`: crops whose width is less than this many heights are read as two lines, too.
    `confusion`: how many times likelier than a calibrated reader it is to take a character for one that looks
    alike; it was trained on general text, and fonts of plates tell O from 0 in other ways.
    """

    band: tuple[float, float] = (0.18, 0.85)
    two_line_below: float = 2.3
    confusion: float = 8.0


def locate() -> Path:
    """The model's file in the installed `rapidocr` wheel; VisionError if it is not there."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise VisionError(f"{NAME}: the package rapidocr, which carries this model, is not installed")
    path = Path(spec.origin).parent / "models" / f"{NAME}.onnx"
    if not path.is_file():
        raise VisionError(f"{NAME}: the installed rapidocr does not carry {path.name}")
    return path


def version() -> str:
    """The version of the wheel that carries the model."""
    return importlib.metadata.version("rapidocr")


class PpOcrReader:
    """Reads each crop in several ways (whole, middle band, two lines) and keeps the likeliest text."""

    def __init__(self, backend: Backend, model: ModelInfo, settings: PpOcrSettings | None = None) -> None:
        self.model = model
        self.settings = settings or PpOcrSettings()
        self._backend = backend
        characters = backend.metadata.get("character", "").split("\n")
        # PaddleOCR appends the space that its dictionary's file leaves out
        self._charset = Charset([*characters, " "])
        self._confusion = confusion_matrix(self.settings.confusion)

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """See `vision.port.ReaderEngine`."""
        views = [self._views(crop) for crop in crops]
        lines = self._read_lines([line for crop in views for view in crop for line in view])
        results = iter(lines)
        return [
            max((_join([next(results) for _ in view]) for view in crop), key=_plausibility) for crop in views
        ]

    def _views(self, crop: Image) -> list[list[Image]]:
        height, width = crop.shape[:2]
        top, bottom = (round(share * height) for share in self.settings.band)
        views = [[crop]]
        if bottom - top >= 8:
            views.append([crop[top:bottom]])
        if width < self.settings.two_line_below * height and height >= 16:
            middle = height // 2
            overlap = round(0.04 * height)
            views.append([crop[: middle + overlap], crop[middle - overlap :]])
        return views

    def _read_lines(self, lines: Sequence[Image]) -> list[CtcText]:
        scaled = [_scale(line) for line in lines]
        found: dict[int, CtcText] = {}
        for width in sorted({picture.shape[1] for picture in scaled}):
            members = [i for i, picture in enumerate(scaled) if picture.shape[1] == width]
            batch = _normalise([scaled[i] for i in members])
            (output,) = self._backend.run(batch)
            if output.shape[2] != self._charset.classes:
                raise VisionError(
                    f"{self.model.name}: the network has {output.shape[2]} classes, its character list "
                    f"{self._charset.classes}"
                )
            for index, frames in zip(members, output, strict=True):
                found[index] = decode(self._charset.fold(frames) @ self._confusion)
        return [found[i] for i in range(len(lines))]


def _scale(line: Image) -> Image:
    height, width = line.shape[:2]
    scaled = max(1, min(_WIDTHS[-1], round(width * _HEIGHT / height)))
    full = next(limit for limit in _WIDTHS if scaled <= limit)
    canvas = np.full((_HEIGHT, full, 3), 127, np.uint8)
    canvas[:, :scaled] = cv2.resize(line, (scaled, _HEIGHT), interpolation=cv2.INTER_LINEAR)
    return canvas


def _normalise(lines: Sequence[Image]) -> Tensor:
    return np.asarray(cv2.dnn.blobFromImages(list(lines), 1 / 127.5, mean=(127.5,) * 3), np.float32)


def _join(lines: Sequence[CtcText]) -> PlateRead:
    text = "".join(line.text for line in lines)
    confidence = float(np.prod([line.confidence for line in lines])) if text else 0.0
    posterior = tuple(position for line in lines for position in line.posterior)
    return PlateRead(text, confidence, posterior, legibility=_legibility(posterior), lines=len(lines))


def _legibility(posterior: Sequence[Sequence[object]]) -> float:
    return 1.0 if posterior else 0.0


def _plausibility(read: PlateRead) -> tuple[bool, float]:
    return 4 <= len(read.text) <= 9, read.confidence
