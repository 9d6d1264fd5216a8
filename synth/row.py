"""One line of a number: how wide its marks are, and drawing them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synth.fonts import CAP_HEIGHT, Face, glyph
from synth.ink import Box, Image, draw_separator, draw_tunis, paste
from synth.number import Mark


class Row:
    """One line of marks with its widths, ready to be drawn."""

    def __init__(
        self,
        marks: list[Mark],
        face: Face,
        tall: float,
        squeeze: float,
        spacing: float,
        mono: bool,
        rng: np.random.Generator,
        arabic: Face | None = None,
    ) -> None:
        self.arabic = arabic
        self.face, self.tall, self.rng, self.marks = face, tall, rng, marks
        self.scale = tall / CAP_HEIGHT
        cell = glyph(face, "0").shape[1] * 1.04
        gap, dash, emblem = rng.uniform(0.3, 0.75), rng.uniform(0.25, 0.5), rng.uniform(0.25, 0.6)
        small = rng.uniform(0.4, 0.65)
        self.advance: list[float] = []
        self.ink: list[float] = []
        self.small = small
        for mark in marks:
            if mark.kind == "char":
                ink = glyph(face, mark.char).shape[1] * (small if mark.small else 1.0)
                wide = max(ink, cell * 0.98) if mono and not mark.small else ink
            elif mark.kind == "tunis":
                ink = wide = CAP_HEIGHT * rng.uniform(1.2, 1.9)
            else:
                sizes = {"gap": gap, "dash": dash, "dot": 0.18, "emblem": emblem, "stacked": 0.45}
                ink = wide = CAP_HEIGHT * sizes[mark.kind]
            self.ink.append(ink * squeeze * self.scale)
            self.advance.append(wide * squeeze * self.scale)
        self.space = CAP_HEIGHT * spacing * squeeze * self.scale

    def draw(
        self, mask: Image, image: Image, ink: NDArray[np.float32], room: tuple[float, float], y: float
    ) -> list[Box]:
        """Draw into the ink mask, emblems into the image in their own colours; returns character boxes."""
        total = sum(self.advance) + self.space * (len(self.marks) - 1)
        fit = min((room[1] - room[0]) * 0.96 / max(total, 1.0), 1.35)
        if fit > 1.0:
            fit = self.rng.uniform(max(1.0, fit * 0.75), fit)
        slack = max((room[1] - room[0]) - total * fit, 0.0)
        x = room[0] + slack * float(np.clip(self.rng.normal(0.5, 0.1), 0.05, 0.95))
        boxes = []
        for mark, advance, wide in zip(self.marks, self.advance, self.ink, strict=True):
            middle, half = x + advance * fit / 2, wide * fit / 2
            box = (middle - half, y - self.tall / 2, middle + half, y + self.tall / 2)
            if mark.kind == "char":
                box = self._draw_char(mask, mark, box)
            elif mark.kind == "tunis":
                draw_tunis(mask, box, self.arabic, self.rng)
            elif mark.kind == "stacked":
                self._draw_stacked(mask, mark.char, box)
            elif mark.kind != "gap":
                draw_separator(mask, image, mark.kind, box, ink, self.rng)
            if mark.counts:
                boxes.append(box)
            x += (advance + self.space) * fit
        return boxes

    def _draw_char(self, mask: Image, mark: Mark, box: Box) -> Box:
        if mark.small:
            drop = self.tall * (1 - self.small) * (1.0 if self.rng.random() < 0.6 else 0.0)
            box = (box[0], box[1] + drop, box[2], box[1] + drop + self.tall * self.small)
        paste(mask, glyph(self.face, mark.char), box)
        return box

    def _draw_stacked(self, mask: Image, chars: str, box: Box) -> None:
        step = (box[3] - box[1]) / max(len(chars), 1)
        for index, char in enumerate(chars):
            paste(
                mask,
                glyph(self.face, char),
                (box[0], box[1] + index * step, box[2], box[1] + (index + 0.85) * step),
            )
