"""Engines on tiny networks, and pictures for them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from tests.builders.tiny_onnx import tiny_detector, tiny_reader
from vision.detector import DetectorSettings, YoloDetector
from vision.models import ModelChoice, open_detector, open_reader
from vision.port import Image, ReaderEngine

MANIFEST = """\
models:
- name: tiny
  version: "1"
  kind: detector
  format: yolo
  file: tiny.onnx
  sha256: {detector}
  licence: none
  size: 128
  classes: [plate, vehicle]
- name: tiny-reader
  version: "1"
  kind: reader
  format: plate-reader
  file: reader.onnx
  sha256: {reader}
  licence: none
  regions: [eu, xx, ro]
"""


def manifest(folder: Path, text: str = "B123ABC") -> Path:
    """A manifest of a tiny detector and a tiny reader that says `text`."""
    files = {
        "detector": tiny_detector(folder / "tiny.onnx"),
        "reader": tiny_reader(folder / "reader.onnx", text),
    }
    digests = {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}
    path = folder / "manifest.yaml"
    path.write_text(MANIFEST.format(**digests))
    return path


def detector(folder: Path) -> YoloDetector:
    """A detector for which bright 32 px cells of a 128 x 64 picture are plates."""
    return open_detector(
        ModelChoice(manifest=manifest(folder), threads=1),
        DetectorSettings(max_size=128, scales=(1.0,), min_score=0.3),
    )


def reader(folder: Path, text: str = "B123ABC") -> ReaderEngine:
    """A reader that says `text`, surer the brighter the crop is."""
    return open_reader(ModelChoice("tiny-reader", manifest=manifest(folder, text), threads=1))


def picture(*cells: tuple[int, int], scale: int = 1, light: int = 255) -> Image:
    """A black 128 x 64 picture, `scale` times larger, whose given cells (column, row) of 32 px are bright."""
    image = np.zeros((64 * scale, 128 * scale, 3), np.uint8)
    side = 32 * scale
    for column, row in cells:
        image[row * side : (row + 1) * side, column * side : (column + 1) * side] = light
    return image
