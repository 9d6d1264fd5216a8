"""Export a checkpoint to ONNX with normalisation, softmax and calibration inside.

    python -m training.reader.export --checkpoint ../data-reader/run/last.pt --out models/plate-reader.onnx

Calibration is fitted on pictures the training never saw: real crops held back, and freshly drawn plates.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from synth.fonts import training_faces
from synth.plate import REGIONS
from training.reader.config import Config, load_config
from training.reader.contract import ALPHABET, HEIGHT, SLOTS, WIDTH, encode
from training.reader.data import Sample, real_crops, real_sample, synthetic_sample
from training.reader.model import PlateReader, normalise


class Exported(nn.Module):
    """The network as engines run it: uint8 crops in, calibrated probabilities out."""

    def __init__(self, reader: PlateReader, temperature: float, legible: tuple[float, float]) -> None:
        super().__init__()
        self.reader, self.temperature, self.legible = reader, temperature, legible

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        reading = self.reader(normalise(image))
        scale, shift = self.legible
        return (
            (reading.slots / self.temperature).softmax(-1),
            reading.regions.softmax(-1),
            reading.lines.softmax(-1),
            (reading.legible * scale + shift).sigmoid(),
            reading.spans,
        )


def load_reader(checkpoint: Path) -> PlateReader:
    """The averaged network of a checkpoint, ready to be run."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    reader = PlateReader(tuple(state["channels"]), state["encoder_layers"], len(REGIONS))
    reader.load_state_dict(state["average"])
    return reader.eval()


def calibration_samples(config: Config) -> list[Sample]:
    """Held-back real crops, seen twice each, and as many drawn plates."""
    rng = np.random.default_rng(config.seed + 977)
    crops = real_crops(config, validation=True)
    faces = training_faces()
    samples = [real_sample(crop, rng) for crop in crops for _ in range(2)]
    return samples + [synthetic_sample(rng, faces, config.regions) for _ in range(len(samples))]


@torch.no_grad()
def run(reader: PlateReader, samples: list[Sample]) -> tuple[Tensor, Tensor, Tensor]:
    """Slot scores, legibility scores and true classes of the samples."""
    slots, legible = [], []
    for start in tqdm(range(0, len(samples), 64), desc="calibrate", leave=False):
        images = torch.from_numpy(np.stack([s.image for s in samples[start : start + 64]]))
        reading = reader(normalise(images))
        slots.append(reading.slots)
        legible.append(reading.legible)
    truth = torch.from_numpy(np.stack([encode(s.text) for s in samples]))
    return torch.cat(slots), torch.cat(legible), truth


def fit(slots: Tensor, legible: Tensor, truth: Tensor) -> tuple[float, tuple[float, float]]:
    """Temperature of the slots, and scale and shift of the legibility, by maximum likelihood."""
    right = (slots.argmax(2) == truth).all(1).float()
    log_temperature = torch.zeros(1, requires_grad=True)
    platt = torch.tensor([1.0, 0.0], requires_grad=True)
    optimiser = torch.optim.LBFGS([log_temperature, platt], max_iter=80)

    def closure() -> Tensor:
        optimiser.zero_grad()
        scores = slots / log_temperature.exp()
        loss = functional.cross_entropy(scores.flatten(0, 1), truth.flatten())
        loss = loss + functional.binary_cross_entropy_with_logits(legible * platt[0] + platt[1], right)
        loss.backward()
        return loss

    optimiser.step(closure)
    return float(log_temperature.exp()), (float(platt[0]), float(platt[1]))


def describe(model: onnx.ModelProto, temperature: float) -> None:
    """Write into the file what `training.reader.publish` puts into the manifest."""
    facts = {
        "regions": ",".join(REGIONS),
        "alphabet": ALPHABET,
        "slots": str(SLOTS),
        "temperature": f"{temperature:.4f}",
    }
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value


def halve_weights(model: onnx.ModelProto) -> None:
    """Keep large weights as float16 in the file; the graph turns them back to float32 when it is loaded."""
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 1024:
            continue
        name = tensor.name
        small = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}.half")
        graph.initializer.remove(tensor)
        graph.initializer.append(small)
        casts.append(helper.make_node("Cast", [small.name], [name], to=TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)


def export(reader: PlateReader, temperature: float, legible: tuple[float, float], out: Path) -> None:
    """Write the ONNX file, its batch size free."""
    example = torch.zeros(2, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    names = ["slots", "region", "lines", "legible", "spans"]
    torch.onnx.export(
        Exported(reader, temperature, legible).eval(),
        (example,),
        str(out),
        input_names=["image"],
        output_names=names,
        dynamic_axes={name: {0: "batch"} for name in ["image", *names]},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(str(out))
    halve_weights(model)
    describe(model, temperature)
    onnx.checker.check_model(model)
    onnx.save(model, str(out))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("training/reader/config.yaml"))
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config(arguments.config)
    reader = load_reader(arguments.checkpoint)
    slots, legible, truth = run(reader, calibration_samples(config))
    half = len(truth) // 2
    right = (slots.argmax(2) == truth).all(1).float()
    print(f"held back: real {right[:half].mean():.3f} exact, drawn {right[half:].mean():.3f} exact")
    temperature, platt = fit(slots, legible, truth)
    export(reader, temperature, platt, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB, temperature {temperature:.3f}")


if __name__ == "__main__":
    main()
