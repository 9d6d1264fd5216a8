"""Quantise an exported detector to INT8 with NNCF: `python -m training.detector.quantise IN.onnx OUT.onnx`.

Calibrates on training pictures, letterboxed as at inference. The result is an ONNX with QuantizeLinear and
DequantizeLinear nodes that OpenVINO and ONNX Runtime both run in INT8. The head's box arithmetic stays float.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import nncf
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from training.detector.augment import Library
from training.detector.data import load_config, parse_args
from training.detector.evaluate import letterbox

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
    return [letterbox(library.image(name), size)[0] for name in names]


def fold_casts(graph: onnx.GraphProto) -> None:
    """Undo the export's half-size storage of weights: NNCF wants plain float32 ones."""
    casts = {node.input[0]: node for node in graph.node if node.op_type == "Cast"}
    for weight in graph.initializer:
        if weight.name in casts:
            node = casts[weight.name]
            values = numpy_helper.to_array(weight).astype(np.float32)
            weight.CopyFrom(numpy_helper.from_array(values, node.output[0]))
            graph.node.remove(node)


def quantise(source: Path, target: Path, root: Path, size: int) -> None:
    """Write the INT8 model."""
    model = onnx.load(source)
    fold_casts(model.graph)
    data = nncf.Dataset(calibration(root, size, 1), lambda pixels: {"images": pixels})
    quantised = nncf.quantize(
        model,
        data,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=PICTURES,
        ignored_scope=FLOAT_HEAD,
    )
    onnx.save(quantised, str(target))


if __name__ == "__main__":
    parser = parse_args(__doc__ or "")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--size", type=int, default=416)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    config = load_config(args.config, args.set)
    quantise(args.source, args.target, Path(config["data"]["out"]), args.size)
