"""The reader's training configuration."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Config:
    """Settings of data, network and training; `config.yaml` says what each is for."""

    data: Path
    shards: Path
    runs: Path
    seed: int
    shard_size: int
    regions: dict[str, float]
    real_sets: tuple[str, ...]
    empty_set: str
    empty_share: float
    channels: tuple[int, ...]
    encoder_layers: int
    batch: int
    rounds: int
    minutes: float
    shards_per_round: int
    real_share: float
    learning_rate: float
    warmup: int
    weight_decay: float
    ema: float
    attention_weight: float
    threads: int

    @property
    def samples(self) -> int:
        """Samples seen over the whole training."""
        return self.rounds * self.shards_per_round * self.shard_size


def load_config(path: Path) -> Config:
    """Read a YAML file; ValueError names a field that is missing or unknown."""
    raw = yaml.safe_load(path.read_text())
    if not isinstance(raw, dict):
        raise ValueError(f"{path}: expected a mapping of settings")
    names = {field.name for field in fields(Config)}
    for name in sorted(names ^ set(raw)):
        raise ValueError(f"{path}: {'missing' if name in names else 'unknown'} setting {name!r}")
    for name in ("data", "shards", "runs"):
        raw[name] = Path(raw[name]).expanduser()
    for name in ("real_sets", "channels"):
        raw[name] = tuple(raw[name])
    return Config(**raw)
