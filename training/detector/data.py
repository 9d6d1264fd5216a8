"""Prepare the detector's training set.

`python -m training.detector.data --config training/detector/config.yaml`.

Photos, plate crops and synthetic scenes become one folder of JPEGs and a `records.jsonl`. Labels the loss
must not learn from (uncertain pseudo-labels, photos whose vehicles are unknown) become `ignore` boxes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from tqdm import tqdm

PLATE, VEHICLE = 0, 1
SURE_VEHICLE = 0.5  # pseudo-labels from 0.45 to here are right in 65-85 %: neither vehicle nor background


@dataclass
class Record:
    """One picture: boxes are [class, x1, y1, x2, y2] in pixels.

    `ignore` boxes teach nothing about their class.
    """

    image: str
    source: str
    weight: float
    boxes: list[list[float]] = field(default_factory=list)
    ignore: list[list[float]] = field(default_factory=list)


def load_labels(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of a set's labels.jsonl."""
    with (folder / "labels.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def photo_record(row: dict[str, Any], name: str, source: str, weight: float, scale: float) -> Record:
    """A labelled photo as a record; `scale` is applied to every box."""

    def corners(kind: int, box: list[float]) -> list[float]:
        x, y, w, h = (v * scale for v in box)
        return [kind, x, y, x + w, y + h]

    record = Record(name, source, weight, [corners(PLATE, p["box"]) for p in row["plates"]])
    vehicles = row.get("vehicles")
    if vehicles is None:
        record.ignore.append([VEHICLE, 0.0, 0.0, row["width"] * scale, row["height"] * scale])
    for vehicle in vehicles or []:
        holds_plate = vehicle["score"] < 0.45  # kept by the labeller only because a plate lies inside
        sure = vehicle["score"] >= SURE_VEHICLE or (holds_plate and source == "es_lowres")
        (record.boxes if sure else record.ignore).append(corners(VEHICLE, vehicle["box"]))
    return record


def prepare_photos(cfg: dict[str, Any], out: Path) -> Iterator[Record]:
    """Copy every photo (shrunk to `max_side`) and yield its record."""
    for source, weight in cfg["photo_sets"].items():
        folder = Path(cfg["photos"]) / source
        for row in tqdm(list(load_labels(folder)), desc=source):
            image = cv2.imread(str(folder / row["image"]))
            if image is None:
                raise ValueError(f"{folder / row['image']}: not a picture")
            scale = min(1.0, cfg["max_side"] / max(image.shape[:2]))
            if scale < 1:
                image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            name = f"images/{source}_{Path(row['image']).stem}.jpg"
            cv2.imwrite(str(out / name), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
            yield photo_record(row, name, source, weight, scale)


def prepare_crops(cfg: dict[str, Any], out: Path) -> Iterator[dict[str, Any]]:
    """Copy the plate crops that augmentation pastes into photos."""
    for source, weight in cfg["crop_sets"].items():
        folder = Path(cfg["photos"]) / source
        for row in tqdm(list(load_labels(folder)), desc=source):
            name = f"crops/{source}_{Path(row['image']).name}"
            (out / name).write_bytes((folder / row["image"]).read_bytes())
            yield {"image": name, "weight": weight, "source": source}


def prepare_synthetic_plates(cfg: dict[str, Any], out: Path) -> Iterator[dict[str, Any]]:
    """Render clean plates for pasting: `plates` over all regions evenly, and `extra_plates` of some."""
    if not cfg["plates"]:
        return
    from synth.fonts import training_faces
    from synth.plate import REGIONS, render_plate

    rng, faces = np.random.default_rng(cfg["seed"]), training_faces()
    regions = [REGIONS[index % len(REGIONS)] for index in range(cfg["plates"])]
    regions += [region for region, count in cfg["extra_plates"].items() for _ in range(count)]
    for index, region in enumerate(tqdm(regions, desc="synthetic plates")):
        plate = render_plate(region, None, rng, faces=faces)
        name = f"crops/synth_{index:05d}.jpg"
        cv2.imwrite(str(out / name), plate.image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        yield {"image": name, "weight": 1.0, "source": "synthetic"}


def prepare_scenes(cfg: dict[str, Any], out: Path) -> Iterator[Record]:
    """Render synthetic street scenes."""
    if not cfg["scenes"]:
        return
    from synth.scene import render_scene

    empty = [
        Path(cfg["photos"]) / "neg_gray" / r["image"]
        for r in load_labels(Path(cfg["photos"]) / "neg_gray")
        if not r["vehicles"]
    ]
    for index in tqdm(range(cfg["scenes"]), desc="synthetic scenes"):
        rng = np.random.default_rng([cfg["seed"], index])
        real = cv2.imread(str(empty[int(rng.integers(len(empty)))])) if index % 3 == 0 else None
        scene = render_scene(rng, background=None if real is None else np.asarray(real, np.uint8))
        name = f"images/scene_{index:05d}.jpg"
        cv2.imwrite(str(out / name), scene.image, [cv2.IMWRITE_JPEG_QUALITY, 92])
        boxes = [[float(PLATE), *map(float, p.box)] for p in scene.plates]
        boxes += [[float(VEHICLE), *map(float, v.box)] for v in scene.vehicles]
        yield Record(name, "scene", cfg["scene_weight"], boxes)


def prepare(cfg: dict[str, Any]) -> Path:
    """Build the whole data set; returns its folder."""
    out = Path(cfg["out"])
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "crops").mkdir(exist_ok=True)
    records = list(prepare_photos(cfg, out)) + list(prepare_scenes(cfg, out))
    crops = list(prepare_crops(cfg, out)) + list(prepare_synthetic_plates(cfg, out))
    write_jsonl(out / "records.jsonl", (asdict(r) for r in records))
    write_jsonl(out / "crops.jsonl", crops)
    print(f"{len(records)} pictures and {len(crops)} plate crops in {out}")
    return out


def write_jsonl(path: Path, rows: Any) -> None:
    """One JSON object a line."""
    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


def load_config(path: Path, overrides: list[str]) -> dict[str, Any]:
    """The YAML config; `overrides` are `section.key=value` with YAML values."""
    cfg: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for override in overrides:
        key, _, value = override.partition("=")
        section, _, name = key.partition(".")
        if name not in cfg.get(section, {}):
            raise SystemExit(f"{path}: no setting {key!r}")
        cfg[section][name] = yaml.safe_load(value)
    return cfg


_CONFIG = Path(__file__).with_name("config.yaml")


def parse_args(description: str, config: Path = _CONFIG) -> argparse.ArgumentParser:
    """The two options every command of this package has; `config` is the file by default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", type=Path, default=config)
    parser.add_argument(
        "--set", action="append", default=[], metavar="section.key=value", help="override a setting"
    )
    return parser


if __name__ == "__main__":
    args = parse_args(__doc__ or "").parse_args()
    prepare(load_config(args.config, args.set)["data"])
