"""Write shards of training pictures: drawn plates, real crops seen again, and pictures without a plate.

    python -m training.reader.data --config training/reader/config.yaml synthetic --shards 40
    python -m training.reader.data --config training/reader/config.yaml real --shards 12
    python -m training.reader.data --config training/reader/config.yaml sheet --out /tmp/sheet.png

Shards go to the configured folder outside the repository; `write_shard` says what is in one.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from synth.degrade import CLEAR, REAL, SYNTHETIC, Level, background, photograph
from synth.fonts import Face, training_faces
from synth.plate import Plate, random_style, render_plate
from training.reader.config import Config, load_config
from training.reader.contract import HEIGHT, REGION_INDEX, SLOTS, UNKNOWN_REGION, WIDTH, encode
from vision.crops import stretch

Image = NDArray[np.uint8]

NO_BOXES = np.zeros((0, 4), np.float32)
"""Of a picture whose characters' places are not known."""

_CLEAR_SHARE = 0.75


@dataclass(frozen=True)
class Sample:
    """One picture to learn from; `boxes` float32 (SLOTS, 4) in parts of the picture, NaN where unknown."""

    image: Image
    text: str
    region: int
    lines: int
    boxes: NDArray[np.float32]


@dataclass(frozen=True)
class Crop:
    """A real plate cut from a labelled picture, with some of its surroundings."""

    image: Image
    text: str
    region: str | None
    lines: int


def pack_boxes(boxes: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Character boxes in parts of the picture, padded to SLOTS with NaN."""
    packed = np.full((SLOTS, 4), np.nan, np.float32)
    if boxes is not None:
        packed[: len(boxes)] = boxes
    return packed


def to_input(crop: Image) -> Image:
    """A crop as the reader takes it."""
    return stretch(crop, WIDTH, HEIGHT)


def draw_plate(
    rng: np.random.Generator, faces: tuple[Face, ...], regions: dict[str, float]
) -> tuple[Plate, Level]:
    """A plate of one of the regions, by weight (`any`: the world's mixture), and how hard it is to see."""
    chances = np.array(list(regions.values()))
    while True:
        name = list(regions)[int(rng.choice(len(regions), p=chances / chances.sum()))]
        style = random_style(rng, None if name == "any" else name)
        plate = render_plate(None, None, rng, faces=faces, style=style)
        if 0 < len(plate.text) <= SLOTS:
            return plate, CLEAR if rng.random() < _CLEAR_SHARE else SYNTHETIC


def synthetic_sample(rng: np.random.Generator, faces: tuple[Face, ...], regions: dict[str, float]) -> Sample:
    """A drawn plate of one of the regions as a camera would see it."""
    plate, level = draw_plate(rng, faces, regions)
    crop, boxes = photograph(plate.image, plate.chars, rng, level)
    height, width = crop.shape[:2]
    places = pack_boxes(boxes / [width, height, width, height])
    return Sample(to_input(crop), plate.text, REGION_INDEX[plate.region], plate.lines, places)


def labelled_crops(folder: Path, grow: float = 0.0) -> Iterator[Crop]:
    """The readable plates of a folder with labels.jsonl, boxes grown by `grow` of their size."""
    for line in (folder / "labels.jsonl").read_text().splitlines():
        row = json.loads(line)
        picture = None
        for plate in row["plates"]:
            text = plate.get("text")
            if not text or plate.get("illegible") or len(text) > SLOTS:
                continue
            if picture is None:
                picture = cv2.imread(str(folder / row["image"]))
            if picture is None:
                raise ValueError(f"{folder / row['image']}: not a picture")
            cut = cut_box(picture.astype(np.uint8), plate["box"], grow)
            if cut.size:
                yield Crop(cut, text, plate.get("region"), 2 if "twoline" in folder.name else 1)


def cut_box(picture: Image, box: list[float], grow: float) -> Image:
    """The part of a picture inside a box x, y, w, h, grown by `grow` of its size on every side."""
    x, y, w, h = box
    x0, y0 = max(round(x - grow * w), 0), max(round(y - grow * h), 0)
    return picture[y0 : round(y + h * (1 + grow)), x0 : round(x + w * (1 + grow))]


def ground_of(crop: Crop, rng: np.random.Generator) -> Image:
    """What may stand around a real crop that is seen again: mostly its own colours."""
    around = cv2.GaussianBlur(crop.image, (0, 0), max(crop.image.shape[0] / 8, 1.0)).astype(np.uint8)
    return around if rng.random() < 0.7 else background(crop.image.shape[:2], rng)


def real_sample(crop: Crop, rng: np.random.Generator) -> Sample:
    """A real crop seen again: a little turned, darker, softer or smaller."""
    seen, _ = photograph(crop.image, NO_BOXES, rng, REAL, ground_of(crop, rng))
    region = UNKNOWN_REGION if crop.region is None else REGION_INDEX.get(crop.region, UNKNOWN_REGION)
    return Sample(to_input(seen), crop.text, region, crop.lines, pack_boxes(None))


def empty_pictures(folder: Path) -> list[Image]:
    """The pictures of a folder, which show no plate."""
    return [cv2.imread(str(path)).astype(np.uint8) for path in sorted(folder.iterdir())]


def empty_cut(pictures: list[Image], rng: np.random.Generator) -> Image:
    """A part, shaped like a plate, of one of the pictures."""
    picture = pictures[int(rng.integers(len(pictures)))]
    wide = int(rng.integers(24, max(picture.shape[1] // 2, 25)))
    tall = min(max(int(wide / rng.uniform(1.2, 5)), 10), picture.shape[0])
    y = int(rng.integers(0, picture.shape[0] - tall + 1))
    x = int(rng.integers(0, picture.shape[1] - wide + 1))
    return np.ascontiguousarray(picture[y : y + tall, x : x + wide])


def empty_sample(pictures: list[Image], rng: np.random.Generator) -> Sample:
    """A cut from a picture without plates, or a drawn background."""
    drawn = rng.random() < 0.2 or not pictures
    cut = background((HEIGHT, WIDTH), rng) if drawn else empty_cut(pictures, rng)
    seen, _ = photograph(cut, NO_BOXES, rng, REAL)
    return Sample(to_input(seen), "", UNKNOWN_REGION, 0, pack_boxes(None))


def write_arrays(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    """Write a shard whole or not at all."""
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as file:
        np.savez(file, **arrays)
    partial.rename(path)


def write_shard(path: Path, samples: list[Sample]) -> None:
    """Write a shard of samples."""
    arrays: dict[str, NDArray[np.generic]] = {
        "images": np.stack([s.image for s in samples]),
        "slots": np.stack([encode(s.text) for s in samples]).astype(np.uint8),
        "regions": np.array([s.region for s in samples], np.int16),
        "lines": np.array([s.lines for s in samples], np.uint8),
        "boxes": np.stack([s.boxes for s in samples]).astype(np.float16),
    }
    write_arrays(path, arrays)


def write_shards(
    config: Config, kind: str, count: int, first: int, draw: Callable[[np.random.Generator], Sample]
) -> None:
    """Write `count` shards of samples numbered from `first`; one that exists already is left as it is."""
    config.shards.mkdir(parents=True, exist_ok=True)
    for number in tqdm(range(first, first + count), desc=kind, unit="shard"):
        path = config.shards / f"{kind}-{number:05d}.npz"
        if not path.exists():
            rng = np.random.default_rng([config.seed, number, len(kind)])
            write_shard(path, [draw(rng) for _ in range(config.shard_size)])


def held_back(text: str) -> bool:
    """Whether the plate of this text is kept from training, to calibrate with: about one in ten."""
    return zlib.crc32(text.encode()) % 10 == 0


def real_crops(config: Config, validation: bool = False) -> list[Crop]:
    """The real crops to learn from, or those held back; cut from whole photos with three margins."""
    crops: list[Crop] = []
    for name in config.real_sets:
        grows = (0.0,) if name.endswith("_crops") else (0.0, 0.06, 0.15)
        for grow in grows:
            found = labelled_crops(config.data / "train" / name, grow)
            crops += [crop for crop in found if held_back(crop.text) == validation]
    return crops


def balanced(crops: list[Crop]) -> NDArray[np.float64]:
    """Chances of the crops, so that a set of few crops is seen more often than its share."""
    keys = [
        f"{crop.lines}{'br' if crop.region == 'br' else 'ro' if crop.region == 'ro' else 'eu'}"
        for crop in crops
    ]
    sizes = {key: keys.count(key) for key in set(keys)}
    chances = np.array([sizes[key] ** -0.5 for key in keys])
    return chances / chances.sum()


def real_drawer(config: Config) -> Callable[[np.random.Generator], Sample]:
    """Draws real crops seen again, and now and then a picture without a plate."""
    crops = real_crops(config)
    chances = balanced(crops)
    pictures = empty_pictures(config.data / "train" / config.empty_set / "images")

    def draw(rng: np.random.Generator) -> Sample:
        if rng.random() < config.empty_share:
            return empty_sample(pictures, rng)
        return real_sample(crops[int(rng.choice(len(crops), p=chances))], rng)

    return draw


def synthetic_drawer(config: Config) -> Callable[[np.random.Generator], Sample]:
    """Draws synthetic plates with every face installed."""
    faces = training_faces()
    return lambda rng: synthetic_sample(rng, faces, config.regions)


def contact_sheet(config: Config, out: Path) -> None:
    """Synthetic samples (left half) beside real ones (right half), for a person to see the gap."""
    rng = np.random.default_rng(config.seed)
    fake = synthetic_drawer(config)
    crops = real_crops(config)
    rows = []
    for _ in range(14):
        left = [fake(rng).image for _ in range(4)]
        right = [to_input(crops[int(rng.integers(len(crops)))].image) for _ in range(4)]
        rows.append(np.hstack([*left, np.zeros((HEIGHT, 12, 3), np.uint8), *right]))
    if not cv2.imwrite(str(out), np.vstack(rows)):
        raise ValueError(f"cannot write a picture to {out}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("training/reader/config.yaml"))
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("synthetic", "real"):
        command = commands.add_parser(name)
        command.add_argument("--shards", type=int, required=True)
        command.add_argument("--first", type=int, default=0)
    commands.add_parser("sheet").add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    cv2.setNumThreads(1)
    if arguments.command == "sheet":
        contact_sheet(config, arguments.out)
    elif arguments.command == "synthetic":
        write_shards(config, "synthetic", arguments.shards, arguments.first, synthetic_drawer(config))
    else:
        write_shards(config, "real", arguments.shards, arguments.first, real_drawer(config))


if __name__ == "__main__":
    main()
