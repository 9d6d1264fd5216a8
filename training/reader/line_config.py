"""The configuration of the line recogniser's training."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import yaml


@dataclass(frozen=True)
class LineConfig:
    """Settings of data and training; `line.yaml` says what each is for."""

    shards: Path
    runs: Path
    seed: int
    shard_size: int
    regions: dict[str, float]
    real_share: float
    permuted_share: float
    empty_share: float
    frozen: int
    batch: int
    minutes: float
    round_shards: int
    learning_rate: float
    head_rate: float
    warmup: int
    weight_decay: float
    ema: float
    threads: int


def load_line_config(path: Path) -> LineConfig:
    """Read a YAML file; ValueError names a field that is missing or unknown."""
    raw = yaml.safe_load(path.read_text())
    names = {field.name for field in fields(LineConfig)}
    for name in sorted(names ^ set(raw)):
        raise ValueError(f"{path}: {'missing' if name in names else 'unknown'} setting {name!r}")
    for name in ("shards", "runs"):
        raw[name] = Path(raw[name]).expanduser()
    return LineConfig(**raw)
