"""The reader's network: a small convolutional trunk, an encoder over its cells, a slot for each character.

Every slot looks at one place of the picture (one attention map, which can be taught from boxes)
and names what it sees there, so the network keeps to the ink and does not write what the format would like.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.reader.contract import CLASSES, HEIGHT, SLOTS, WIDTH
from vision.plate_line import LINES, SPAN

GRID = (HEIGHT // 16, WIDTH // 4)
"""Rows and columns of cells the slots look at."""


@dataclass(frozen=True)
class Reading:
    """What the network says of a batch of N crops, all unnormalised but `attention`.

    `slots` (N, SLOTS, CLASSES), `regions` (N, regions), `lines` (N, 3: none, one, two), `legible` (N,) the
    log-odds that the text is right, `attention` (N, SLOTS, rows x columns) where each slot looked, `spans`
    (N, LINES, SPAN) where the lines of characters lie, in parts of the picture (`training.reader.spans`).
    """

    slots: Tensor
    regions: Tensor
    lines: Tensor
    legible: Tensor
    attention: Tensor
    spans: Tensor


def _convolution(inputs: int, outputs: int, stride: int | tuple[int, int] = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two convolutions and what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class Attention(nn.Module):
    """Multi-head attention of queries over cells."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, cells: Tensor) -> Tensor:
        n, length, width = queries.shape
        query = self.query(queries).view(n, length, self.heads, -1).transpose(1, 2)
        key, value = self.key_value(cells).view(n, cells.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        # Written out: on processors the backward pass of the fused form takes several times as long.
        scores = query @ key.transpose(2, 3) * (width // self.heads) ** -0.5
        mixed = scores.softmax(-1) @ value
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(n, length, width))
        return out


class Layer(nn.Module):
    """A transformer layer; queries attend to `cells`, or to themselves if none are given."""

    def __init__(self, width: int, heads: int = 3) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mix = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(inplace=True), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, cells: Tensor | None = None) -> Tensor:
        normal = self.before(x)
        x = x + self.attention(normal, normal if cells is None else cells)
        out: Tensor = x + self.mix(self.between(x))
        return out


class PlateReader(nn.Module):
    """Crops in, a `Reading` out. Input: float (N, 3, HEIGHT, WIDTH), BGR, (value - 127.5) / 64."""

    def __init__(self, channels: tuple[int, ...], encoder_layers: int, regions: int) -> None:
        super().__init__()
        a, b, c, width = channels
        self.trunk = nn.Sequential(
            _convolution(3, a, 2), _convolution(a, b, 2), Residual(b), _convolution(b, c, (2, 1)), Residual(c)
        )
        self.narrow = _convolution(c, width, (2, 1))
        self.place = nn.Parameter(torch.randn(1, GRID[0] * GRID[1], width) * 0.02)
        self.encoder = nn.ModuleList(Layer(width) for _ in range(encoder_layers))
        self.normal = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(1, SLOTS, width) * 0.1)
        self.ask, self.order = Layer(width), Layer(width)
        self.look, self.seen = nn.Linear(width, width), nn.Linear(width, width)
        self.recall, self.settle = nn.Linear(width, width), Layer(width)
        for last in (self.recall, self.settle.attention.out, self.settle.mix[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.sight = nn.Linear(width, width)
        self.classify = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, CLASSES)
        )
        self.regions, self.lines = nn.Linear(width, regions), nn.Linear(width, 3)
        self.legible = nn.Sequential(nn.Linear(2 * width, 64), nn.ReLU(inplace=True), nn.Linear(64, 1))
        self.line_queries = nn.Parameter(torch.randn(1, LINES, width) * 0.1)
        self.where, self.overlook, self.measure = nn.Linear(4, width), Layer(width), Layer(width)
        self.span = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, SPAN))
        rows, columns = torch.meshgrid(*((torch.arange(n) + 0.5) / n for n in GRID), indexing="ij")
        self.register_buffer("places", torch.stack([columns.flatten(), rows.flatten()], 1), persistent=False)

    def forward(self, images: Tensor) -> Reading:
        seen = self.narrow(self.trunk(images)).flatten(2).transpose(1, 2)
        cells = seen + self.place
        for layer in self.encoder:
            cells = layer(cells)
        cells = self.normal(cells)
        slots = self.ask(self.queries.expand(images.shape[0], -1, -1), cells)
        slots = self.order(slots)
        keys = self.seen(cells).transpose(1, 2) * cells.shape[-1] ** -0.5
        # Each slot first says where it would look, then sees where its neighbours look and settles, so that
        # no character is taken twice and none is left out. The second look starts as a copy of the first.
        first = (self.look(slots) @ keys).float().softmax(-1).to(cells.dtype)
        slots = self.settle(slots + self.recall(first @ cells))
        attention = (self.look(slots) @ keys).float().softmax(-1)
        glimpse = attention.to(cells.dtype) @ (self.sight(cells) + seen)
        known = glimpse + 0.5 * slots
        whole = cells.mean(1)
        return Reading(
            slots=self.classify(known).float(),
            regions=self.regions(whole).float(),
            lines=self.lines(whole).float(),
            legible=self.legible(torch.cat([whole, glimpse.mean(1)], 1)).squeeze(1).float(),
            attention=attention,
            spans=self._spans(cells, known, attention),
        )

    def _spans(self, cells: Tensor, known: Tensor, attention: Tensor) -> Tensor:
        """The lines' places: from the cells, and from what the slots saw and where."""
        middle = attention @ self.places
        spread = attention @ self.places**2 - middle**2
        marks = known + self.where(torch.cat([middle, spread], 2).to(known.dtype))
        lines = self.overlook(self.line_queries.expand(cells.shape[0], -1, -1), cells)
        spans: Tensor = self.span(self.measure(lines, marks)).float()
        return 0.5 + spans


def normalise(images: Tensor) -> Tensor:
    """uint8 (N, HEIGHT, WIDTH, 3) BGR to the network's float input, channels last in memory."""
    return (images.permute(0, 3, 1, 2).float() - 127.5) / 64
