"""Write a trained line recogniser back into PP-OCR's ONNX graph, calibrated, and PaddleOCR's `inference.yml`.

    python -m training.reader.line_export --checkpoint RUN/last.pt --out models/plate-reader-ctc.onnx \
        --reader models/checkpoints/plate-reader-X.Y.Z.pt

Calibration is one temperature, fitted on pictures the training never saw: real crops held back, and freshly
drawn plates.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
import yaml
from onnx import numpy_helper
from onnxslim import slim
from torch import Tensor

from synth.fonts import training_faces
from training.reader.config import Config, load_config
from training.reader.contract import ALPHABET, encode
from training.reader.export import halve_weights
from training.reader.finetune import ctc
from training.reader.line_config import LineConfig, load_line_config
from training.reader.line_data import READER_HELP, Drawer, drawn, find_crops, real
from training.reader.recogniser import (
    LINE_HEIGHT,
    LINE_WIDTH,
    LineRecogniser,
    normalise,
    parameter_name,
)
from vision.pp_ocr import locate

SAMPLES = 1200
"""Pictures to calibrate with."""

MODEL_NAME = "PP-OCRv6_small_rec"
"""PaddleOCR's name for the architecture."""


def load_recogniser(checkpoint: Path) -> LineRecogniser:
    """The averaged network of a checkpoint, ready to be run."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = LineRecogniser(locate())
    network.load_state_dict(state["average"])
    return network.eval()


@torch.no_grad()
def scores_of(network: LineRecogniser, ways: list[Drawer], seed: int) -> tuple[Tensor, Tensor]:
    """Scores and slots of freshly drawn samples, as many of each way."""
    rng = np.random.default_rng(seed)
    samples = [ways[number % len(ways)](rng) for number in range(SAMPLES)]
    scores = [
        network(normalise(torch.from_numpy(np.stack([image for image, _ in samples[i : i + 32]]))))
        for i in range(0, len(samples), 32)
    ]
    return torch.cat(scores), torch.from_numpy(np.stack([encode(text) for _, text in samples]))


def temperature_of(scores: Tensor, slots: Tensor) -> float:
    """The temperature at which the texts are likeliest."""
    candidates = np.exp(np.linspace(np.log(0.5), np.log(3), 60))
    losses = [float(ctc(scores / float(candidate), slots)) for candidate in candidates]
    return float(candidates[int(np.argmin(losses))])


def calibrate(network: LineRecogniser, config: Config, line: LineConfig, reader: Path) -> float:
    """The network's temperature on held-back crops and drawn plates."""
    ways = [real(*find_crops(config, reader, validation=True)), drawn(training_faces(), line.regions)]
    return temperature_of(*scores_of(network, ways, line.seed + 977))


def export(network: LineRecogniser, temperature: float, out: Path) -> None:
    """Write the ONNX file: batch and width free, float16 weights, probabilities of 37 classes."""
    model = slim(onnx.load(str(locate())))
    weights = {name: weight.detach().numpy().copy() for name, weight in network.weights.items()}
    for name in network.head:
        weights[name] /= temperature
    for tensor in model.graph.initializer:
        name = parameter_name(tensor.name)
        if name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights.pop(name), tensor.name))
    if weights:
        raise ValueError(f"weights that the graph does not have: {', '.join(weights)}")
    del model.graph.value_info[:]  # shapes of the classes that are gone
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = len(ALPHABET) + 1
    halve_weights(model)
    del model.metadata_props[:]
    for key, value in {"character": "\n".join(ALPHABET), "temperature": f"{temperature:.4f}"}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, str(out))


def describe_for_paddle(out: Path) -> None:
    """Write the `inference.yml` by which PaddleOCR prepares pictures and decodes what the model says."""
    shape = [3, LINE_HEIGHT, LINE_WIDTH]
    description = {
        "Global": {"model_name": MODEL_NAME},
        "PreProcess": {
            "transform_ops": [
                {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
                {"RecResizeImg": {"image_shape": shape}},
            ]
        },
        "PostProcess": {"name": "CTCLabelDecode", "character_dict": list(ALPHABET)},
    }
    out.write_text(yaml.safe_dump(description, sort_keys=False))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("training/reader/config.yaml"))
    parser.add_argument("--line", type=Path, default=Path("training/reader/line.yaml"))
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--reader", type=Path, required=True, help=READER_HELP)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--paddle", type=Path, help="write PaddleOCR's inference.yml to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    line = load_line_config(arguments.line)
    network = load_recogniser(arguments.checkpoint)
    temperature = calibrate(network, load_config(arguments.config), line, arguments.reader)
    export(network, temperature, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB, temperature {temperature:.3f}")
    if arguments.paddle is not None:
        describe_for_paddle(arguments.paddle)


if __name__ == "__main__":
    main()
