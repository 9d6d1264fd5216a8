"""Train plate-corners: `python -m training.corners.train --config training/corners/config.yaml`.

Stops and goes on from the last checkpoint in `train.out`.
"""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training import checkpoint
from training.average import follow
from training.corners.model import CornerNet
from training.corners.views import Sample, samples, sheet
from training.detector.augment import Library
from training.detector.data import load_config, parse_args

_EXACT = 0.02
"""Corners nearer than this, in sides of the cut, are pulled hardest."""
_LOG_STEPS = 50


def batch(library: Library, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Cuts uint8 (N, HEIGHT, WIDTH, 3) and their corners (N, 4, 2), not numbers where there is no plate."""
    found: list[Sample] = []
    while len(found) < size:
        found += samples(library, rng)
    images = torch.from_numpy(np.stack([sample.image for sample in found[:size]]))
    return images, torch.from_numpy(np.stack([sample.corners for sample in found[:size]]))


def losses(corners: Tensor, plate: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """How far the corners are off, and the cross-entropy of plate or none."""
    there = ~wanted.isnan().any(2).any(1)
    off = torch.log1p((corners - wanted)[there].abs() / _EXACT)
    distance = off.mean() if len(off) else corners.sum() * 0
    return distance, functional.binary_cross_entropy_with_logits(plate, there.float())


class Trainer:
    """The network, its slow average, the optimiser and where the training stands."""

    def __init__(self, cfg: dict[str, Any]) -> None:
        self.settings = cfg["train"]
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.library = Library(Path(cfg["data"]["root"]), cfg["data"]["synthetic_plate_share"])
        self.model = CornerNet().to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).eval()
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=self.settings["lr"], weight_decay=self.settings["weight_decay"]
        )
        self.step, self.earlier, self.started = 0, 0.0, time.monotonic()
        self.last = Path(self.settings["out"]) / "last.pt"
        self.last.parent.mkdir(parents=True, exist_ok=True)

    @property
    def elapsed(self) -> float:
        """Seconds of training, those before the last checkpoint included."""
        return self.earlier + time.monotonic() - self.started

    @property
    def done(self) -> float:
        """How far the training is, 0 to 1."""
        return min(1.0, self.elapsed / (60 * self.settings["minutes"]))

    def run_step(self) -> tuple[float, float]:
        """One batch; returns the two losses."""
        settings = self.settings
        warm = min(1.0, (self.step + 1) / settings["warmup_steps"])
        for group in self.optimiser.param_groups:
            group["lr"] = settings["lr"] * warm * (0.01 + 0.495 * (1 + math.cos(math.pi * self.done)))
        rng = np.random.default_rng([settings["seed"], self.step])
        images, wanted = batch(self.library, settings["batch"], rng)
        with torch.autocast(self.device.type, torch.bfloat16):
            corners, plate = self.model(images.to(self.device))
        distance, entropy = losses(corners, plate, wanted.to(self.device))
        self.optimiser.zero_grad(set_to_none=True)
        (distance + entropy).backward()
        self.optimiser.step()
        self.step += 1
        follow(self.average.state_dict(), self.model.state_dict(), self.settings["ema"], self.step)
        return float(distance.detach()), float(entropy.detach())

    def save(self) -> None:
        """Write the checkpoint."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "elapsed": self.elapsed,
        }
        checkpoint.write(self.last, state)

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        if self.last.exists():
            state = torch.load(self.last, map_location=self.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.earlier = state["step"], state["elapsed"]


def train(cfg: dict[str, Any]) -> None:
    """Run or resume the training."""
    torch.set_num_threads(cfg["train"]["threads"])
    cv2.setNumThreads(1)
    torch.manual_seed(cfg["train"]["seed"])
    trainer = Trainer(cfg)
    trainer.resume()
    means = np.zeros(2)
    with tqdm(initial=trainer.step, unit="step", mininterval=20) as bar:
        while trainer.done < 1:
            means += 0.02 * (np.array(trainer.run_step()) - means)
            bar.update()
            bar.set_postfix(corners=f"{means[0]:.3f}", plate=f"{means[1]:.3f}", refresh=False)
            if trainer.step % _LOG_STEPS == 0:
                row = {"step": trainer.step, "corners": round(means[0], 4), "plate": round(means[1], 4)}
                with trainer.last.with_name("log.jsonl").open("a", encoding="utf-8") as log:
                    log.write(json.dumps(row) + "\n")
            if trainer.step % cfg["train"]["checkpoint_steps"] == 0:
                trainer.save()
    trainer.save()


def main() -> None:
    """Command line."""
    parser = parse_args(__doc__ or "", Path(__file__).with_name("config.yaml"))
    parser.add_argument("--sheet", type=Path, help="draw examples here, outside the repository, and stop")
    arguments = parser.parse_args()
    cfg = load_config(arguments.config, arguments.set)
    if arguments.sheet is not None:
        library = Library(Path(cfg["data"]["root"]), cfg["data"]["synthetic_plate_share"])
        cv2.imwrite(str(arguments.sheet), sheet(library, cfg["train"]["seed"]))
        return
    train(cfg)


if __name__ == "__main__":
    main()
