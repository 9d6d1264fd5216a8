"""Plates laid out as one line, and the reader that takes them so."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tests.builders.tiny_onnx import tiny_line_reader, tiny_reader
from vision.line_reader import LineReader
from vision.models import ModelChoice, open_reader
from vision.plate_line import HEIGHT, WIDTH, lay_out

ENTRY = """\
- name: {name}
  version: "1"
  kind: reader
  format: {format}
  file: {file}
  sha256: {sha256}
  licence: none
"""


def manifest(folder: Path) -> Path:
    """A manifest of a slot reader that says B123ABC and a line reader that says B128ABC."""
    files = {
        "slots": ("plate-reader", tiny_reader(folder / "slots.onnx")),
        "lines": ("plate-line", tiny_line_reader(folder / "lines.onnx", "B128ABC")),
    }
    text = "models:\n"
    for name, (form, path) in files.items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        text += ENTRY.format(name=name, format=form, file=path.name, sha256=digest)
        text += "  regions: [eu, xx, ro]\n" if form == "plate-reader" else ""
    (folder / "manifest.yaml").write_text(text)
    return folder / "manifest.yaml"


def opened(folder: Path, name: str) -> LineReader:
    """The line reader of the manifest."""
    reader = open_reader(ModelChoice(name, manifest=manifest(folder), threads=1))
    assert isinstance(reader, LineReader)
    return reader


@pytest.mark.parametrize("shape", [(48, 192), (20, 90), (400, 900), (3, 5)])
def test_one_line_is_stretched_whatever_its_shape(shape: tuple[int, int]) -> None:
    """The network's input has one size."""
    crop = np.full((*shape, 3), 90, np.uint8)
    assert (lay_out(crop, 1) == np.full((HEIGHT, WIDTH, 3), 90)).all()


def test_the_lower_of_two_lines_stands_right_of_the_upper() -> None:
    """Left is what was above, right what was below, and a strip round the middle is in both."""
    crop = np.zeros((100, 120, 3), np.uint8)
    crop[50:] = 200
    line = lay_out(crop, 2)
    assert line.shape == (HEIGHT, WIDTH, 3)
    left, right = line[:, : WIDTH // 2], line[:, WIDTH // 2 :]
    assert left[:-6].max() == 0
    assert right[6:].min() == 200
    assert left[-1].min() == 200
    assert right[0].max() == 0


def test_a_line_is_read_with_how_likely_it_is(tmp_path: Path) -> None:
    """Text, posterior and confidence come from the network's frames, for each crop of a batch."""
    reads = opened(tmp_path, "lines").read_lines([np.zeros((20, 90, 3), np.uint8)] * 2, [1, 2])
    assert [read.text for read in reads] == ["B128ABC"] * 2
    assert [read.lines for read in reads] == [1, 2]
    assert len(reads[0].posterior) == 7
    assert 0.4 < reads[0].confidence < 0.6


def test_without_a_layout_narrow_crops_are_read_both_ways(tmp_path: Path) -> None:
    """Every crop is answered once, in order, and an empty list with an empty list."""
    reader = opened(tmp_path, "lines")
    crops = [np.zeros((20, 90, 3), np.uint8), np.zeros((60, 90, 3), np.uint8)]
    assert [read.text for read in reader.read(crops)] == ["B128ABC"] * 2
    assert reader.read([]) == []


def test_the_default_is_the_first_two_readers_of_the_manifest(tmp_path: Path) -> None:
    """The slot reader's region and legibility stay; both models are named."""
    reader = open_reader(ModelChoice(manifest=manifest(tmp_path), threads=1))
    assert reader.model.name == "slots+lines"
    (read,) = reader.read([np.full((20, 90, 3), 128, np.uint8)])
    assert read.region == "ro"
    assert read.text in ("B123ABC", "B128ABC")
