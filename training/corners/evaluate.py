"""What corners bring to boxes.

`python -m training.corners.evaluate --data ../shared/data/dev --json FILE`.

For each set of whole photos: the share of labelled plates with a box at IoU 0.5 and at 0.75, and the mean
IoU of their best boxes, of the installed detector without and with the installed corner finder.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from plates.event import ObjectClass
from vision.detector import YoloDetector
from vision.evaluation import best_iou
from vision.labels import LabelledSet, find_sets
from vision.models import ModelChoice, open_detector
from vision.pictures import load_picture


def overlaps(detector: YoloDetector, labelled: LabelledSet) -> list[float]:
    """The best IoU of each labelled plate."""
    found = []
    for picture in tqdm(labelled.pictures, desc=labelled.name, leave=False):
        (objects,) = detector.detect([load_picture(picture.path)])
        boxes = [item.box for item in objects if item.object_class is ObjectClass.PLATE]
        found += [best_iou(plate.box, boxes) for plate in picture.plates]
    return found


def figures(ious: list[float]) -> dict[str, float]:
    """What is said of a set's plates."""
    values = np.array(ious)
    hit = values[values >= 0.5]
    return {
        "plates": len(values),
        "recall": round(len(hit) / len(values), 4),
        "recall_at_0.75": round(float((values >= 0.75).mean()), 4),
        "mean_iou": round(float(hit.mean()), 4) if len(hit) else 0.0,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    arguments = parser.parse_args()
    choice = ModelChoice(threads=1)
    detectors = {"box": open_detector(choice, corners=False), "corners": open_detector(choice)}
    report: dict[str, dict[str, dict[str, float]]] = {}
    for labelled in find_sets(arguments.data):
        if not labelled.crops and any(picture.plates for picture in labelled.pictures):
            report[labelled.name] = {
                name: figures(overlaps(detector, labelled)) for name, detector in detectors.items()
            }
            print(labelled.name, report[labelled.name])
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
