"""Train yolo11n-plate: `python -m training.detector.train --config training/detector/config.yaml`.

Resumes from the last checkpoint in `train.out`. Runs on a GPU when there is one, else on `train.threads` CPU
threads in bfloat16 (AMX makes that twice as fast as float32).
"""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from training import checkpoint
from training.average import follow
from training.detector.augment import Library, View, sample
from training.detector.data import load_config, parse_args
from training.detector.loss import DetectionLoss, build_model
from training.detector.muon import Muon


def collate(views: list[View], device: torch.device) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Views of one size -> images [n, 3, s, s] RGB 0..1, and the loss's batch."""
    pixels = np.stack([view.image for view in views])[..., ::-1]
    images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).to(device).float().div_(255)
    size = np.array([images.shape[-1], images.shape[-2]] * 2)
    rows = np.concatenate([np.column_stack([np.full(len(v.boxes), i), v.boxes]) for i, v in enumerate(views)])
    ignore = np.concatenate(
        [np.column_stack([np.full(len(v.ignore), i), v.ignore]) for i, v in enumerate(views)]
    )
    xyxy = rows[:, 2:] / size
    centres, sides = (xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]
    batch = {
        "batch_idx": torch.from_numpy(rows[:, 0]),
        "cls": torch.from_numpy(rows[:, 1]),
        "bboxes": torch.from_numpy(np.concatenate([centres, sides], 1)),
        "ignore": torch.from_numpy(ignore),
    }
    return images.contiguous(memory_format=torch.channels_last), {
        k: v.float().to(device) for k, v in batch.items()
    }


def make_optimizer(model: torch.nn.Module, cfg: dict[str, Any]) -> torch.optim.Optimizer:
    """Weight decay on convolution weights alone."""
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": cfg["weight_decay"]},
        {"params": plain, "weight_decay": 0.0},
    ]
    if cfg["optimizer"] == "muon":
        return Muon(model, cfg["lr"], cfg["weight_decay"])
    return torch.optim.AdamW(groups, lr=cfg["lr"], betas=(0.9, 0.99), fused=True)


def plan(stages: list[dict[str, Any]], seed: int) -> list[tuple[int, int, int]]:
    """(width, height, batch) of every step. A fixed seed, so that a resumed run continues the same plan."""
    chooser = random.Random(seed)
    return [
        (*view_shape(chooser.choice(stage["sizes"]), chooser.choice(stage["shapes"])), stage["batch"])
        for stage in stages
        for _ in range(stage["steps"])
    ]


def view_shape(side: int, shape: float) -> tuple[int, int]:
    """Width and height, multiples of 32: the longer is `side`, and width by height roughly `shape`."""
    short = max(32, round(side * min(shape, 1 / shape) / 32) * 32)
    return (side, short) if shape >= 1 else (short, side)


class Trainer:
    """Model, moving average, optimiser and the step counter: what a checkpoint holds."""

    def __init__(self, cfg: dict[str, Any]) -> None:
        settings = cfg["train"]
        self.cfg = cfg
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = build_model(**cfg["model"]).to(self.device, memory_format=torch.channels_last).train()
        self.average = build_model(**cfg["model"]).to(self.device).eval()
        self.average.load_state_dict(self.model.state_dict())
        self.criterion = DetectionLoss(self.model)
        self.optimizer = make_optimizer(self.model, settings)
        self.plan = plan(settings["stages"], settings["seed"])
        self.library = Library(Path(cfg["data"]["out"]), cfg["data"]["synthetic_plate_share"])
        self.step = 0
        self.done_before = 0.0
        self.started = time.monotonic()
        self.folder = Path(settings["out"])
        self.folder.mkdir(parents=True, exist_ok=True)

    def learning_rate(self) -> float:
        """Linear warm-up, then a cosine down to `final_lr` (a share of `lr`) over the whole plan."""
        settings = self.cfg["train"]
        warm = min(1.0, (self.step + 1) / settings["warmup_steps"])
        final, done = settings["final_lr"], self.done()
        return float(settings["lr"]) * warm * (final + (1 - final) * (1 + math.cos(math.pi * done)) / 2)

    def done(self) -> float:
        """Share of the plan that is over, by steps, or by time when `minutes` are set."""
        if not self.cfg["train"]["minutes"]:
            return self.step / max(len(self.plan), 1)
        spent = (time.monotonic() - self.started) / 60 / self.cfg["train"]["minutes"]
        return min(1.0, self.done_before + (1 - self.done_before) * spent)

    def batch_shape(self) -> tuple[int, int, int]:
        """(width, height, batch) of the next step: with `minutes` set, steps of the plan are left out."""
        return self.plan[min(round(self.done() * len(self.plan)), len(self.plan) - 1)]

    def run_step(self) -> dict[str, float]:
        """One batch; returns the loss terms."""
        width, height, count = self.batch_shape()
        rng = np.random.default_rng([self.cfg["train"]["seed"], self.step])
        images, batch = collate([sample(self.library, width, height, rng) for _ in range(count)], self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        with torch.autocast(self.device.type, torch.bfloat16):
            preds = self.model(images)
        preds = {k: [f.float() for f in v] if isinstance(v, list) else v.float() for k, v in preds.items()}
        loss, items = self.criterion(preds, batch)
        self.optimizer.zero_grad()
        loss.sum().div(count).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimizer.step()
        self.step += 1
        follow(self.average.state_dict(), self.model.state_dict(), self.cfg["train"]["ema"], self.step)
        return {key: float(value) for key, value in items.items()}

    def save(self) -> None:
        """Write the checkpoint."""
        state = {
            "step": self.step,
            "done": self.done(),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "config": self.cfg,
        }
        checkpoint.write(self.folder / "last.pt", state)

    def load(self, path: Path, weights_only: bool = False) -> None:
        """Continue from a checkpoint, or (`weights_only`) start a new plan from its averaged weights."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["average" if weights_only else "model"])
        self.average.load_state_dict(state["average"])
        if not weights_only:
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.done_before = state["step"], state["done"]


def train(cfg: dict[str, Any], start_from: Path | None) -> None:
    """Run or resume the whole plan."""
    settings = cfg["train"]
    torch.set_num_threads(settings["threads"])
    cv2.setNumThreads(1)
    torch.manual_seed(settings["seed"])
    trainer = Trainer(cfg)
    last = trainer.folder / "last.pt"
    if last.exists():
        trainer.load(last)
    elif start_from:
        trainer.load(start_from, weights_only=True)
    log = (trainer.folder / "log.tsv").open("a", encoding="utf-8")
    means: dict[str, float] = {}
    started = time.monotonic()
    with tqdm(total=len(trainer.plan), initial=trainer.step, mininterval=20) as bar:
        while trainer.step < len(trainer.plan) and trainer.done() < 1:
            for key, value in trainer.run_step().items():
                means[key] = 0.98 * means.get(key, value) + 0.02 * value
            bar.update()
            if trainer.step % 50 == 0:
                bar.set_postfix(means)
                values = "\t".join(f"{v:.4f}" for v in means.values())
                log.write(f"{trainer.step}\t{time.monotonic() - started:.0f}\t{values}\n")
                log.flush()
            if trainer.step % settings["checkpoint_steps"] == 0:
                trainer.save()
    trainer.save()
    log.close()


if __name__ == "__main__":
    parser = parse_args(__doc__ or "")
    parser.add_argument(
        "--start-from", type=Path, help="checkpoint whose weights to start from (ignored when resuming)"
    )
    args = parser.parse_args()
    train(load_config(args.config, args.set), args.start_from)
