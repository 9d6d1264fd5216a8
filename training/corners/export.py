"""Export a checkpoint.

`python -m training.corners.export --checkpoint last.pt --out models/plate-corners.onnx`.

Takes uint8 BGR cuts [n, HEIGHT, WIDTH, 3] (`vision.corners.cut`) and gives `corners` [n, 4, 2], 0..1 of the
cut's sides, clockwise from the plate's top left, and `plate` [n], the probability that there is one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from training.corners.model import CornerNet
from training.detector.export import OPSET, finish
from vision.corners import HEIGHT, WIDTH


class Exported(nn.Module):
    """The network with a probability instead of log-odds."""

    def __init__(self, network: CornerNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        corners, plate = self.network(image)
        return corners, plate.sigmoid()


def export(checkpoint: Path, out: Path) -> str:
    """Write the ONNX; returns its sha256."""
    network = CornerNet()
    network.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["average"])
    torch.onnx.export(
        Exported(network.eval()),
        (torch.zeros(2, HEIGHT, WIDTH, 3, dtype=torch.uint8),),
        str(out),
        opset_version=OPSET,
        input_names=["image"],
        output_names=["corners", "plate"],
        dynamic_axes={name: {0: "batch"} for name in ("image", "corners", "plate")},
        dynamo=False,
    )
    return finish(out, {"licence": "AGPL-3.0"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    digest = export(args.checkpoint, args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, sha256 {digest}")
