"""The network of plate-corners: a heat map for each corner, and whether there is a plate at all."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def _conv(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )


class _Block(nn.Module):
    """Two convolutions beside the way through."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(channels, channels), _conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)  # type: ignore[no-any-return]


class CornerNet(nn.Module):
    """Cuts in, corners out.

    Input: uint8 (N, HEIGHT, WIDTH, 3) BGR. Output: corners (N, 4, 2), 0..1 of the cut's sides, clockwise from
    the plate's top left; and the log-odds (N,) that there is a plate.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, 16, 2)
        self.fourth = nn.Sequential(_conv(16, 32, 2), _Block(32))
        self.eighth = nn.Sequential(_conv(32, 64, 2), _Block(64), _Block(64))
        self.sixteenth = nn.Sequential(_conv(64, 96, 2), _Block(96), _Block(96))
        self.context = nn.Linear(96, 96)
        self.up_eighth = nn.Conv2d(96, 64, 1)
        self.mix_eighth = _conv(64, 48)
        self.up_fourth = nn.Conv2d(48, 32, 1)
        self.mix_fourth = nn.Sequential(_conv(32, 32), nn.Conv2d(32, 4, 1))
        self.plate = nn.Linear(96, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.permute(0, 3, 1, 2).float() / 127.5 - 1
        fourth = self.fourth(self.stem(x))
        eighth = self.eighth(fourth)
        deep = self.sixteenth(eighth)
        pooled = deep.mean((2, 3))
        deep = deep + self.context(pooled)[:, :, None, None]
        eighth = self.mix_eighth(eighth + _twice(self.up_eighth(deep)))
        maps = self.mix_fourth(fourth + _twice(self.up_fourth(eighth))).float()
        return _middle(maps), self.plate(pooled).float().squeeze(1)


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _middle(maps: Tensor) -> Tensor:
    """The mean place of each map's weight, 0..1: (N, 4, 2)."""
    count, corners, rows, columns = maps.shape
    weight = maps.reshape(count, corners, -1).softmax(2).reshape(maps.shape)
    x = (torch.arange(columns, device=maps.device) + 0.5) / columns
    y = (torch.arange(rows, device=maps.device) + 0.5) / rows
    return torch.stack([(weight.sum(2) * x).sum(2), (weight.sum(3) * y).sum(2)], 2)
