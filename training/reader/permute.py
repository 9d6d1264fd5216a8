"""Write shards of real crops whose characters have changed places among themselves.

    python -m training.reader.permute --checkpoint ../data-reader/run/last.pt --shards 6

A half-trained reader says where each character stands; letters change places with letters and digits with
digits of the same crop: typeface, light and blur stay those of the picture (after Laroca et al., arXiv
2601.07671).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from training.reader.config import load_config
from training.reader.contract import HEIGHT, WIDTH, decode
from training.reader.data import (
    Crop,
    Image,
    Sample,
    balanced,
    real_crops,
    real_sample,
    to_input,
    write_shards,
)
from training.reader.export import load_reader
from training.reader.model import GRID, PlateReader, normalise


@dataclass(frozen=True)
class Located:
    """A crop with the cell of each character: int (N, 4) x0, y0, x1, y1 in pixels."""

    crop: Crop
    cells: NDArray[np.int64]


@torch.no_grad()
def locate(crops: list[Crop], reader: PlateReader) -> dict[int, Located]:
    """By number the crops the reader reads rightly, each with where it looked."""
    rows, columns = GRID
    grid_x = np.arange(columns)
    found: dict[int, Located] = {}
    for start in tqdm(range(0, len(crops), 64), desc="locate"):
        part = crops[start : start + 64]
        images = torch.from_numpy(np.stack([to_input(crop.image) for crop in part]))
        reading = reader(normalise(images))
        classes = reading.slots.argmax(2).numpy()
        maps = reading.attention.numpy().reshape(len(part), -1, rows, columns)
        answers = zip(part, classes, maps, reading.spans.numpy(), strict=True)
        for number, (crop, row, attention, spans) in enumerate(answers, start):
            if decode(row) != crop.text:
                continue
            weight = attention[: len(crop.text)]
            weight = weight / weight.sum(axis=(1, 2), keepdims=True)
            x = ((grid_x + 0.5) * weight).sum(axis=(1, 2)) / columns * crop.image.shape[1]
            height, width = crop.image.shape[:2]
            cells = cells_of(crop, x, spans * [width, width, height, height, height, height])
            if cells is not None:
                found[number] = Located(crop, cells)
    return found


def cells_of(crop: Crop, x: NDArray[np.float64], spans: NDArray[np.floating]) -> NDArray[np.int64] | None:
    """Each character's cell: as high as its line, cut where the columns between two middles hold least ink.

    `x`: the characters' middles, `spans` the lines (`training.reader.spans`), in pixels. None if the
    characters are too near each other, or there are not as many lines.
    """
    height, width = crop.image.shape[:2]
    cells = []
    breaks = [0, *(i + 1 for i in range(len(x) - 1) if x[i + 1] < x[i]), len(x)]
    if len(breaks) - 1 != crop.lines:
        return None
    for (first, last), span in zip(pairwise(breaks), spans, strict=False):
        middles = x[first:last]
        steps = np.diff(middles)
        if len(steps) == 0 or steps.min() < 5:
            return None
        reach = float(np.median(steps)) * 0.62
        left, right, *ends = span
        tops, bottoms = (np.interp(middles, [left, right], ends[i : i + 2]) for i in (0, 2))
        if (bottoms - tops).min() < 5:
            return None
        band = slice(int(max(tops.mean(), 0)), int(bottoms.mean()))
        ink = crop.image[band].mean(axis=2).std(axis=0)
        for index, middle in enumerate(middles):
            before = middles[index - 1] if index else middle - 1.6 * reach
            after = middles[index + 1] if index + 1 < len(middles) else middle + 1.6 * reach
            left, right = cut(ink, middle, before, reach), cut(ink, middle, after, reach)
            top, bottom = max(round(tops[index]), 0), min(round(bottoms[index]), height)
            cells.append((max(left, 0), top, min(right, width), bottom))
    return np.array(cells)


def cut(ink: NDArray[np.float64], middle: float, other: float, reach: float) -> int:
    """The column of least ink between a character and its neighbour, no further off than `reach`."""
    far = middle + np.clip(other - middle, -1.6 * reach, 1.6 * reach)
    low, high = sorted((middle + 0.25 * (far - middle), middle + 0.8 * (far - middle)))
    a, b = int(np.clip(low, 0, len(ink) - 1)), int(np.clip(np.ceil(high), 1, len(ink)))
    return a + int(ink[a : max(b, a + 1)].argmin())


def permuted(located: Located, rng: np.random.Generator) -> Crop:
    """The crop with one to three pairs of its letters, or of its digits, changed about."""
    image, text = located.crop.image.copy(), list(located.crop.text)
    for _ in range(int(rng.integers(1, 4))):
        letters = [i for i, char in enumerate(text) if char.isalpha()]
        digits = [i for i, char in enumerate(text) if char.isdigit()]
        groups = [group for group in (letters, digits) if len({text[i] for i in group}) > 1]
        if not groups:
            break
        group = groups[int(rng.integers(len(groups)))]
        a, b = (int(i) for i in rng.choice(group, 2, replace=False))
        if swap(image, located, a, b):
            text[a], text[b] = text[b], text[a]
    return Crop(image, "".join(text), located.crop.region, located.crop.lines)


def swap(image: Image, located: Located, a: int, b: int) -> bool:
    """Change two characters' cells about in place; False if one is too thin or flat to be a character."""
    places = [(slice(y0, y1), slice(x0, x1)) for x0, y0, x1, y1 in (located.cells[a], located.cells[b])]
    first, second = (image[place].astype(np.float32) for place in places)
    if min(first.shape[:2]) < 3 or min(second.shape[:2]) < 3:
        return False
    if max(first.shape[1], second.shape[1]) > 1.9 * min(first.shape[1], second.shape[1]):
        return False
    shift = edge(first) - edge(second)
    image[places[0]] = stretch(second + shift, first.shape)
    image[places[1]] = stretch(first - shift, second.shape)
    return True


def edge(patch: NDArray[np.float32]) -> NDArray[np.float32]:
    """The ground's colour in a cell: what its outermost columns mostly are."""
    return np.asarray(np.median(patch[:, [0, -1]], axis=(0, 1)), np.float32)


def stretch(patch: NDArray[np.float32], shape: tuple[int, ...]) -> Image:
    """A patch resized to another's shape, as a picture."""
    return np.clip(cv2.resize(patch, (shape[1], shape[0])), 0, 255).astype(np.uint8)


def drawer(crops: list[Located]) -> Callable[[np.random.Generator], Sample]:
    """Draws permuted crops, seen again as real ones are."""
    chances = balanced([located.crop for located in crops])

    def draw(rng: np.random.Generator) -> Sample:
        return real_sample(permuted(crops[int(rng.choice(len(crops), p=chances))], rng), rng)

    return draw


def sheet(crops: list[Located], out: Path) -> None:
    """Crops as they were beside themselves permuted."""
    rng = np.random.default_rng(0)
    cells = []
    for index in rng.choice(len(crops), min(64, len(crops)), replace=False):
        other = permuted(crops[index], rng)
        pair = [cv2.resize(image, (WIDTH, HEIGHT)) for image in (crops[index].crop.image, other.image)]
        cv2.putText(pair[1], other.text, (2, HEIGHT - 3), 0, 0.4, (0, 0, 255), 1, cv2.LINE_AA)
        cells.append(np.hstack(pair))
    cells = cells[: len(cells) // 4 * 4]
    cv2.imwrite(str(out), np.vstack([np.hstack(cells[i : i + 4]) for i in range(0, len(cells), 4)]))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("training/reader/config.yaml"))
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="draw examples here, outside the repository")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config(arguments.config)
    crops = list(locate(real_crops(config), load_reader(arguments.checkpoint)).values())
    print(f"{len(crops)} crops located")
    if arguments.sheet is not None:
        sheet(crops, arguments.sheet)
    write_shards(config, "real-permuted", arguments.shards, arguments.first, drawer(crops))


if __name__ == "__main__":
    main()
