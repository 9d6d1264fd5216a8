"""Export a checkpoint.

`python -m training.detector.export --checkpoint ../runs-detector/last.pt --out models/yolo11n-plate.onnx`.

The ONNX takes float32 RGB 0..1 [n, 3, h, w] (h and w multiples of 32; batch, h and w are free) and gives the
raw head, [n, 4 + classes, anchors]: centre x, centre y, width, height in pixels of the input, then one
probability per class. Non-maximum suppression stays outside.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxslim
import torch
from onnx import TensorProto, helper, numpy_helper
from ultralytics.nn.modules import C2f, Detect

from training.detector.loss import build_model

OPSET = 17


def load_average(checkpoint: Path) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The averaged weights of a checkpoint as a fused model ready for tracing, and its config."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = build_model(**state["config"]["model"])
    model.load_state_dict(state["average"])
    model.eval().float().fuse(verbose=False)
    for module in model.modules():
        if isinstance(module, Detect):
            module.dynamic, module.export, module.format = True, True, "onnx"
        elif isinstance(module, C2f):
            module.forward = module.forward_split
    return model, state["config"]


def store_weights_as_half(graph: onnx.GraphProto) -> None:
    """Halve the file: weights are kept as float16, and every engine casts them to float32 on loading."""
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 256:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(
            helper.make_node("Cast", [f"{name}_half"], [name], name=f"{name}_cast", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def export(checkpoint: Path, out: Path) -> str:
    """Write the ONNX; returns its sha256."""
    model, cfg = load_average(checkpoint)
    out.parent.mkdir(parents=True, exist_ok=True)
    example = torch.zeros(1, 3, 320, 416)
    model(example)
    torch.onnx.export(
        model,
        (example,),
        str(out),
        opset_version=OPSET,
        input_names=["images"],
        output_names=["output0"],
        dynamic_axes={"images": {0: "batch", 2: "height", 3: "width"}, "output0": {0: "batch", 2: "anchors"}},
        dynamo=False,
    )
    facts = {"names": ",".join(cfg["model"]["classes"]), "stride": "32", "licence": "AGPL-3.0"}
    return finish(out, facts)


def finish(path: Path, facts: dict[str, str]) -> str:
    """Make an exported ONNX slim, with what it says of itself and weights as float16; returns its sha256."""
    slim = onnxslim.slim(str(path))
    for key, value in facts.items():
        entry = slim.metadata_props.add()
        entry.key, entry.value = key, value
    store_weights_as_half(slim.graph)
    onnx.checker.check_model(slim)
    onnx.save(slim, str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    digest = export(args.checkpoint, args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, sha256 {digest}")
