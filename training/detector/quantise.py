"""Quantise an exported detector to INT8 with NNCF: `python -m training.detector.quantise IN.onnx OUT.xml`.

Calibrates on training pictures, letterboxed as at inference. The result is an OpenVINO model (`.xml` and
`.bin`). It pays on processors without AMX (docs/experiments.md); no INT8 model is installed.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import nncf
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from training.detector.augment import Library
from training.detector.data import load_config, parse_args
from vision.boxes import letterbox, to_tensor

PICTURES = 120
FLOAT_HEAD = nncf.IgnoredScope(
    patterns=[r".*/model\.23/.*(Add|Sub|Mul|Div|Concat|Softmax|dfl).*"],
    types=["Sigmoid", "Softmax"],
    validate=False,
)


def calibration(root: Path, size: int, seed: int) -> list[NDArray[np.float32]]:
    """Letterboxed training pictures, each [1, 3, h, w]."""
    library = Library(root, 0.0)
    rng = np.random.default_rng(seed)
    names = [library.record(rng)["image"] for _ in range(PICTURES)]
    return [to_tensor([letterbox(library.image(name), size)[0]]) for name in names]


def quantise(source: Path, target: Path, root: Path, size: int) -> None:
    """Write the INT8 model."""
    quantised = nncf.quantize(
        ov.Core().read_model(str(source)),
        nncf.Dataset(calibration(root, size, 1)),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=PICTURES,
        ignored_scope=FLOAT_HEAD,
    )
    ov.save_model(quantised, str(target))


if __name__ == "__main__":
    parser = parse_args(__doc__ or "")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--size", type=int, default=384)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    config = load_config(args.config, args.set)
    quantise(args.source, args.target, Path(config["data"]["out"]), args.size)
