"""Models of a registry for programs that open them once: see `vision.registry.follow` for services."""

from __future__ import annotations

from contextlib import closing

from vision.detector import YoloDetector
from vision.models import ModelChoice, open_detector, open_reader, pair
from vision.port import ReaderEngine, VisionError
from vision.registry.port import SCHEME, ModelReference, as_vision_error
from vision.registry.settings import RegistrySettings


def open_named_detector(model: str, settings: RegistrySettings) -> YoloDetector:
    """The detector of a manifest's name or of `models:/NAME@ALIAS`; empty: the best installed.

    VisionError if it cannot be had; ConfigError for a registry's address that is none.
    """
    found = _choices(model, settings)
    if len(found) != 1:
        raise VisionError(f"{model}: a detector is one model, without a plus")
    return open_detector(found[0])


def open_named_reader(model: str, settings: RegistrySettings) -> ReaderEngine:
    """The reader of a name, of `models:/NAME@ALIAS`, or of two with a plus between. Errors as above."""
    engines = [open_reader(choice) for choice in _choices(model, settings)]
    if len(engines) > 2:
        raise VisionError(f"{model}: at most two readers, with a plus between")
    return engines[0] if len(engines) == 1 else pair(engines[0], engines[1])


def _choices(model: str, settings: RegistrySettings) -> list[ModelChoice]:
    if SCHEME not in model:
        return [ModelChoice(model)]
    found = []
    with closing(settings.cache()) as cache, as_vision_error():
        for part in model.split("+"):
            if not part.startswith(SCHEME):
                found.append(ModelChoice(part))
                continue
            installed = cache.obtain(ModelReference.parse(part))
            found.append(ModelChoice(installed.entry().name, manifest=installed.manifest))
    return found
