"""Number plates of many regions, drawn flat and clean: text, layout, colours, print round the number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synth.canvas import Boxes, Canvas
from synth.fonts import DEFAULT_FACES, Face
from synth.ink import Image
from synth.layouts import STYLES, Style
from synth.number import expand, lay_out_text, text_of

REGIONS: tuple[str, ...] = tuple(sorted({style.region for style in STYLES}))
"""ISO 3166 codes in lower case; `eu`: European of no certain country, `xx`: of no known form."""


@dataclass(frozen=True)
class Plate:
    """A drawn plate: `image` uint8 HxWx3 BGR, `chars` float32 (N, 4) boxes x0, y0, x1, y1 in pixels."""

    image: Image
    text: str
    region: str
    lines: int
    chars: Boxes

    @property
    def layout(self) -> str:
        """ "one" or "two", the number of lines the text stands on."""
        return "two" if self.lines > 1 else "one"


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

    `height` is the picture's height in pixels (default: 96, or 128 for plates less wide than 2.2 times).
    ValueError for an unknown region or a text with other characters than A-Z, 0-9, spaces and dashes.
    """
    rng = rng if rng is not None else np.random.default_rng()
    style = style or random_style(rng, region)
    if text is None:
        lines = expand(style.patterns[int(rng.integers(len(style.patterns)))], style.letters, rng)
    else:
        lines = lay_out_text(text, style, rng)
    latin = [face for face in faces if not face.arabic]
    arabic = [face for face in faces if face.arabic]
    fitting = [face for face in latin if (style.face or style.kind) in face.kinds] or latin
    if style.kind == "any" or rng.random() < 0.15:
        fitting = latin
    face = fitting[int(rng.integers(len(fitting)))]
    print_face = latin[int(rng.integers(len(latin))) // 7 * 7]
    word_face = arabic[int(rng.integers(len(arabic)))] if arabic and rng.random() < 0.8 else None
    canvas = Canvas(style, (face, print_face, word_face), rng, height or (96 if style.aspect > 2.2 else 128))
    canvas.draw_ground()
    canvas.draw_print()
    boxes = canvas.draw_number(lines)
    canvas.draw_hardware()
    return Plate(canvas.image, text_of(lines), style.region, len(lines), boxes)
