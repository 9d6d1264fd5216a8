"""From a choice of model and engine to something that detects or reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from plates.event import ModelInfo
from vision import pp_ocr
from vision.corners import CornerFinder
from vision.detector import DetectorSettings, YoloDetector
from vision.ensemble import ALWAYS, EnsembleReader
from vision.line_reader import LineReader
from vision.manifest import Manifest, sha256_of
from vision.plate_reader import SlotReader
from vision.port import Backend, ReaderEngine, VisionError
from vision.pp_ocr import PpOcrReader, PpOcrSettings

EngineName = Literal["openvino", "onnxruntime", "tensorrt"]
PP_OCR = "pp-ocr"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model to run, and how.

    `name`: as in the manifest, with or without `@version`; empty for the best installed. `manifest`: another
    manifest than the shipped one. `threads`: CPU threads of one inference; `streams`: inferences at once.
    """

    name: str = ""
    engine: EngineName = "openvino"
    threads: int = 2
    streams: int = 1
    manifest: Path | None = None


def open_detector(
    choice: ModelChoice | None = None, settings: DetectorSettings | None = None, *, corners: bool = True
) -> YoloDetector:
    """The chosen detector, ready to run; VisionError if it is missing or its file is not what it should be.

    A size of 0 in the settings means the manifest's. `corners`: its plates get corners, if a model for that
    is installed.
    """
    choice = choice or ModelChoice()
    manifest = Manifest.load(choice.manifest)
    entry = manifest.find("detector", choice.name)
    if entry is None:
        raise VisionError(_unknown("detector", choice.name, manifest, ()))
    backend = open_backend(manifest.weights(entry), choice)
    settings = settings or DetectorSettings()
    settings = replace(settings, size=settings.size or entry.size)
    finder = _open_corners(manifest, choice) if corners else None
    return YoloDetector(backend, entry.info(backend.name), entry.classes, settings, finder)


def _open_corners(manifest: Manifest, choice: ModelChoice) -> CornerFinder | None:
    """What finds the corners of plates: the manifest's own model, else the shipped one, if there is any."""
    entry = manifest.find("corners", "")
    if entry is None:
        manifest = Manifest.load()
        entry = manifest.find("corners", "")
    return CornerFinder(open_backend(manifest.weights(entry), choice)) if entry is not None else None


def open_reader(choice: ModelChoice | None = None) -> ReaderEngine:
    """The chosen reader, ready to run; `pp-ocr` is the one from the rapidocr wheel.

    Two names with a plus between, such as `plate-reader+pp-ocr`, are an ensemble: the second reads where
    the first is unsure, or always if it is a reader of lines, which is cheap. Without a name it is the
    manifest's first two readers, or its only one and pp-ocr.
    """
    choice = choice or ModelChoice()
    first, plus, second = choice.name.partition("+")
    if plus and not (first and second and "+" not in second):
        raise VisionError(f"{choice.name}: two readers have a name each, with a plus between")
    if plus:
        return pair(open_reader(replace(choice, name=first)), open_reader(replace(choice, name=second)))
    manifest = Manifest.load(choice.manifest)
    installed = [entry.name for entry in manifest.of_kind("reader")]
    if not choice.name and installed:
        first, second = (*installed, PP_OCR)[:2]
        return open_reader(replace(choice, name=f"{first}+{second}"))
    if choice.name in ("", PP_OCR):
        return _open_pp_ocr(choice)
    entry = manifest.find("reader", choice.name)
    if entry is None:
        raise VisionError(_unknown("reader", choice.name, manifest, (PP_OCR,)))
    backend = open_backend(manifest.weights(entry), choice)
    if entry.format == "plate-line":
        return LineReader(backend, entry.info(backend.name))
    return SlotReader(backend, entry.info(backend.name), entry.regions)


def pair(first: ReaderEngine, second: ReaderEngine) -> EnsembleReader:
    """Two readers as one: a line reader reads every crop and has the say over the slots of ours, another
    second reader is asked where the first is unsure."""
    if isinstance(second, LineReader):
        return EnsembleReader(first, second, ALWAYS, (0.3, 1.0))
    return EnsembleReader(first, second)


def _open_pp_ocr(choice: ModelChoice) -> ReaderEngine:
    path = pp_ocr.locate()
    backend = open_backend(path, choice)
    info = ModelInfo(pp_ocr.NAME, pp_ocr.version(), sha256_of(path), backend.name)
    return PpOcrReader(backend, info, PpOcrSettings())


def _unknown(kind: str, name: str, manifest: Manifest, further: tuple[str, ...]) -> str:
    known = [entry.name for entry in manifest.entries if entry.kind == kind] + list(further)
    listed = f"there are: {', '.join(known)}" if known else "none is installed"
    return f"no {kind} called {name!r} in {manifest.directory}; {listed}"


def open_backend(path: Path, choice: ModelChoice) -> Backend:
    """A network loaded into the chosen engine; VisionError if the engine is not installed."""
    try:
        return _ENGINES[choice.engine](path, choice)
    except ImportError as error:
        raise VisionError(f"the engine {choice.engine} is not installed here: {error}") from error


# Each engine's package is imported only when it is chosen: none but OpenVINO need be installed.


def _openvino(path: Path, choice: ModelChoice) -> Backend:
    from vision.backends.openvino import OpenVinoBackend

    return OpenVinoBackend(path, threads=choice.threads, streams=choice.streams)


def _onnxruntime(path: Path, choice: ModelChoice) -> Backend:
    from vision.backends.onnx import OnnxBackend

    return OnnxBackend(path, threads=choice.threads)


def _tensorrt(path: Path, choice: ModelChoice) -> Backend:
    from vision.backends.tensorrt import TensorRtBackend

    return TensorRtBackend(path)


_ENGINES: dict[str, Callable[[Path, ModelChoice], Backend]] = {
    "openvino": _openvino,
    "onnxruntime": _onnxruntime,
    "tensorrt": _tensorrt,
}
