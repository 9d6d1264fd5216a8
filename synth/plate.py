"""Number plates of many regions, drawn flat and clean: text, layout, colours and what is printed round the number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.fonts import ASCENT, CAP_HEIGHT, DEFAULT_FACES, DESCENT, Face, glyph, small_text
from synth.layouts import CODES, PAINTS, STYLES, Style

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]

REGIONS: tuple[str, ...] = tuple(sorted({style.region for style in STYLES}))
"""ISO 3166 codes in lower case, `eu` for European plates of no certain country, `xx` for plates of no known form."""


@dataclass(frozen=True)
class Plate:
    """A drawn plate: `image` uint8 HxWx3 BGR, `chars` float32 (N, 4) boxes x0, y0, x1, y1 in pixels, one a character."""

    image: Image
    text: str
    region: str
    lines: int
    chars: Boxes

    @property
    def layout(self) -> str:
        """"one" or "two", the number of lines the text stands on."""
        return "two" if self.lines > 1 else "one"


@dataclass(frozen=True)
class Mark:
    """One thing standing on a line: a character of the number (`counts`), or a gap, dash, emblem or small letters."""

    kind: str
    char: str = ""
    small: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is part of the number."""
        return self.kind in ("char", "tunis")


def styles_of(region: str) -> tuple[Style, ...]:
    """The styles of a region; ValueError if there is none."""
    found = tuple(style for style in STYLES if style.region == region)
    if not found:
        raise ValueError(f"unknown plate region {region!r}: expected one of {', '.join(REGIONS)}")
    return found


def random_style(rng: np.random.Generator, region: str | None = None) -> Style:
    """A style by weight, of `region` or of the whole world."""
    candidates = STYLES if region is None else styles_of(region)
    weights = np.array([style.weight for style in candidates])
    return candidates[int(rng.choice(len(candidates), p=weights / weights.sum()))]


def expand(pattern: str, letters: str, rng: np.random.Generator) -> list[list[Mark]]:
    """Lines of marks for a pattern (see `synth.layouts.style`), its free characters drawn at random."""
    lines: list[list[Mark]] = [[]]
    small = False
    position = 0
    while position < len(pattern):
        symbol = pattern[position]
        position += 1
        if symbol == "{":
            end = pattern.index("}", position)
            codes = CODES[pattern[position:end]]
            position = end + 1
            lines[-1] += [Mark("dash") if char == "-" else Mark("char", char) for char in codes[rng.integers(len(codes))]]
        elif symbol == "<":
            end = pattern.index(">", position)
            lines[-1].append(Mark("stacked", pattern[position:end]))
            position = end + 1
        elif symbol == "/":
            lines.append([])
        elif symbol == "~":
            small = True
            continue
        else:
            lines[-1].append(_mark(symbol, letters, small, rng))
        small = False
    return lines


def _mark(symbol: str, letters: str, small: bool, rng: np.random.Generator) -> Mark:
    kinds = {" ": "gap", "-": "dash", ".": "dot", "*": "emblem"}
    if symbol in kinds:
        return Mark(kinds[symbol])
    if symbol == "^":
        return Mark("tunis", "T")
    pools = {"@": letters, "#": "0123456789", "%": "123456789"}
    pool = pools.get(symbol, symbol)
    return Mark("char", pool[int(rng.integers(len(pool)))], small)


def text_of(lines: Sequence[Sequence[Mark]]) -> str:
    """The number: A-Z and 0-9 only, Tunis as T."""
    return "".join(mark.char for line in lines for mark in line if mark.counts)


def lay_out_text(text: str, style: Style, rng: np.random.Generator) -> list[list[Mark]]:
    """A given text on a style's lines: by a pattern it fits, else evenly over the style's number of lines.

    Spaces and dashes in `text` are kept as gaps and dashes; ValueError if anything else than A-Z and 0-9 remains.
    """
    cleaned = text.upper()
    if not cleaned or any(char not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -" for char in cleaned):
        raise ValueError(f"plate text {text!r}: expected A-Z, 0-9, spaces and dashes")
    if " " not in cleaned and "-" not in cleaned:
        for index in rng.permutation(len(style.patterns)):
            lines = expand(style.patterns[index], style.letters, rng)
            if _fits(lines, style.patterns[index], cleaned):
                return _refill(lines, cleaned)
    kinds = {" ": Mark("gap"), "-": Mark("dash")}
    marks = [kinds.get(char) or Mark("char", char) for char in cleaned]
    if style.aspect < 1.9 and style.kind != "us" and len(marks) > 3:
        half = len(marks) // 2
        return [marks[:half], marks[half:]]
    return [marks]


def _fits(lines: Sequence[Sequence[Mark]], pattern: str, text: str) -> bool:
    """Whether the drawn example has the length of `text` with letters and digits at the same places."""
    example = text_of(lines)
    if len(example) != len(text) or ("^" in pattern and example.index("T") != text.find("T")):
        return False
    return all(a.isdigit() == b.isdigit() for a, b in zip(example, text, strict=True))


def _refill(lines: Sequence[Sequence[Mark]], text: str) -> list[list[Mark]]:
    chars = iter(text)
    return [[Mark(m.kind, next(chars), m.small) if m.counts else m for m in line] for line in lines]


def render_plate(
    region: str | None,
    text: str | None = None,
    rng: np.random.Generator | None = None,
    *,
    height: int | None = None,
    faces: Sequence[Face] = DEFAULT_FACES,
    style: Style | None = None,
) -> Plate:
    """Draw a plate of `region` (None: any), with `text` or a random number of the region's formats.

    `height` is the picture's height in pixels (default: 96, or 128 for plates less than 2.2 times as wide as high).
    ValueError for an unknown region or a text with other characters than A-Z, 0-9, spaces and dashes.
    """
    rng = rng if rng is not None else np.random.default_rng()
    style = style or random_style(rng, region)
    if text is None:
        lines = expand(style.patterns[int(rng.integers(len(style.patterns)))], style.letters, rng)
    else:
        lines = lay_out_text(text, style, rng)
    fitting = [face for face in faces if style.kind in face.kinds] or list(faces)
    if style.kind == "any" or rng.random() < 0.15:
        fitting = list(faces)
    face = fitting[int(rng.integers(len(fitting)))]
    canvas = _Canvas(style, face, rng, height or (96 if style.aspect > 2.2 else 128))
    canvas.draw_ground()
    canvas.draw_print()
    boxes = canvas.draw_number(lines)
    canvas.draw_hardware()
    return Plate(canvas.image, text_of(lines), style.region, len(lines), boxes)


class _Canvas:
    """The plate while it is drawn: the picture, the room left for the number, and the random choices of this plate."""

    def __init__(self, style: Style, face: Face, rng: np.random.Generator, height: int) -> None:
        self.style, self.face, self.rng = style, face, rng
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
                self.image, (inset, inset), (self.width - 1 - inset, self.height - 1 - inset), colour, thick, cv2.LINE_AA
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
                cv2.rectangle(overlay, (0, y), (w, y + int(h * rng.uniform(0.08, 0.3))), self._any_colour(), -1)
            elif choice < 0.7:
                xs = np.linspace(0, w, 9)
                ys = h * (rng.uniform(0.4, 0.95) + rng.normal(0, 0.08, 9))
                points = np.concatenate([np.stack([xs, ys], 1), [[w, h], [0, h]]]).astype(np.int32)
                cv2.fillPoly(overlay, [points], self._any_colour(), cv2.LINE_AA)
            else:
                centre = (int(rng.integers(0, w)), int(rng.integers(0, h)))
                cv2.circle(overlay, centre, int(h * rng.uniform(0.1, 0.4)), self._any_colour(), -1, cv2.LINE_AA)
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
            cv2.circle(self.image, (round(x), round(y)), max(1, round(wide * 0.04)), (60, 210, 235), -1, cv2.LINE_AA)
        if code:
            mask = small_text(self.face, code)
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
        mask = small_text(self.face, text)
        wide = min(mask.shape[1] * tall / mask.shape[0] * rng.uniform(0.7, 1.2), self.width * 0.7)
        self._blend_at(mask, self.width * 0.5, y, tall, colour, wide)

    def _blend_at(
        self, mask: Image, x: float, y: float, tall: float, colour: NDArray[np.float64] | NDArray[np.float32], wide: float | None = None
    ) -> None:
        """Paint a mask scaled to `tall` pixels with its middle at x, y."""
        tall_px = max(round(tall), 3)
        wide_px = max(round(wide if wide is not None else mask.shape[1] * tall_px / mask.shape[0]), 2)
        scaled = cv2.resize(mask, (wide_px, tall_px), interpolation=cv2.INTER_AREA)
        x0, y0 = round(x - wide_px / 2), round(y - tall_px / 2)
        a, b = max(x0, 0), max(y0, 0)
        c, d = min(x0 + wide_px, self.width), min(y0 + tall_px, self.height)
        if c <= a or d <= b:
            return
        _blend(self.image[b:d, a:c], scaled[b - y0 : d - y0, a - x0 : c - x0], colour)

    def draw_number(self, lines: list[list[Mark]]) -> Boxes:
        """Draw the number; returns the boxes of its characters in reading order."""
        rng, style = self.rng, self.style
        count = len(lines)
        tall = self.height * style.scale * rng.uniform(0.93, 1.07) * (1.0 if count == 1 or style.scale < 0.45 else 0.6)
        if count == 1 and style.scale < 0.4 and style.kind != "us":
            tall *= 1.3
        middle = self.height / 2
        if style.header:
            middle += self.height * rng.uniform(0.0, 0.05)
        pitch = tall * rng.uniform(1.12, 1.22)
        ink_mask = np.zeros((self.height, self.width), np.uint8)
        room = (self.left, self.right)
        squeeze, spacing, mono = rng.uniform(0.72, 1.08), rng.uniform(0.1, 0.26), rng.random() < 0.45
        boxes: list[tuple[float, float, float, float]] = []
        for index, line in enumerate(lines):
            y = middle + (index - (count - 1) / 2) * pitch
            left = room[0] if style.band and (count == 1 or index == 0 or rng.random() < 0.5) else 0.03 * self.width
            row = _Row(line, self.face, tall, squeeze, spacing, mono, rng)
            boxes += row.draw(ink_mask, self.image, self.ink, (left, room[1]), y)
        self._ink(ink_mask)
        return np.array(boxes, np.float32).reshape(-1, 4)

    def _ink(self, mask: Image) -> None:
        """Lay the number's ink on the plate, at times embossed: lit on one edge and dark on the other."""
        if self.rng.random() < 0.4:
            shift = int(self.rng.integers(1, 3))
            light = cv2.subtract(np.roll(mask, (-shift, -shift), (0, 1)), mask)
            dark = cv2.subtract(np.roll(mask, (shift, shift), (0, 1)), mask)
            strength = self.rng.uniform(0.2, 0.6)
            _blend(self.image, (light * strength).astype(np.uint8), np.minimum(self.ground + 60, 255))
            _blend(self.image, (dark * strength).astype(np.uint8), self.ground * 0.45)
        _blend(self.image, mask, self.ink)

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
                    cv2.circle(self.image, (round(w * x), round(h * y)), max(2, round(h * rng.uniform(0.02, 0.045))), colour, -1, cv2.LINE_AA)
        if self.style.kind == "us" and rng.random() < 0.3:
            for corner in rng.choice(4, int(rng.integers(1, 3)), replace=False):
                self._draw_sticker(int(corner))

    def _draw_sticker(self, corner: int) -> None:
        rng, h, w = self.rng, self.height, self.width
        wide, tall = round(w * rng.uniform(0.1, 0.16)), round(h * rng.uniform(0.12, 0.2))
        x = round(w * 0.03) if corner % 2 == 0 else round(w * 0.97) - wide
        y = round(h * 0.03) if corner < 2 else round(h * 0.97) - tall
        self.image[y : y + tall, x : x + wide] = self._any_colour()
        words = ("22", "19", "24", "AUG", "FEB", "OCT", "14", "JAN", "07", "DEC")
        mask = small_text(self.face, words[int(rng.integers(len(words)))])
        self._blend_at(mask, x + wide / 2, y + tall / 2, tall * 0.8, np.array([240.0, 240.0, 240.0]), wide * 0.8)


class _Row:
    """One line of marks with its widths, ready to be drawn."""

    def __init__(
        self, marks: list[Mark], face: Face, tall: float, squeeze: float, spacing: float, mono: bool, rng: np.random.Generator
    ) -> None:
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
    ) -> list[tuple[float, float, float, float]]:
        """Draw into the ink mask (emblems and Tunis go to the image in their own colours); returns character boxes."""
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
                _draw_tunis(mask, box, self.rng)
            elif mark.kind == "stacked":
                self._draw_stacked(mask, mark.char, box)
            elif mark.kind != "gap":
                _draw_separator(mask, image, mark.kind, box, ink, self.rng)
            if mark.counts:
                boxes.append(box)
            x += (advance + self.space) * fit
        return boxes

    def _draw_char(self, mask: Image, mark: Mark, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        if mark.small:
            drop = self.tall * (1 - self.small) * (1.0 if self.rng.random() < 0.6 else 0.0)
            box = (box[0], box[1] + drop, box[2], box[1] + drop + self.tall * self.small)
        _paste(mask, glyph(self.face, mark.char), box)
        return box

    def _draw_stacked(self, mask: Image, chars: str, box: tuple[float, float, float, float]) -> None:
        step = (box[3] - box[1]) / max(len(chars), 1)
        for index, char in enumerate(chars):
            _paste(mask, glyph(self.face, char), (box[0], box[1] + index * step, box[2], box[1] + (index + 0.85) * step))


def _paste(mask: Image, stamp: Image, box: tuple[float, float, float, float]) -> None:
    """Put a glyph into the ink mask so that its capital fills `box` (parts outside are cut off)."""
    unit = (box[3] - box[1]) / CAP_HEIGHT
    wide, tall = max(round(box[2] - box[0]), 1), max(round((ASCENT + CAP_HEIGHT + DESCENT) * unit), 1)
    scaled = cv2.resize(stamp, (wide, tall), interpolation=cv2.INTER_AREA if unit < 1 else cv2.INTER_LINEAR)
    x0, y0 = round(box[0]), round(box[1] - ASCENT * unit)
    a, b, c, d = max(x0, 0), max(y0, 0), min(x0 + wide, mask.shape[1]), min(y0 + tall, mask.shape[0])
    if c > a and d > b:
        np.maximum(mask[b:d, a:c], scaled[b - y0 : d - y0, a - x0 : c - x0], out=mask[b:d, a:c])


def _draw_separator(
    mask: Image, image: Image, kind: str, box: tuple[float, float, float, float], ink: NDArray[np.float32], rng: np.random.Generator
) -> None:
    x0, y0, x1, y1 = box
    tall = y1 - y0
    if kind == "dash":
        thick = max(tall * rng.uniform(0.07, 0.14), 2)
        y = (y0 + y1) / 2
        cv2.rectangle(mask, (round(x0), round(y - thick / 2)), (round(x1), round(y + thick / 2)), 255, -1)
        return
    if kind == "dot":
        y = (y0 + y1) / 2 if rng.random() < 0.7 else y1 - tall * 0.08
        cv2.circle(mask, (round((x0 + x1) / 2), round(y)), max(2, round(tall * rng.uniform(0.05, 0.09))), 255, -1, cv2.LINE_AA)
        return
    _draw_emblem(image, box, ink, rng)


def _draw_emblem(image: Image, box: tuple[float, float, float, float], ink: NDArray[np.float32], rng: np.random.Generator) -> None:
    """A seal, coat of arms, sticker or outline of a state between two groups of characters."""
    x0, y0, x1, y1 = box
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2 + (y1 - y0) * rng.uniform(-0.15, 0.15)])
    radius = min((x1 - x0) / 2, (y1 - y0) / 2) * rng.uniform(0.7, 1.0)
    own = tuple(int(v) for v in rng.integers(0, 256, 3))
    colour = tuple(int(v) for v in ink) if rng.random() < 0.65 else own
    shape = rng.random()
    if shape < 0.3:
        count = 2 if rng.random() < 0.4 else 1
        for index in range(count):
            middle = centre + [0, (index - (count - 1) / 2) * radius * 1.9]
            place = (round(middle[0]), round(middle[1]))
            cv2.circle(image, place, max(round(radius * 0.85), 2), colour, -1 if rng.random() < 0.5 else 2, cv2.LINE_AA)
            cv2.circle(image, place, max(round(radius * 0.4), 1), own, -1, cv2.LINE_AA)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 12))))
        spread = rng.uniform(0.35, 1.0, angles.size) * radius
        stretch = rng.uniform(0.7, 2.0) if shape < 0.6 else 1.0
        points = centre + np.stack([np.cos(angles) * spread, np.sin(angles) * spread * stretch], 1)
        cv2.fillPoly(image, [points.astype(np.int32)], colour, cv2.LINE_AA)


_TUNIS = (
    # The word Tunis as pen strokes in a unit box, y down; then its dots.
    (
        ((1.0, 0.35), (0.99, 0.62), (0.86, 0.64), (0.82, 0.5), (0.76, 0.44), (0.7, 0.52), (0.74, 0.6), (0.79, 0.55), (0.76, 0.78), (0.66, 0.9)),
        ((0.66, 0.42), (0.65, 0.62), (0.56, 0.63), (0.54, 0.48), (0.52, 0.62), (0.46, 0.63), (0.44, 0.48), (0.42, 0.62), (0.36, 0.63),
         (0.34, 0.46), (0.33, 0.72), (0.24, 0.86), (0.1, 0.84), (0.04, 0.66), (0.07, 0.56)),
    ),
    ((0.95, 0.17), (1.0, 0.17), (0.63, 0.25)),
)


@lru_cache(maxsize=32)
def _tunis_mask(thick: int) -> Image:
    """The word as a mask of 96 by 128 pixels."""
    strokes, dots = _TUNIS
    mask = np.zeros((96, 128), np.uint8)
    for stroke in strokes:
        points = (np.array(stroke) * [112, 88] + [8, 4]).astype(np.int32)
        cv2.polylines(mask, [points], False, 255, thick, cv2.LINE_AA)
    for x, y in dots:
        cv2.circle(mask, (round(x * 112 + 8), round(y * 88 + 4)), max(thick * 2 // 3, 3), 255, -1, cv2.LINE_AA)
    return mask


def _draw_tunis(mask: Image, box: tuple[float, float, float, float], rng: np.random.Generator) -> None:
    """The word Tunis in Arabic script."""
    unit = (box[3] - box[1]) / CAP_HEIGHT
    word = _tunis_mask(int(rng.integers(6, 12)))
    stamp = np.zeros((ASCENT + CAP_HEIGHT + DESCENT, 128), np.uint8)
    tall = round(CAP_HEIGHT * rng.uniform(0.85, 1.2))
    stamp[: min(tall, stamp.shape[0])] = cv2.resize(word, (128, tall), interpolation=cv2.INTER_AREA)[: stamp.shape[0]]
    drop = rng.uniform(-0.05, 0.25) * CAP_HEIGHT * unit
    _paste(mask, stamp, (box[0], box[1] + drop, box[2], box[3] + drop))


def _blend(target: Image, mask: Image, colour: NDArray[np.float32] | NDArray[np.float64]) -> None:
    """Paint `colour` through `mask` (0 to 255) onto `target`, in place."""
    alpha = mask[:, :, None].astype(np.float32) / 255
    target[:] = (target + (colour.astype(np.float32) - target) * alpha).astype(np.uint8)
