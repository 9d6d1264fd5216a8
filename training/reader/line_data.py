"""Write shards of lines to learn from: drawn plates, real crops, permuted crops, pictures without a plate.

    python -m training.reader.line_data --permute CHECKPOINT --shards 40

A shard holds `images` uint8 (N, LINE_HEIGHT, LINE_WIDTH, 3) and `slots` uint8 (N, SLOTS), 0 after the text.
Plates of two lines are laid out in one, as `vision.plate_line` does it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from synth.degrade import REAL, SYNTHETIC, Level, background, photograph
from synth.fonts import Face, training_faces
from synth.plate import random_style, render_plate
from training.reader.config import Config, load_config
from training.reader.contract import SLOTS, encode
from training.reader.data import Crop, Image, balanced, real_crops
from training.reader.export import load_reader
from training.reader.line_config import LineConfig, load_line_config
from training.reader.permute import locate, permuted
from training.reader.recogniser import LINE_HEIGHT, LINE_WIDTH
from vision.plate_line import lay_out

Drawer = Callable[[np.random.Generator], tuple[Image, str]]

_CLEAR = replace(
    SYNTHETIC, width=(80.0, 300.0), blur=0.3, motion=0.08, noise=0.3, light=0.4, dirt=0.15, night=0.1
)
_CLEAR_SHARE = 0.75

_SIZES = {1: (LINE_HEIGHT, LINE_WIDTH), 2: (2 * LINE_HEIGHT, LINE_WIDTH // 2)}


def _seen(
    image: Image, lines: int, rng: np.random.Generator, level: Level, ground: Image | None = None
) -> Image:
    size = _SIZES[2 if lines == 2 else 1]
    picture, _ = photograph(image, np.zeros((0, 4), np.float32), rng, size, level, ground)
    return lay_out(picture, lines)


def drawn(faces: tuple[Face, ...], regions: dict[str, float]) -> Drawer:
    """Draws plates of the regions by weight; `any` is the world's mixture."""
    names = list(regions)
    chances = np.array([regions[name] for name in names])
    chances = chances / chances.sum()

    def draw(rng: np.random.Generator) -> tuple[Image, str]:
        name = names[int(rng.choice(len(names), p=chances))]
        style = random_style(rng, None if name == "any" else name)
        plate = render_plate(None, None, rng, faces=faces, style=style)
        if not 0 < len(plate.text) <= SLOTS:
            return draw(rng)
        level = _CLEAR if rng.random() < _CLEAR_SHARE else SYNTHETIC
        return _seen(plate.image, plate.lines, rng, level), plate.text

    return draw


def real(crops: list[Crop], change: Callable[[int, np.random.Generator], Crop]) -> Drawer:
    """Draws real crops seen again, changed by `change` from their number."""
    chances = balanced(crops)

    def draw(rng: np.random.Generator) -> tuple[Image, str]:
        crop = change(int(rng.choice(len(crops), p=chances)), rng)
        around = cv2.GaussianBlur(crop.image, (0, 0), max(crop.image.shape[0] / 8, 1.0)).astype(np.uint8)
        ground = around if rng.random() < 0.7 else background(crop.image.shape[:2], rng)
        return _seen(crop.image, crop.lines, rng, REAL, ground), crop.text

    return draw


def empty(folder: Path) -> Drawer:
    """Cuts from pictures without plates."""
    pictures = [cv2.imread(str(path)).astype(np.uint8) for path in sorted(folder.iterdir())]

    def draw(rng: np.random.Generator) -> tuple[Image, str]:
        picture = pictures[int(rng.integers(len(pictures)))]
        wide = int(rng.integers(24, max(picture.shape[1] // 2, 25)))
        tall = min(max(int(wide / rng.uniform(1.2, 5)), 10), picture.shape[0])
        y = int(rng.integers(0, picture.shape[0] - tall + 1))
        x = int(rng.integers(0, picture.shape[1] - wide + 1))
        cut = np.ascontiguousarray(picture[y : y + tall, x : x + wide])
        return _seen(cut, int(rng.integers(1, 3)), rng, REAL), ""

    return draw


def drawers(config: Config, line: LineConfig, checkpoint: Path | None) -> list[tuple[Drawer, float]]:
    """The ways to draw a line and their weights.

    `checkpoint`: a slot reader that finds the characters to permute; None: real crops stay as they are.
    """
    crops = real_crops(config)
    plain, permuted_share = real(crops, lambda number, _: crops[number]), line.permuted_share
    ways = [
        (drawn(training_faces(), line.regions), 1 - line.real_share - permuted_share - line.empty_share),
        (plain, line.real_share),
        (empty(config.data / "train" / config.empty_set / "images"), line.empty_share),
    ]
    if checkpoint is None:
        return [*ways, (plain, permuted_share)]
    located = locate(crops, load_reader(checkpoint))
    change = real([found.crop for found in located], lambda number, rng: permuted(located[number], rng))
    return [*ways, (change, permuted_share)]


def write(path: Path, samples: list[tuple[Image, str]]) -> None:
    """Write a shard whole or not at all."""
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as file:
        np.savez(
            file,
            images=np.stack([image for image, _ in samples]),
            slots=np.stack([encode(text) for _, text in samples]).astype(np.uint8),
        )
    partial.rename(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("training/reader/config.yaml"))
    parser.add_argument("--line", type=Path, default=Path("training/reader/line.yaml"))
    parser.add_argument("--permute", type=Path, metavar="CHECKPOINT", help="a slot reader")
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    line = load_line_config(arguments.line)
    ways = drawers(load_config(arguments.config), line, arguments.permute)
    chances = [chance for _, chance in ways]
    line.shards.mkdir(parents=True, exist_ok=True)
    for number in tqdm(range(arguments.first, arguments.first + arguments.shards), unit="shard"):
        path = line.shards / f"line-{number:05d}.npz"
        if not path.exists():
            rng = np.random.default_rng([line.seed, number])
            picks = rng.choice(len(ways), line.shard_size, p=chances)
            write(path, [ways[int(pick)][0](rng) for pick in picks])


if __name__ == "__main__":
    main()
