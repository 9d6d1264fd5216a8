"""Train the line recogniser on from PP-OCR's weights; stops and goes on from its last checkpoint.

python -m training.reader.finetune --config training/reader/line.yaml [--start CHECKPOINT]
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training import checkpoint
from training.average import follow
from training.reader.line_config import LineConfig, load_line_config
from training.reader.recogniser import LineRecogniser, normalise
from training.reader.train import augment
from vision.pp_ocr import locate


def load_round(config: LineConfig, number: int) -> dict[str, NDArray[np.uint8]]:
    """The arrays of this round's shards, end to end and shuffled.

    Shards may still be being drawn; those of higher numbers are chosen more often.
    """
    rng = np.random.default_rng([config.seed, number])
    paths = sorted(config.shards.glob("line-*.npz"))
    if not paths:
        raise ValueError(f"no shards in {config.shards}: run `python -m training.reader.line_data` first")
    chances = np.arange(1, len(paths) + 1) / (len(paths) * (len(paths) + 1) / 2)
    chosen = rng.choice(len(paths), min(config.round_shards, len(paths)), replace=False, p=chances)
    loaded = [np.load(paths[index]) for index in chosen]
    arrays = {key: np.concatenate([shard[key] for shard in loaded]) for key in loaded[0].files}
    order = rng.permutation(len(arrays["slots"]))
    return {key: values[order] for key, values in arrays.items()}


def ctc(scores: Tensor, slots: Tensor) -> Tensor:
    """The mean CTC loss of scores (N, STEPS, CLASSES) for texts (N, SLOTS), 0 after the last character."""
    lengths = (slots > 0).sum(1)
    steps = torch.full((len(scores),), scores.shape[1])
    log = scores.log_softmax(2).transpose(0, 1)
    return functional.ctc_loss(log, slots, steps, lengths, zero_infinity=True)


class LineTrainer:
    """The network, its slow average, the optimiser and where the training stands."""

    def __init__(self, config: LineConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device = config, device
        self.model = LineRecogniser(locate(), config.frozen).to(device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model)
        learning = self.model.learning
        head = [learning[name] for name in self.model.head]
        rest = [weight for name, weight in learning.items() if name not in self.model.head]
        groups = [
            {"params": rest, "peak": config.learning_rate},
            {"params": head, "peak": config.head_rate},
        ]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)
        self.round, self.step, self.earlier = 0, 0, 0.0
        self.started = self.saved = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds of training, those before the last checkpoint was resumed included."""
        return self.earlier + time.monotonic() - self.started

    @property
    def done(self) -> float:
        """How far the training is, 0 to 1."""
        return min(1.0, self.elapsed / (60 * self.config.minutes))

    @property
    def checkpoint(self) -> Path:
        """Where the training is kept."""
        return self.config.runs / "last.pt"

    def save(self) -> None:
        """Write the checkpoint."""
        self.config.runs.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "elapsed": self.elapsed,
            "round": self.round,
            "step": self.step,
        }
        checkpoint.write(self.checkpoint, state)
        self.saved = time.monotonic()

    def resume(self) -> None:
        """Go on from the last checkpoint."""
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.round, self.step, self.earlier = state["round"], state["step"], state["elapsed"]
        self.started = time.monotonic()

    def start(self, path: Path) -> None:
        """Begin anew from the averaged weights of a checkpoint instead of PP-OCR's."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["average"])
        self.average.load_state_dict(state["average"])

    def run(self) -> None:
        """Train until the time is up."""
        with tqdm(initial=self.step, unit="step", mininterval=20) as bar:
            while self.done < 1:
                self._run_round(bar)
                self.round += 1
                self.save()

    def _run_round(self, bar: tqdm[None]) -> None:
        arrays = load_round(self.config, self.round)
        losses = []
        for start in range(0, len(arrays["slots"]) - self.config.batch + 1, self.config.batch):
            if self.done >= 1:
                break
            part = slice(start, start + self.config.batch)
            images = torch.from_numpy(arrays["images"][part]).to(self.device)
            slots = torch.from_numpy(arrays["slots"][part].astype(np.int64)).to(self.device)
            losses.append(self._train_step(images, slots))
            bar.update()
            bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}", refresh=False)
            if time.monotonic() - self.saved > 180:
                self.save()
        row = {"round": self.round, "step": self.step, "minutes": round(self.elapsed / 60, 1)}
        row["loss"] = round(float(np.mean(losses)), 4) if losses else None
        with (self.config.runs / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _train_step(self, images: Tensor, slots: Tensor) -> float:
        warm = min((self.step + 1) / self.config.warmup, 1.0)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.done)))
        with torch.autocast(self.device.type, torch.bfloat16):
            scores = self.model(augment(normalise(images)))
        loss = ctc(scores, slots)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.learning.values(), 5.0)
        self.optimiser.step()
        self.step += 1
        follow(self.average.learning, self.model.learning, self.config.ema, self.step)
        return float(loss.detach())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("training/reader/line.yaml"))
    parser.add_argument("--start", type=Path, help="begin from the averaged weights of this checkpoint")
    arguments = parser.parse_args()
    config = load_line_config(arguments.config)
    torch.set_num_threads(config.threads)
    config.runs.mkdir(parents=True, exist_ok=True)
    trainer = LineTrainer(config, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if trainer.checkpoint.exists():
        trainer.resume()
    elif arguments.start is not None:
        trainer.start(arguments.start)
    trainer.run()


if __name__ == "__main__":
    main()
