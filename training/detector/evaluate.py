"""Measure an exported detector.

`python -m training.detector.evaluate models/yolo11n-plate.onnx --config ...`.

For each dev set: share of labelled plates found (IoU 0.5 and score >= 0.25), mean IoU of those, share of
pseudo-labelled vehicles found, plates claimed per picture, and milliseconds per picture (one thread). `--draw
DIR` draws every picture whose plates were missed, or that has a plate where there is none; keep that folder
outside the repository.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from tqdm import tqdm

from training.detector.data import PLATE, VEHICLE, load_config, load_labels, parse_args

WHOLE_PHOTO_SETS = ("tn_cars", "mixed_web_cars", "ro_dashcam", "neg_gray")
Detections = NDArray[np.float32]  # [n, 6]: x1, y1, x2, y2, score, class


class Detector:
    """An exported model in OpenVINO with letterboxing and non-maximum suppression."""

    def __init__(self, path: Path, size: int, threads: int = 1) -> None:
        core = ov.Core()
        options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
        self.request = core.compile_model(core.read_model(str(path)), "CPU", options).create_infer_request()
        self.size = size
        self.seconds = 0.0

    def __call__(self, image: NDArray[np.uint8], threshold: float) -> Detections:
        """Plates and vehicles of one BGR picture, boxes in its pixels."""
        pixels, scale = letterbox(image, self.size)
        start = time.perf_counter()
        head = np.array(self.request.infer([pixels]).to_tuple()[0])[0]
        self.seconds += time.perf_counter() - start
        return decode(head, scale, threshold)


def letterbox(image: NDArray[np.uint8], size: int) -> tuple[NDArray[np.float32], float]:
    """The picture as [1, 3, h, w], its long side `size`, padded to multiples of 32; and the scale."""
    scale = size / max(image.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    h, w = (max(1, round(side * scale)) for side in image.shape[:2])
    canvas = np.full((-(-h // 32) * 32, -(-w // 32) * 32, 3), 114, np.uint8)
    canvas[:h, :w] = cv2.resize(image, (w, h), interpolation=method)
    return np.ascontiguousarray(canvas[..., ::-1].transpose(2, 0, 1)[None], np.float32) / 255, scale


def decode(head: NDArray[np.float32], scale: float, threshold: float) -> Detections:
    """Raw head [4 + classes, anchors] -> detections after per-class suppression at IoU 0.5."""
    kind, score = head[4:].argmax(0), head[4:].max(0)
    kept = score >= threshold
    centre, side = head[:2, kept].T / scale, head[2:4, kept].T / scale
    boxes, score, kind = np.concatenate([centre - side / 2, side], 1), score[kept], kind[kept]
    chosen = (
        cv2.dnn.NMSBoxesBatched(boxes.tolist(), score.tolist(), kind.tolist(), threshold, 0.5)
        if len(boxes)
        else []
    )
    rows = [
        [*boxes[i, :2], *(boxes[i, :2] + boxes[i, 2:]), score[i], kind[i]]
        for i in np.ravel(chosen).astype(int)
    ]
    return np.asarray(rows, np.float32).reshape(-1, 6)


def ious(boxes: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """IoU of [n, 4] with [m, 4] corner boxes -> [n, m]."""
    low = np.maximum(boxes[:, None, :2], other[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], other[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (boxes, other)]
    return np.asarray(both / (areas[0][:, None] + areas[1][None] - both + 1e-9), np.float32)


def best_matches(labels: list[list[float]], found: Detections) -> NDArray[np.float32]:
    """For each labelled [x, y, w, h] box the best IoU among the detections."""
    truth = np.asarray(labels, np.float32).reshape(-1, 4)
    truth[:, 2:] += truth[:, :2]
    if not len(found):
        return np.zeros(len(truth), np.float32)
    return np.asarray(ious(truth, found[:, :4]).max(1), np.float32)


def evaluate_set(detector: Detector, folder: Path, threshold: float, draw: Path | None) -> dict[str, float]:
    """One dev set's figures."""
    plate_ious: list[float] = []
    vehicle_ious: list[float] = []
    claimed = confident = pictures = 0
    detector.seconds = 0.0
    for row in tqdm(list(load_labels(folder)), desc=f"{folder.name} at {detector.size}", mininterval=5):
        image = np.asarray(cv2.imread(str(folder / row["image"])), np.uint8)
        found = detector(image, threshold)
        plates = found[found[:, 5] == PLATE]
        matched = best_matches([p["box"] for p in row["plates"]], plates)
        plate_ious.extend(matched.tolist())
        sure = [v["box"] for v in row.get("vehicles") or [] if v["score"] >= 0.5]
        vehicle_ious.extend(best_matches(sure, found[found[:, 5] == VEHICLE]).tolist())
        claimed += len(plates)
        confident += int((plates[:, 4] >= 0.5).sum())
        pictures += 1
        if draw and ((matched < 0.5).any() or (not row["plates"] and len(plates))):
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
        "ms": round(detector.seconds / pictures * 1e3, 1),
    }


def draw_picture(path: Path, image: NDArray[np.uint8], row: dict[str, Any], found: Detections) -> None:
    """Labels in green, plates found in red, vehicles found in blue."""
    picture = image.copy()
    for plate in row["plates"]:
        x, y, w, h = (int(v) for v in plate["box"])
        cv2.rectangle(picture, (x, y), (x + w, y + h), (0, 255, 0), 2)
    for x1, y1, x2, y2, score, kind in found:
        colour = (0, 0, 255) if kind == PLATE else (255, 128, 0)
        cv2.rectangle(picture, (int(x1), int(y1)), (int(x2), int(y2)), colour, 1)
        cv2.putText(picture, f"{score:.2f}", (int(x1), int(y1) - 2), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1)
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
        model = Detector(args.model, side)
        for name in args.sets:
            figures = evaluate_set(model, Path(settings["dev"]) / name, args.threshold, args.draw)
            print(json.dumps({"size": side, "set": name, **figures}))
