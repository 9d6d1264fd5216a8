"""The corner finder's training: what it is shown, and that what is exported is what was trained."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.corners.views import samples
from training.detector.augment import Library
from training.detector.data import PLATE
from vision.corners import HEIGHT, WIDTH


def library(folder: Path) -> Library:
    """One dark photo with a labelled plate, and one bright plate to paste."""
    for name in ("images", "crops"):
        (folder / name).mkdir()
    cv2.imwrite(str(folder / "images/a.png"), np.full((240, 320, 3), 40, np.uint8))
    cv2.imwrite(str(folder / "crops/a.png"), np.full((40, 160, 3), 230, np.uint8))
    record = {"image": "images/a.png", "weight": 1.0, "boxes": [[PLATE, 120, 100, 200, 122]], "ignore": []}
    (folder / "records.jsonl").write_text(json.dumps(record) + "\n")
    crop = {"image": "crops/a.png", "weight": 1.0, "source": "real"}
    (folder / "crops.jsonl").write_text(json.dumps(crop) + "\n")
    return Library(folder, 0.0)


def test_the_corners_are_those_of_the_pasted_plate(tmp_path: Path) -> None:
    """What lies within the corners of a cut differs from what lies round them, in nine cuts of ten."""
    pictures, rng = library(tmp_path), np.random.default_rng(3)
    right = []
    while len(right) < 60:
        for sample in samples(pictures, rng):
            if np.isnan(sample.corners).any():
                continue
            assert sample.image.shape == (HEIGHT, WIDTH, 3)
            inside = np.zeros((HEIGHT, WIDTH), np.uint8)
            points = np.round(sample.corners * [WIDTH, HEIGHT]).astype(np.int32)
            cv2.fillConvexPoly(inside, points, (1,))
            grey = sample.image.mean(axis=2)
            core = cv2.erode(inside, np.ones((5, 5), np.uint8)) > 0
            rim = cv2.dilate(inside, np.ones((13, 13), np.uint8)) - cv2.dilate(
                inside, np.ones((5, 5), np.uint8)
            )
            right.append(abs(np.median(grey[core]) - np.median(grey[rim > 0])) > 8)
    assert np.mean(right) > 0.9


def test_what_is_exported_is_what_was_trained(tmp_path: Path) -> None:
    """The ONNX gives the averaged network's corners and probabilities."""
    for name in ("torch", "onnx", "onnxslim", "onnxruntime", "ultralytics"):
        pytest.importorskip(name)
    import onnxruntime
    import torch

    from training.corners.export import export
    from training.corners.model import CornerNet

    network = CornerNet().eval()
    torch.save({"average": network.state_dict()}, tmp_path / "last.pt")
    export(tmp_path / "last.pt", tmp_path / "corners.onnx")
    cuts = np.random.default_rng(0).integers(0, 256, (3, HEIGHT, WIDTH, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(tmp_path / "corners.onnx"))
    corners, plate = session.run(None, {"image": cuts})
    with torch.no_grad():
        wanted, odds = network(torch.from_numpy(cuts))
    assert np.allclose(corners, wanted.numpy(), atol=5e-3)
    assert np.allclose(plate, odds.sigmoid().numpy(), atol=5e-3)
