"""A model of a manifest as a version of a registry: weights, manifest and card, with its numbers."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vision.manifest import FILE_NAME, Manifest, ModelEntry
from vision.port import VisionError
from vision.registry.port import (
    MANIFEST_TAG,
    RELEASE_TAG,
    STAGE_TAG,
    ModelVersion,
    Registry,
    Stage,
    as_vision_error,
)


def publish(registry: Registry, manifest: Manifest, entry: ModelEntry) -> tuple[ModelVersion, bool]:
    """The version that has this model, and whether it had to be made.

    VisionError if the weights are not what the manifest says, or if the registry cannot take them.
    """
    weights = manifest.weights(entry)
    text = manifest_text(entry)
    digest = hashlib.sha256(text).hexdigest()
    with as_vision_error(), tempfile.TemporaryDirectory() as folder:
        for version in registry.versions(entry.name):
            if version.tags.get(MANIFEST_TAG) == digest:
                return version, False
        alone = Path(folder) / FILE_NAME
        alone.write_bytes(text)
        files = {FILE_NAME: alone, entry.file: weights}
        card = manifest.directory / f"{entry.name}.md"
        if card.is_file():
            files[card.name] = card
        tags = {
            MANIFEST_TAG: digest,
            RELEASE_TAG: entry.version,
            STAGE_TAG: Stage.NONE.tag,
            "sha256": entry.sha256,
            "kind": entry.kind,
            "licence": entry.licence,
        }
        parameters = {"size": str(entry.size), "data": ", ".join(entry.data), "command": entry.command}
        known = {key: value for key, value in parameters.items() if value}
        return registry.register(entry.name, files, tags, known, numbers(entry.metrics)), True


def manifest_text(entry: ModelEntry) -> bytes:
    """A manifest of this model alone; the same bytes for the same entry."""
    content = {"models": [entry.model_dump(mode="json", exclude_defaults=True)]}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110).encode()


def numbers(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Nested metrics flat, `set/metric`; what is no number is left out."""
    flat: dict[str, float] = {}
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            flat |= numbers(value, f"{prefix}{key}/")
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            flat[f"{prefix}{key}"] = float(value)
    return flat


def read_evaluation(path: Path, model: str) -> dict[str, float]:
    """The numbers of a model, `set/metric`, out of what an evaluation wrote: {"SET": {"METRIC": 0.9}}, the
    JSON of `ovr bench accuracy` or training.reader.evaluate, or the JSON lines of training.detector.evaluate.
    Of a model that was measured only as the second of two readers, the pair's.

    VisionError if there is no number in it.
    """
    try:
        text = path.read_text("utf-8")
        rows = [json.loads(line) for line in text.splitlines()] if _is_lines(text) else [json.loads(text)]
        sets: dict[str, Any] = {}
        for row in rows:
            sets |= _one_set(row, sets) if "set" in row else _sets(row)
        found = numbers({name: _of(model, values) for name, values in sets.items()})
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise VisionError(f"{path}: no evaluation: {error}") from error
    if not found:
        raise VisionError(f"{path}: there is no number in it")
    return found


def _of(model: str, values: dict[str, Any]) -> Any:
    pairs = (figures for name, figures in values.items() if name.endswith(f"+{model}"))
    return values[model] if model in values else next(pairs, values)


def _sets(row: dict[str, Any]) -> dict[str, Any]:
    if "name" in row and "way" in row:
        return {str(row["name"]): row}
    found: dict[str, Any] = row.get("sets", row)
    return found


def _one_set(row: dict[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    name = row["set"]
    if name in others:
        raise ValueError(f"{name} is there twice: evaluate at one size, the model's own")
    return {name: {key: value for key, value in row.items() if key not in ("set", "size")}}


def _is_lines(text: str) -> bool:
    lines = text.splitlines()
    return len(lines) > 1 and all(line.startswith("{") and line.endswith("}") for line in lines)
