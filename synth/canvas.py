"""The plate's picture: ground, graphics, small print, number, bolts, stickers and frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.fonts import Face, small_text
from synth.ink import Box, Image, blend
from synth.layouts import PAINTS, Style
from synth.number import Mark
from synth.row import Row

Boxes = NDArray[np.float32]


class Canvas:
    """The plate while it is drawn: the picture, the room left for the number, and this plate's choices."""

    def __init__(
        self, style: Style, faces: tuple[Face, Face, Face | None], rng: np.random.Generator, height: int
    ) -> None:
        self.style, self.rng = style, rng
        self.face, self.print_face, self.arabic = faces
        self.height = height
        self.width = round(height * style.aspect * rng.uniform(0.94, 1.06))
        ground, ink = PAINTS[style.paints[int(rng.integers(len(style.paints)))]]
        self.ground = self._tint(ground, 14)
        self.ink = self._tint(ink, 22)
        self.image: Image = np.empty((self.height, self.width, 3), np.uint8)
        self.left, self.right = 0.03 * self.width, 0.97 * self.width
        self.top, self.bottom = 0.0, float(self.height)

    def _tint(self, colour: tuple[int, int, int], spread: float) -> NDArray[np.float32]:
        jitter = self.rng.normal(0, spread, 3) * 0.5 + self.rng.normal(0, spread)
        return np.clip(np.array(colour) + jitter, 0, 255).astype(np.float32)

    def _any_colour(self) -> tuple[int, int, int]:
        blue, green, red = self.rng.integers(0, 256, 3)
        return int(blue), int(green), int(red)

    def draw_ground(self) -> None:
        """Ground colour, graphics behind the number, the line round the plate and the country band."""
        self.image[:] = self.ground.astype(np.uint8)
        if self.style.art and self.rng.random() < 0.75:
            self._draw_art()
        if self.rng.random() < self.style.border:
            inset = round(self.height * self.rng.uniform(0.01, 0.05))
            colour = tuple(float(v) for v in (self.ink if self.rng.random() < 0.7 else self.ground * 0.6))
            thick = max(1, round(self.height * self.rng.uniform(0.008, 0.03)))
            cv2.rectangle(
                self.image,
                (inset, inset),
                (self.width - 1 - inset, self.height - 1 - inset),
                colour,
                thick,
                cv2.LINE_AA,
            )
        if self.style.band and self.rng.random() < 0.85:
            self.left = self._draw_band(0, self.style.band) + 0.012 * self.width
            if self.style.band_right and self.rng.random() < 0.8:
                self._draw_band(1, "")

    def _draw_art(self) -> None:
        """Bands of colour, gradients and hills as printed behind the numbers of American plates."""
        rng, h, w = self.rng, self.height, self.width
        overlay = self.image.copy()
        for _ in range(int(rng.integers(1, 4))):
            choice = rng.random()
            if choice < 0.35:
                y = int(h * rng.choice([0.0, 0.0, 0.72, 0.85]))
                cv2.rectangle(
                    overlay, (0, y), (w, y + int(h * rng.uniform(0.08, 0.3))), self._any_colour(), -1
                )
            elif choice < 0.7:
                xs = np.linspace(0, w, 9)
                ys = h * (rng.uniform(0.4, 0.95) + rng.normal(0, 0.08, 9))
                points = np.concatenate([np.stack([xs, ys], 1), [[w, h], [0, h]]]).astype(np.int32)
                cv2.fillPoly(overlay, [points], self._any_colour(), cv2.LINE_AA)
            else:
                centre = (int(rng.integers(0, w)), int(rng.integers(0, h)))
                cv2.circle(
                    overlay, centre, int(h * rng.uniform(0.1, 0.4)), self._any_colour(), -1, cv2.LINE_AA
                )
        strength = rng.uniform(0.1, 0.45)
        self.image = cv2.addWeighted(overlay, strength, self.image, 1 - strength, 0).astype(np.uint8)

    def _draw_band(self, side: int, code: str) -> float:
        """A blue band at the left (0) or right (1) edge; returns where it ends or sets the right limit."""
        rng = self.rng
        wide = self.height * (rng.uniform(0.32, 0.48) if self.style.aspect > 2.5 else rng.uniform(0.14, 0.24))
        x0 = 0 if side == 0 else round(self.width - wide)
        x1 = round(wide) if side == 0 else self.width
        low = self.height if self.style.aspect > 2.5 else round(self.height * rng.choice([0.5, 1.0]))
        blue = self._tint((150, 55, 15), 18) if rng.random() < 0.93 else self._tint((40, 30, 170), 18)
        self.image[:low, x0:x1] = blue.astype(np.uint8)
        centre = np.array([(x0 + x1) / 2, low * 0.34])
        for angle in np.arange(12) * np.pi / 6:
            x, y = centre + 0.3 * wide * np.array([np.cos(angle), np.sin(angle)])
            cv2.circle(
                self.image, (round(x), round(y)), max(1, round(wide * 0.04)), (60, 210, 235), -1, cv2.LINE_AA
            )
        if code:
            mask = small_text(self.print_face, code)
            tall = min(low * 0.3, wide * 0.85 / mask.shape[1] * mask.shape[0])
            self._blend_at(mask, centre[0], low * 0.78, tall, np.array([245.0, 245.0, 245.0]))
        if side == 1:
            self.right = float(x0) - 0.01 * self.width
        return float(x1)

    def draw_print(self) -> None:
        """Small print above and below the number; narrows the room the number stands in."""
        for lines, at in ((self.style.header, 0), (self.style.footer, 1)):
            if not lines:
                continue
            text = lines[int(self.rng.integers(len(lines)))]
            if text and self.rng.random() < 0.9:
                self._draw_line(text, at)

    def _draw_line(self, text: str, at: int) -> None:
        rng = self.rng
        roomy = self.style.kind == "us" or self.style.scale <= 0.55
        tall = self.height * (rng.uniform(0.13, 0.22) if roomy else rng.uniform(0.05, 0.1))
        colour = self.ink if rng.random() < 0.6 else self._tint(self._any_colour(), 5)
        if np.abs(colour - self.ground).sum() < 120:
            colour = self.ink
        y = tall * 0.62 if at == 0 else self.height - tall * 0.62
        if at == 0 and self.style.kind == "us" and rng.random() < 0.3:
            self.image[: round(tall * 1.15)] = self.ink.astype(np.uint8)
            colour = self.ground
        mask = small_text(self.print_face, text)
        wide = min(mask.shape[1] * tall / mask.shape[0] * rng.uniform(0.7, 1.2), self.width * 0.7)
        self._blend_at(mask, self.width * 0.5, y, tall, colour, wide)

    def _blend_at(
        self,
        mask: Image,
        x: float,
        y: float,
        tall: float,
        colour: NDArray[np.float64] | NDArray[np.float32],
        wide: float | None = None,
    ) -> None:
        """Paint a mask scaled to `tall` pixels with its middle at x, y."""
        tall_px = max(round(tall), 3)
        wide_px = max(round(wide if wide is not None else mask.shape[1] * tall_px / mask.shape[0]), 2)
        scaled = np.asarray(cv2.resize(mask, (wide_px, tall_px), interpolation=cv2.INTER_AREA), np.uint8)
        x0, y0 = round(x - wide_px / 2), round(y - tall_px / 2)
        a, b = max(x0, 0), max(y0, 0)
        c, d = min(x0 + wide_px, self.width), min(y0 + tall_px, self.height)
        if c <= a or d <= b:
            return
        blend(self.image[b:d, a:c], scaled[b - y0 : d - y0, a - x0 : c - x0], colour)

    def draw_number(self, lines: list[list[Mark]]) -> Boxes:
        """Draw the number; returns the boxes of its characters in reading order."""
        rng, style = self.rng, self.style
        count = len(lines)
        tall = (
            self.height
            * style.scale
            * rng.uniform(0.93, 1.07)
            * (1.0 if count == 1 or style.scale < 0.45 else 0.6)
        )
        if count == 1 and style.scale < 0.4 and style.kind != "us":
            tall *= 1.3
        middle = self.height / 2
        if style.header:
            middle += self.height * rng.uniform(0.0, 0.05)
        pitch = tall * rng.uniform(1.12, 1.22)
        ink_mask = np.zeros((self.height, self.width), np.uint8)
        room = (self.left, self.right)
        squeeze, spacing, mono = rng.uniform(0.7, 1.08), rng.uniform(0.1, 0.26), rng.random() < 0.45
        boxes: list[Box] = []
        for index, line in enumerate(lines):
            y = middle + (index - (count - 1) / 2) * pitch
            left = (
                room[0]
                if style.band and (count == 1 or index == 0 or rng.random() < 0.5)
                else 0.03 * self.width
            )
            row = Row(line, self.face, tall, squeeze, spacing, mono, rng, self.arabic)
            boxes += row.draw(ink_mask, self.image, self.ink, (left, room[1]), y)
        self._ink(ink_mask)
        return np.array(boxes, np.float32).reshape(-1, 4)

    def _ink(self, mask: Image) -> None:
        """Lay the number's ink on the plate, at times embossed: lit on one edge and dark on the other."""
        if self.rng.random() < 0.06:
            mask = self._slant(mask)
        if self.rng.random() < 0.4:
            shift = int(self.rng.integers(1, 3))
            light = cv2.subtract(np.roll(mask, (-shift, -shift), (0, 1)), mask)
            dark = cv2.subtract(np.roll(mask, (shift, shift), (0, 1)), mask)
            strength = self.rng.uniform(0.2, 0.6)
            blend(self.image, (light * strength).astype(np.uint8), np.minimum(self.ground + 60, 255))
            blend(self.image, (dark * strength).astype(np.uint8), self.ground * 0.45)
        blend(self.image, mask, self.ink)

    def _slant(self, mask: Image) -> Image:
        """Italic: the ink sheared about the plate's middle."""
        lean = self.rng.uniform(-0.1, 0.3)
        shear = np.array([[1.0, -lean, lean * self.height / 2], [0.0, 1.0, 0.0]])
        return np.asarray(cv2.warpAffine(mask, shear, (self.width, self.height)), np.uint8)

    def draw_hardware(self) -> None:
        """Bolts, holes and registration stickers."""
        rng, h, w = self.rng, self.height, self.width
        if self.style.holes or rng.random() < 0.3:
            xs = (rng.uniform(0.12, 0.3), 0.0)
            ys = (0.09, 0.91) if self.style.kind in ("us", "br", "ar") else (0.5,)
            for y in ys:
                if rng.random() < 0.25:
                    continue
                inset = xs[0] if len(ys) > 1 else rng.uniform(0.015, 0.05)
                colour = self._any_colour() if rng.random() < 0.3 else (int(rng.integers(20, 190)),) * 3
                for x in (inset, 1 - inset):
                    cv2.circle(
                        self.image,
                        (round(w * x), round(h * y)),
                        max(2, round(h * rng.uniform(0.02, 0.045))),
                        colour,
                        -1,
                        cv2.LINE_AA,
                    )
        if self.style.kind == "us" and rng.random() < 0.3:
            for corner in rng.choice(4, int(rng.integers(1, 3)), replace=False):
                self._draw_sticker(int(corner))
        if self.style.kind == "us" and rng.random() < 0.45:
            self._draw_frame()

    def _draw_frame(self) -> None:
        """A dealer's frame over the plate's edge, with lettering above or below."""
        rng, h, w = self.rng, self.height, self.width
        side, top, bottom = (rng.uniform(*span) for span in ((0.01, 0.05), (0.03, 0.15), (0.04, 0.19)))
        x0, x1, y0, y1 = round(w * side), round(w * (1 - side)), round(h * top), round(h * (1 - bottom))
        colour = np.full(3, rng.uniform(8, 45)) if rng.random() < 0.65 else rng.uniform(0, 255, 3)
        inner = self.image[y0:y1, x0:x1].copy()
        self.image[:] = colour.astype(np.uint8)
        self.image[y0:y1, x0:x1] = inner
        lettering = np.full(3, 235.0) if colour.mean() < 128 else np.full(3, 30.0)
        names = (
            "CITY HONDA",
            "AUTO GROUP",
            "WWW.MOTORS.COM",
            "718-555-0142",
            "PARAGON",
            "NISSAN",
            "TOYOTA OF QUEENS",
            "MAJOR AUTO",
        )
        for share, y in ((top, h * top / 2), (bottom, h * (1 - bottom / 2))):
            if share > 0.07 and rng.random() < 0.8:
                self._blend_at(
                    small_text(self.print_face, names[int(rng.integers(len(names)))]),
                    w / 2,
                    y,
                    h * share * 1.1,
                    lettering,
                    w * rng.uniform(0.4, 0.85),
                )

    def _draw_sticker(self, corner: int) -> None:
        rng, h, w = self.rng, self.height, self.width
        wide, tall = round(w * rng.uniform(0.1, 0.16)), round(h * rng.uniform(0.12, 0.2))
        x = round(w * 0.03) if corner % 2 == 0 else round(w * 0.97) - wide
        y = round(h * 0.03) if corner < 2 else round(h * 0.97) - tall
        self.image[y : y + tall, x : x + wide] = self._any_colour()
        words = ("22", "19", "24", "AUG", "FEB", "OCT", "14", "JAN", "07", "DEC")
        mask = small_text(self.print_face, words[int(rng.integers(len(words)))])
        self._blend_at(
            mask, x + wide / 2, y + tall / 2, tall * 0.8, np.array([240.0, 240.0, 240.0]), wide * 0.8
        )
