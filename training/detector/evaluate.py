"""Measure an exported detector.

`python -m training.detector.evaluate models/yolo11n-plate.onnx --config ...`.

For each dev set, looking once at each picture: share of labelled plates found (IoU 0.5 and score >= 0.25),
mean IoU of those, share of pseudo-labelled vehicles found, plates claimed per picture, and milliseconds per
picture (one thread). `--draw DIR` draws every picture whose plates were missed, or that has a plate where
there is none; keep that folder outside the repository.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from plates.event import Box, Detection, ModelInfo, ObjectClass
from training.detector.data import SURE_VEHICLE, load_config, load_labels, parse_args
from vision.backends.openvino import OpenVinoBackend
from vision.detector import DetectorSettings, YoloDetector
from vision.draw import draw_box
from vision.evaluation import best_iou
from vision.port import Image

WHOLE_PHOTO_SETS = ("tn_cars", "mixed_web_cars", "ro_dashcam", "neg_gray")
CLASSES = (ObjectClass.PLATE, ObjectClass.VEHICLE)


def open_detector(path: Path, size: int, threshold: float) -> YoloDetector:
    """An exported model in OpenVINO that looks once, at this size."""
    settings = DetectorSettings(size, max_size=size, scales=(1.0,), min_score=threshold)
    return YoloDetector(OpenVinoBackend(path, threads=1), ModelInfo(path.stem, "", "", ""), CLASSES, settings)


def best_matches(labels: Sequence[Sequence[float]], found: Sequence[Detection]) -> list[float]:
    """For each labelled x, y, w, h box the best IoU among the detections."""
    boxes = [item.box for item in found]
    return [best_iou(Box(*label), boxes) for label in labels]


def evaluate_set(detector: YoloDetector, folder: Path, draw: Path | None) -> dict[str, float]:
    """One dev set's figures."""
    plate_ious: list[float] = []
    vehicle_ious: list[float] = []
    claimed = confident = pictures = 0
    seconds = 0.0
    size = detector.settings.size
    for row in tqdm(list(load_labels(folder)), desc=f"{folder.name} at {size}", mininterval=5):
        image = np.asarray(cv2.imread(str(folder / row["image"])), np.uint8)
        start = time.perf_counter()
        (found,) = detector.detect([image])
        seconds += time.perf_counter() - start
        plates = [item for item in found if item.object_class is ObjectClass.PLATE]
        vehicles = [item for item in found if item.object_class is ObjectClass.VEHICLE]
        matched = best_matches([p["box"] for p in row["plates"]], plates)
        plate_ious += matched
        sure = [v["box"] for v in row.get("vehicles") or [] if v["score"] >= SURE_VEHICLE]
        vehicle_ious += best_matches(sure, vehicles)
        claimed += len(plates)
        confident += sum(plate.score >= 0.5 for plate in plates)
        pictures += 1
        if draw and (any(value < 0.5 for value in matched) or (not row["plates"] and plates)):
            draw_picture(draw / f"{folder.name}_{Path(row['image']).stem}.png", image, row, found)

    def share(values: list[float]) -> float:
        return round(float(np.mean(np.asarray(values) >= 0.5)), 4) if values else float("nan")

    good = [v for v in plate_ious if v >= 0.5]
    return {
        "plates": len(plate_ious),
        "recall": share(plate_ious),
        "mean_iou": round(float(np.mean(good)), 3) if good else float("nan"),
        "vehicle_recall": share(vehicle_ious),
        "claimed_per_picture": round(claimed / pictures, 3),
        "claimed_at_0.5": round(confident / pictures, 3),
        "ms": round(seconds / pictures * 1e3, 1),
    }


def draw_picture(path: Path, image: Image, row: dict[str, Any], found: Sequence[Detection]) -> None:
    """Labels in green, plates found in red, vehicles found in blue."""
    picture = image.copy()
    for plate in row["plates"]:
        draw_box(picture, Box(*plate["box"]), "label", (0, 255, 0))
    for item in found:
        colour = (0, 0, 255) if item.object_class is ObjectClass.PLATE else (255, 128, 0)
        draw_box(picture, item.box, f"{item.score:.2f}", colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


if __name__ == "__main__":
    parser = parse_args(__doc__ or "")
    parser.add_argument("model", type=Path)
    parser.add_argument("--threshold", type=float, default=0.25)
    parser.add_argument("--sets", nargs="*", default=WHOLE_PHOTO_SETS)
    parser.add_argument("--sizes", nargs="*", type=int)
    parser.add_argument("--draw", type=Path)
    args = parser.parse_args()
    settings = load_config(args.config, args.set)["evaluate"]
    cv2.setNumThreads(1)
    for side in args.sizes or settings["sizes"]:
        engine = open_detector(args.model, side, args.threshold)
        for name in args.sets:
            figures = evaluate_set(engine, Path(settings["dev"]) / name, args.draw)
            print(json.dumps({"size": side, "set": name, **figures}))
