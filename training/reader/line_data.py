"""Write shards of lines to learn from: drawn plates, real crops, permuted crops, pictures without a plate.

    python -m training.reader.line_data --reader models/checkpoints/plate-reader-X.Y.Z.pt --shards 40

A shard holds `images` uint8 (N, LINE_HEIGHT, LINE_WIDTH, 3) and `slots` uint8 (N, SLOTS), 0 after the text.
Plates are laid out as `vision.plate_line` does it: most by their lines of characters, which the plate reader
will not find exactly, the others whole.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from synth.degrade import REAL, Boxes, Level, photograph
from synth.fonts import Face, training_faces
from training.reader.config import Config, load_config
from training.reader.contract import encode
from training.reader.data import (
    NO_BOXES,
    Crop,
    Image,
    balanced,
    draw_plate,
    empty_cut,
    empty_pictures,
    ground_of,
    real_crops,
    write_arrays,
)
from training.reader.export import load_reader
from training.reader.line_config import LineConfig, load_line_config
from training.reader.permute import Located, locate, permuted
from training.reader.spans import Spans, spans_of
from vision.plate_line import lay_out

Drawer = Callable[[np.random.Generator], tuple[Image, str]]

READER_HELP = "checkpoint of the slot reader that finds the characters of real crops"

_CLOSE_SHARE = 0.75


def _seen(
    image: Image,
    boxes: Boxes,
    lines: int,
    rng: np.random.Generator,
    level: Level,
    ground: Image | None = None,
) -> Image:
    picture, boxes = photograph(image, boxes, rng, level, ground)
    if len(boxes) == 0 or rng.random() > _CLOSE_SHARE:
        return lay_out(picture, lines)
    height, width = picture.shape[:2]
    spans = spans_of(boxes) / np.array([width, width, height, height, height, height], np.float32)
    return lay_out(picture, lines, _missed(spans, width / height, rng))


def _missed(spans: Spans, aspect: float, rng: np.random.Generator) -> Spans:
    """Spans as a reader finds them: a little off, in parts of a line's height."""
    tall = (spans[:, 4:] - spans[:, 2:4]).mean(axis=1, keepdims=True)
    off = rng.normal(0, 0.07, spans.shape) * tall
    off[:, :2] *= 1.7 / aspect
    grown = rng.uniform(-0.1, 0.1, (len(spans), 1)) * tall
    return np.asarray(spans + off + grown * [0, 0, -1, -1, 1, 1], np.float32)


def drawn(faces: tuple[Face, ...], regions: dict[str, float]) -> Drawer:
    """Draws plates of the regions."""

    def draw(rng: np.random.Generator) -> tuple[Image, str]:
        plate, level = draw_plate(rng, faces, regions)
        return _seen(plate.image, plate.chars, plate.lines, rng, level), plate.text

    return draw


def find_crops(
    config: Config, reader: Path, validation: bool = False
) -> tuple[list[Crop], dict[int, Located]]:
    """The real crops to learn from (or those held back), and by number those in which `reader`, the
    checkpoint of a slot reader, finds the characters.
    """
    crops = real_crops(config, validation)
    return crops, locate(crops, load_reader(reader))


def real(crops: list[Crop], located: Mapping[int, Located], change: bool = False) -> Drawer:
    """Draws real crops seen again. Those `located`, by number, can be laid out by their lines, and have their
    characters changed about if `change` says so.
    """
    numbers = list(located) if change else list(range(len(crops)))
    chances = balanced([crops[number] for number in numbers])

    def draw(rng: np.random.Generator) -> tuple[Image, str]:
        number = numbers[int(rng.choice(len(numbers), p=chances))]
        found = located.get(number)
        crop = permuted(found, rng) if found is not None and change else crops[number]
        boxes = NO_BOXES if found is None else found.cells.astype(np.float32)
        return _seen(crop.image, boxes, crop.lines, rng, REAL, ground_of(crop, rng)), crop.text

    return draw


def empty(folder: Path) -> Drawer:
    """Cuts from pictures without plates."""
    pictures = empty_pictures(folder)

    def draw(rng: np.random.Generator) -> tuple[Image, str]:
        cut = empty_cut(pictures, rng)
        return _seen(cut, NO_BOXES, int(rng.integers(1, 3)), rng, REAL), ""

    return draw


def drawers(config: Config, line: LineConfig, reader: Path) -> list[tuple[Drawer, float]]:
    """The ways to draw a line and their weights; `reader` as in `find_crops`."""
    crops, located = find_crops(config, reader)
    return [
        (drawn(training_faces(), line.regions), 1 - line.real_share - line.permuted_share - line.empty_share),
        (real(crops, located), line.real_share),
        (real(crops, located, change=True), line.permuted_share),
        (empty(config.data / "train" / config.empty_set / "images"), line.empty_share),
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("training/reader/config.yaml"))
    parser.add_argument("--line", type=Path, default=Path("training/reader/line.yaml"))
    parser.add_argument("--reader", type=Path, required=True, help=READER_HELP)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    line = load_line_config(arguments.line)
    ways = drawers(load_config(arguments.config), line, arguments.reader)
    chances = [chance for _, chance in ways]
    line.shards.mkdir(parents=True, exist_ok=True)
    for number in tqdm(range(arguments.first, arguments.first + arguments.shards), unit="shard"):
        path = line.shards / f"line-{number:05d}.npz"
        if not path.exists():
            rng = np.random.default_rng([line.seed, number])
            picks = rng.choice(len(ways), line.shard_size, p=chances)
            samples = [ways[int(pick)][0](rng) for pick in picks]
            images = np.stack([image for image, _ in samples])
            slots = np.stack([encode(text) for _, text in samples]).astype(np.uint8)
            write_arrays(path, {"images": images, "slots": slots})


if __name__ == "__main__":
    main()
