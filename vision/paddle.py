"""PaddleOCR's `TextRecognition` as a reader (extra `paddle`).

PaddlePaddle is larger than the default install may be, and models of its own format were not run on this
project's machines; a folder with an `inference.onnx` needs PaddleOCR 3.5 and ONNX Runtime only, and was run.
`TextRecognition(model_name, model_dir).predict(images)` gives a `rec_text` and `rec_score` for each image. It
says no more of single characters, so a read's confidence is spread over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from plates.event import ModelInfo, PlateRead
from plates.text import normalise
from vision.ctc import ALPHABET
from vision.manifest import sha256_of
from vision.plate_line import HEIGHT, WIDTH
from vision.port import Image, VisionError

ENGINE = "paddle"
_WEIGHTS = ("inference.pdiparams", "inference.onnx")


class PaddleReader:
    """Reads crops with a text recognition model of PaddleOCR: one by name, or one in a folder of its own."""

    def __init__(self, model_name: str, model_dir: Path | None = None, *, device: str = "cpu") -> None:
        try:
            from paddleocr import TextRecognition
        except ImportError as error:
            raise VisionError(f"the engine paddle is not installed here: {error}") from error
        try:
            self._model: Any = TextRecognition(
                model_name=model_name,
                model_dir=str(model_dir) if model_dir else None,
                device=device,
                **_options(model_dir),
            )
        except (RuntimeError, ValueError, OSError, KeyError) as error:
            raise VisionError(
                f"{model_dir or model_name}: PaddleOCR cannot load this model: {error}"
            ) from error
        self.model = ModelInfo(model_name, _version(), _digest(model_dir), ENGINE)

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """See `vision.port.ReaderEngine`."""
        if not crops:
            return []
        results = self._model.predict([np.ascontiguousarray(crop) for crop in crops], batch_size=len(crops))
        return [read_of(str(result["rec_text"]), float(result["rec_score"])) for result in results]


def read_of(text: str, score: float) -> PlateRead:
    """A whole text with one score as a read: characters no plate has are left out."""
    plain = normalise(text)
    confidence = min(1.0, max(0.0, score)) if plain else 0.0
    return PlateRead(plain, confidence, (), legibility=confidence)


def _options(folder: Path | None) -> dict[str, object]:
    """An ONNX file is run by ONNX Runtime; ours takes every line stretched to one shape."""
    if folder is None or not (folder / "inference.onnx").is_file():
        return {}
    description = yaml.safe_load((folder / "inference.yml").read_text("utf-8"))
    characters = description.get("PostProcess", {}).get("character_dict")
    shape = {"input_shape": (3, HEIGHT, WIDTH)} if characters == list(ALPHABET) else {}
    return {"engine": "onnxruntime", **shape}


def _version() -> str:
    import importlib.metadata

    return importlib.metadata.version("paddleocr")


def _digest(folder: Path | None) -> str:
    files = [folder / name for name in _WEIGHTS] if folder else []
    return next((sha256_of(path) for path in files if path.is_file()), "")
