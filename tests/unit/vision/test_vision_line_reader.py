"""Plates laid out as one line, and the reader that takes them so."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from plates.event import ModelInfo
from tests.builders.tiny_onnx import tiny_line_reader, tiny_reader
from vision.line_reader import LineReader
from vision.models import ModelChoice, open_reader, pair
from vision.plate_line import HEIGHT, WIDTH, lay_out
from vision.plate_reader import SlotReader
from vision.port import Image, Tensor

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


def marked(height: int, width: int, line: tuple[float, ...]) -> Image:
    """A black crop with its line of characters white: left, right, top and bottom at either, in parts."""
    left, right, top_left, top_right, bottom_left, bottom_right = line
    corners = [[left, top_left], [right, top_right], [right, bottom_right], [left, bottom_left]]
    crop = np.zeros((height, width, 3), np.uint8)
    cv2.fillPoly(crop, [np.round(np.array(corners) * [width, height]).astype(np.int32)], (255, 255, 255))
    return crop


@pytest.mark.parametrize("size", [(60, 120), (300, 700), (1200, 1600)])
@pytest.mark.parametrize("line", [(0.2, 0.9, 0.3, 0.3, 0.7, 0.7), (0.1, 0.8, 0.2, 0.4, 0.5, 0.7)])
def test_a_line_whose_place_is_known_is_cut_out_close_and_level(
    size: tuple[int, int], line: tuple[float, ...]
) -> None:
    """A line that slopes fills a level strip, as high whatever the crop's size, with some room around it."""
    spans = np.array([line, (np.nan,) * 6], np.float32)
    picture = lay_out(marked(*size, line), 1, spans)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    white = picture[..., 0] > 127
    rows = white.mean(axis=1)
    assert rows[10:38].min() > 0.7
    assert rows[:4].max() < 0.1
    assert rows[-4:].max() < 0.1


def test_two_lines_whose_places_are_known_stand_side_by_side() -> None:
    """The first is left, the second right, each between the same left and right of the crop."""
    first, second = (0.4, 0.9, 0.1, 0.1, 0.4, 0.4), (0.1, 0.9, 0.6, 0.6, 0.9, 0.9)
    crop = np.maximum(marked(100, 120, first), marked(100, 120, second) // 2)
    picture = lay_out(crop, 2, np.array([first, second], np.float32))
    middle = picture[HEIGHT // 2, :, 0]
    assert middle[: WIDTH // 2].max() == 255
    assert middle[WIDTH // 2 :].max() == 127
    assert (middle[: WIDTH // 2] == 255).sum() < (middle[WIDTH // 2 :] == 127).sum()


@pytest.mark.parametrize(
    "line",
    [
        (np.nan,) * 6,
        (0.5, 0.5, 0.2, 0.2, 0.8, 0.8),
        (0.1, 0.9, 0.8, 0.8, 0.2, 0.2),
        (0.1, 0.9, 0.5, 0.5, 0.51, 0.51),
        (-3.0, 0.9, 0.2, 0.2, 0.8, 0.8),
    ],
)
def test_a_place_that_no_line_can_have_counts_for_nothing(line: tuple[float, ...]) -> None:
    """The crop is laid out whole."""
    crop = np.random.default_rng(0).integers(0, 255, (40, 90, 3), dtype=np.uint8)
    assert (lay_out(crop, 1, np.array([line] * 2, np.float32)) == lay_out(crop, 1)).all()


class Answers:
    """A network that always gives the same, and keeps what it was asked."""

    name = "none"

    def __init__(self, *outputs: Tensor) -> None:
        self.outputs = outputs
        self.asked: list[Tensor | Image] = []

    def run(self, batch: Tensor | Image) -> list[Tensor]:
        """The answers."""
        self.asked.append(batch)
        return list(self.outputs)


def test_the_line_reader_is_shown_the_line_that_the_slot_reader_found() -> None:
    """Of a crop whose line is white on black it sees mostly white; without spans it sees the whole crop."""
    line = (0.1, 0.9, 0.4, 0.4, 0.6, 0.6)
    slots = np.full((1, 10, 37), 1 / 37, np.float32)
    heads = (slots, np.ones((1, 1)), np.array([[0, 1, 0]]), np.array([0.5]))
    spans = np.array([[line, line]], np.float32)
    shares = []
    for outputs in ((*heads, spans), heads):
        network = Answers(np.full((1, 24, 37), 1 / 37, np.float32))
        info = ModelInfo("any", "1", "", "none")
        first = SlotReader(Answers(*(np.asarray(each, np.float32) for each in outputs)), info, ("eu",))
        pair(first, LineReader(network, info)).read([marked(60, 120, line)])
        shares.append(float((network.asked[0] > 0).mean()))
    assert shares[0] > 0.5
    assert shares[1] < 0.25


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
