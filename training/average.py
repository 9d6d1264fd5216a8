"""Means of weights: over the steps of one training, and over the checkpoints of several.

    python -m training.average --out RUN/mean.pt RUN1/last.pt RUN2/last.pt [--half]

The mean of several checkpoints' averaged weights often does better than each of them: runs that went on from
one another with other sides, rates or drawings forget different things. The checkpoints are of one
architecture. The result can be exported and trained on from; `--half` writes it as float16, as
`models/checkpoints` has them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

Weights = dict[str, Tensor]

_DESCRIPTION = ("config", "channels", "encoder_layers")
"""What a checkpoint says of its network."""


@torch.no_grad()
def follow(average: Weights, weights: Weights, ema: float, step: int) -> None:
    """Let an average follow the weights of a training: faster at first, counters outright."""
    keep = min(ema, (1 + step) / (10 + step))
    floats = [name for name, value in weights.items() if value.dtype.is_floating_point]
    slow, fast = ([each[name] for name in floats] for each in (average, weights))
    torch._foreach_lerp_(slow, fast, 1 - keep)
    for name in weights.keys() - floats:
        average[name].copy_(weights[name])


def mean(found: list[Weights]) -> Weights:
    """The mean of weights of the same names and shapes, counters of the first; ValueError if they are not."""
    first = found[0]
    for other in found[1:]:
        wrong = [name for name in first.keys() | other.keys() if not _alike(first.get(name), other.get(name))]
        if wrong:
            raise ValueError(f"weights of different networks: {', '.join(sorted(wrong)[:5])}")
    return {
        name: torch.stack([weights[name].float() for weights in found]).mean(0)
        if value.dtype.is_floating_point
        else value
        for name, value in first.items()
    }


def _alike(one: Tensor | None, other: Tensor | None) -> bool:
    return one is not None and other is not None and one.shape == other.shape


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--half", action="store_true", help="as float16")
    given = parser.parse_args()
    states = [torch.load(path, map_location="cpu", weights_only=True) for path in given.checkpoints]
    weights = mean([state["average"] for state in states])
    if given.half:
        weights = {name: w.half() if w.dtype.is_floating_point else w for name, w in weights.items()}
        if "config" in states[0]:  # the rest of it names folders of this machine
            states[0]["config"] = {"model": states[0]["config"]["model"]}
    kept = {key: states[0][key] for key in _DESCRIPTION if key in states[0]}
    torch.save({**kept, "average": weights}, given.out)


if __name__ == "__main__":
    main()
