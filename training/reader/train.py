"""Train the reader from shards; stops and goes on from its last checkpoint.

python -m training.reader.train --config training/reader/config.yaml [--set rounds=80] [--start CHECKPOINT]
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from synth.plate import REGIONS
from training import checkpoint
from training.average import follow
from training.reader.config import Config, load_config
from training.reader.contract import EUROPE, REGION_INDEX, UNKNOWN_REGION
from training.reader.model import GRID, PlateReader, Reading, normalise
from training.reader.spans import spans_of


@dataclass(frozen=True)
class Batch:
    """Tensors of one step; see `training.reader.data.write_shard` for their meaning, and `Reading`."""

    images: Tensor
    slots: Tensor
    regions: Tensor
    lines: Tensor
    boxes: Tensor
    spans: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def load_round(config: Config, number: int) -> dict[str, NDArray[np.generic]]:
    """The arrays of this round's shards, end to end: synthetic and real in the configured proportion."""
    chooser = random.Random(config.seed * 100_003 + number)
    real = sorted(config.shards.glob("real-*.npz"))
    drawn = sorted(config.shards.glob("synthetic-*.npz"))
    if not drawn:
        raise ValueError(f"no shards in {config.shards}: run `python -m training.reader.data` first")
    real_count = min(round(config.shards_per_round * config.real_share), len(real))
    paths = chooser.sample(real, real_count)
    wanted = config.shards_per_round - real_count
    paths += chooser.sample(drawn, wanted) if wanted <= len(drawn) else chooser.choices(drawn, k=wanted)
    loaded = [np.load(path) for path in paths]
    return {key: np.concatenate([shard[key] for shard in loaded]) for key in loaded[0].files}


def batches(arrays: dict[str, NDArray[np.generic]], config: Config, number: int) -> list[NDArray[np.int64]]:
    """Shuffled indices of the round's batches."""
    order = np.random.default_rng([config.seed, number]).permutation(len(arrays["slots"]))
    return [order[i : i + config.batch] for i in range(0, len(order) - config.batch + 1, config.batch)]


def take(arrays: dict[str, NDArray[np.generic]], index: NDArray[np.int64]) -> Batch:
    """The samples at `index` as tensors."""
    boxes = arrays["boxes"][index].astype(np.float32)
    return Batch(
        torch.from_numpy(arrays["images"][index]),
        torch.from_numpy(arrays["slots"][index].astype(np.int64)),
        torch.from_numpy(arrays["regions"][index].astype(np.int64)),
        torch.from_numpy(arrays["lines"][index].astype(np.int64)),
        torch.from_numpy(boxes),
        torch.from_numpy(np.stack([spans_of(row[~np.isnan(row[:, 0])]) for row in boxes])),
    )


def augment(images: Tensor) -> Tensor:
    """Cheap changes of normalised pictures: exposure, colour, grey and a shift by a pixel or two."""
    n, device = len(images), images.device
    gain = (1 + 0.15 * torch.randn(n, 1, 1, 1, device=device)) * (
        1 + 0.06 * torch.randn(n, 3, 1, 1, device=device)
    )
    images = torch.addcmul(0.15 * torch.randn(n, 1, 1, 1, device=device), images, gain)
    grey = torch.nonzero(torch.rand(n, device=device) < 0.08).squeeze(1)
    images[grey] = images[grey].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    down, right = (int(v) for v in torch.randint(-2, 3, (2,)))
    return torch.roll(images, (down, right), (2, 3)).contiguous(memory_format=torch.channels_last)


def attention_target(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Cells each slot should look at, bool (N, SLOTS, cells); which slots are known, bool (N, SLOTS)."""
    rows, columns = GRID
    y = (torch.arange(rows, device=boxes.device) + 0.5) / rows
    x = (torch.arange(columns, device=boxes.device) + 0.5) / columns
    x0, y0, x1, y1 = boxes.unsqueeze(-1).unbind(2)
    reach_x, reach_y = 0.5 / columns, 0.35 / rows
    inside_x = (x > x0 - reach_x) & (x < x1 + reach_x)
    inside_y = (y > y0 - reach_y) & (y < y1 + reach_y)
    cells = (inside_y.unsqueeze(3) & inside_x.unsqueeze(2)).flatten(2)
    known = ~boxes.isnan().any(2) & cells.any(2)
    return cells, known


def region_loss(scores: Tensor, regions: Tensor) -> Tensor:
    """Cross entropy of the region; a plate labelled only `eu` counts as right with any region of Europe."""
    known = regions != UNKNOWN_REGION
    if not known.any():
        return scores.sum() * 0
    log = scores[known].log_softmax(1)
    target = regions[known]
    exact = log.gather(1, target.unsqueeze(1)).squeeze(1)
    europe = torch.tensor([name in EUROPE for name in REGIONS], device=scores.device)
    somewhere = log[:, europe].logsumexp(1)
    return -torch.where(target == REGION_INDEX["eu"], somewhere, exact).mean()


def loss_of(reading: Reading, batch: Batch, config: Config) -> tuple[Tensor, dict[str, float]]:
    """The sum of all heads' losses, and figures for the log."""
    characters = functional.cross_entropy(reading.slots.flatten(0, 1), batch.slots.flatten())
    right = (reading.slots.argmax(2) == batch.slots).all(1)
    legible = functional.binary_cross_entropy_with_logits(
        reading.legible, (right & (batch.slots[:, 0] > 0)).float()
    )
    cells, known = attention_target(batch.boxes)
    mass = (reading.attention * cells).sum(2)[known]
    look = -(mass + 1e-4).log().mean() if len(mass) else characters * 0
    lines = functional.cross_entropy(reading.lines, batch.lines)
    region = region_loss(reading.regions, batch.regions)
    there = ~batch.spans.isnan()
    span = (reading.spans - batch.spans)[there].abs().mean() if there.any() else characters * 0
    total = 4 * characters + 0.2 * region + 0.1 * lines + 0.15 * legible + config.attention_weight * look
    total = total + 4 * span
    figures = {
        "characters": characters,
        "look": look,
        "region": region,
        "span": span,
        "exact": right.float().mean(),
    }
    return total, {name: float(value.detach()) for name, value in figures.items()}


def rate(config: Config, step: int, done: float) -> float:
    """Learning rate at a step, `done` (0 to 1) of the way: linear warm-up, then a cosine to almost zero."""
    warm = min((step + 1) / config.warmup, 1.0)
    return config.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


class Trainer:
    """The network, its slow average, the optimiser and where the training stands."""

    def __init__(self, config: Config, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device = config, device
        self.model = PlateReader(config.channels, config.encoder_layers, len(REGIONS)).to(
            device, memory_format=torch.channels_last
        )
        self.average = copy.deepcopy(self.model)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.round, self.step = 0, 0
        self.saved = time.monotonic()
        self.earlier, self.started = 0.0, time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds of training, those before the last checkpoint was resumed included."""
        return self.earlier + time.monotonic() - self.started

    @property
    def done(self) -> float:
        """How far the training is, 0 to 1: by samples or by time, whichever is further."""
        by_samples = self.step * self.config.batch / self.config.samples
        by_time = self.elapsed / (60 * self.config.minutes) if self.config.minutes else 0.0
        return max(by_samples, by_time)

    @property
    def checkpoint(self) -> Path:
        """Where the training is kept."""
        return self.config.runs / "last.pt"

    def save(self) -> None:
        """Write the checkpoint."""
        self.config.runs.mkdir(parents=True, exist_ok=True)
        checkpoint.write(
            self.checkpoint,
            {
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "elapsed": self.elapsed,
                "round": self.round,
                "step": self.step,
                "channels": self.config.channels,
                "encoder_layers": self.config.encoder_layers,
            },
        )
        self.saved = time.monotonic()

    def resume(self, path: Path, weights_only: bool = False) -> None:
        """Go on from a checkpoint, or start anew from its averaged weights; what it lacks stays as it is."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["average" if weights_only else "model"], strict=not weights_only)
        self.average.load_state_dict(state["average"], strict=not weights_only)
        if not weights_only:
            self.optimiser.load_state_dict(state["optimiser"])
            self.round, self.step = state["round"], state["step"]
            self.earlier = state.get("elapsed", 0.0)

    def run(self) -> None:
        """Train all rounds that are left."""
        steps = self.config.samples // self.config.batch
        with tqdm(total=steps, initial=self.step, unit="step", mininterval=20) as bar:
            while self.round < self.config.rounds and self.done < 1:
                self._run_round(bar)
                self.round += 1
                self.save()

    def _run_round(self, bar: tqdm[None]) -> None:
        arrays = load_round(self.config, self.round)
        sums: dict[str, float] = {}
        count = 0
        for index in batches(arrays, self.config, self.round):
            if self.done >= 1:
                break
            figures = self._train_step(
                take(arrays, index).to(self.device), rate(self.config, self.step, self.done)
            )
            for name, value in figures.items():
                sums[name] = sums.get(name, 0.0) + value
            count += 1
            bar.update()
            bar.set_postfix({name: f"{value:.3f}" for name, value in figures.items()}, refresh=False)
            if time.monotonic() - self.saved > 240:
                self.save()
        self._log({name: value / max(count, 1) for name, value in sums.items()})

    def _train_step(self, batch: Batch, learning_rate: float) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        with torch.autocast(self.device.type, torch.bfloat16):
            reading = self.model(augment(normalise(batch.images)))
        loss, figures = loss_of(reading, batch, self.config)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        follow(self.average.state_dict(), self.model.state_dict(), self.config.ema, self.step)
        return figures

    def _log(self, figures: dict[str, float]) -> None:
        self.config.runs.mkdir(parents=True, exist_ok=True)
        row = {
            "round": self.round,
            "step": self.step,
            **{name: round(value, 4) for name, value in figures.items()},
        }
        with (self.config.runs / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


def with_overrides(config: Config, settings: list[str]) -> Config:
    """The configuration with `name=value` settings applied; ValueError names one that does not exist."""
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in {field.name for field in fields(Config)}:
            raise ValueError(f"--set {setting}: no such setting")
        parsed = yaml.safe_load(value)
        old = getattr(config, name)
        config = replace(config, **{name: Path(value) if isinstance(old, Path) else type(old)(parsed)})
    return config


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("training/reader/config.yaml"))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--start", type=Path, help="begin a new run from the averaged weights of a checkpoint"
    )
    arguments = parser.parse_args()
    config = with_overrides(load_config(arguments.config), arguments.set)
    torch.set_num_threads(config.threads)
    trainer = Trainer(config, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if trainer.checkpoint.exists():
        trainer.resume(trainer.checkpoint)
    elif arguments.start is not None:
        trainer.resume(arguments.start, weights_only=True)
    trainer.run()


if __name__ == "__main__":
    main()
