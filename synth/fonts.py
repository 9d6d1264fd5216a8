"""Typefaces for rendered plates, and glyph masks cut from them.

The default face is Aileron (CC0), which Pillow carries inside its own wheel, so rendering needs no font
package.
Training adds faces close to those struck into plates, found by path when Debian's packages hold them (see
`docs/experiments.md` for the packages and their licences); a face that is not installed is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from synth.dies import DIES, die_mask

CAP_HEIGHT = 64
"""Height in pixels of a capital letter in a glyph mask."""

ASCENT = 8
"""Rows of a glyph mask above the capital's top, for strokes and accents."""

DESCENT = 16
"""Rows of a glyph mask below the base line, for the tails of Q and J."""

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Face:
    """One way to draw characters: a font file (None: Pillow's own), its stroke in 1/64 of the cap height."""

    name: str
    path: str | None = None
    stroke: int = 0
    kinds: tuple[str, ...] = ()
    die: int | None = None
    """Drawn as strokes by `synth.dies`, if it is one of those."""

    @property
    def arabic(self) -> bool:
        """Whether it is there for Arabic letters only."""
        return self.kinds == ("arabic",)


DEFAULT_FACES = tuple(Face(f"aileron-{stroke}", None, stroke, ("any",)) for stroke in (1, 2, 4))
"""Aileron at three weights; enough for demonstrations and tests."""

FONT_ROOTS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))

_TRAINING = (
    # file stem, strokes, kinds of plate it resembles
    ("routed-gothic-narrow", (4, 6, 8), "us br ar die"),
    ("routed-gothic", (4, 6, 8), "us eu br in die"),
    ("routed-gothic-wide", (5, 7), "br"),
    ("RG2014B", (0, 1), "us die"),
    ("RG2014C", (0, 1), "us eu die"),
    ("RG2014D", (0, 1), "us eu br die"),
    ("RG2014E", (0, 1), "eu br gb"),
    ("RG2014EM", (0,), "gb br in"),
    ("OSP-DIN", (0, 2), "us eu ar die"),
    ("BebasNeue-Regular", (0, 2), "us eu die"),
    ("BebasNeue-Book", (2, 4), "us die"),
    ("Dosis-SemiBold", (0, 2), "us eu in die"),
    ("Dosis-Bold", (0, 2), "eu us ar"),
    ("OpenSans-CondBold", (0,), "us eu gb"),
    ("RobotoCondensed-Regular", (1, 3), "us eu in die"),
    ("RobotoCondensed-Medium", (0, 2), "us eu gb in"),
    ("RobotoCondensed-Bold", (0, 2), "us eu gb ar in"),
    ("Roboto-Medium", (0,), "eu in br"),
    ("Roboto-Bold", (0,), "gb br in"),
    ("LiberationSansNarrow-Regular", (2, 4), "us eu"),
    ("LiberationSansNarrow-Bold", (0,), "us eu gb in"),
    ("LiberationSans-Bold", (0,), "gb br in"),
    ("NimbusSansNarrow-Bold", (0,), "us eu ar gb"),
    ("NimbusSans-Bold", (0,), "gb br in"),
    ("DejaVuSansCondensed", (1, 3), "us eu in"),
    ("DejaVuSansCondensed-Bold", (0,), "eu gb br"),
    ("DejaVuSansMono", (1, 3), "eu us"),
    ("DejaVuSansMono-Bold", (0,), "eu gb"),
    ("B612Mono-Bold", (0,), "eu gb br"),
    ("B612-Bold", (0,), "eu gb in"),
    ("JetBrainsMono-ExtraBold", (0,), "eu us"),
    ("JetBrainsMono-Medium", (1, 3), "eu"),
    ("OCR-B", (4, 6), "eu"),
    ("OCRB", (4, 6), "eu"),
    ("Play-Bold", (0,), "eu in"),
    ("Karla-Bold", (0,), "us in"),
    ("Quicksand-Bold", (0,), "us eu in"),
    ("LeagueSpartan-Bold", (0,), "in br"),
    ("URWGothic-Demi", (0,), "in eu"),
    ("RobotoSlab-Bold", (0,), "us serif"),
    ("C059-Bold", (0,), "us serif"),
    ("FreeSerifBold", (0,), "us in serif"),
    ("NimbusMonoPS-Bold", (2,), "us"),
    ("OpenSans-Bold", (0,), "in gb"),
    ("YanoneKaffeesatz-Bold", (0,), "us"),
    ("FreeSansBold", (0,), "eu gb br in"),
)

_ARABIC = ("Amiri-Bold", "Amiri-Regular", "Thabit-Bold", "FreeSerifBold", "DejaVuSansCondensed-Bold")

TUNIS = "\ufeb2\ufee7\ufeee\ufe97"
"""The word Tunis in Arabic presentation forms, from left to right."""


def training_faces(roots: Iterable[Path] = FONT_ROOTS) -> tuple[Face, ...]:
    """All faces of the training table installed under `roots`, after the default ones."""
    files: dict[str, str] = {}
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix.lower() in (".ttf", ".otf"):
                files.setdefault(path.stem, str(path))
    found = [
        Face(f"{stem}-{stroke}", files[stem], stroke, ("any", *kinds.split()))
        for stem, strokes, kinds in _TRAINING
        if stem in files
        for stroke in strokes
    ]
    arabic = [Face(f"{stem}-arabic", files[stem], 2, ("arabic",)) for stem in _ARABIC if stem in files]
    dies = [Face(f"die-{number}", kinds=("any", "us", "die"), die=number) for number in range(DIES)]
    return (*DEFAULT_FACES, *found, *dies, *arabic)


@lru_cache(maxsize=512)
def _font(path: str | None, size: float) -> ImageFont.FreeTypeFont:
    if path is not None:
        # The basic engine draws characters in the order given; the other would turn Arabic round once more.
        return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType: install the wheel from PyPI")
    return font


@lru_cache(maxsize=128)
def _cap_size(path: str | None) -> float:
    """Font size at which the capital H is CAP_HEIGHT pixels high."""
    box = _font(path, 256).getbbox("H", anchor="ls")
    return 256 * CAP_HEIGHT / max(-box[1], 1)


@lru_cache(maxsize=16384)
def glyph(face: Face, char: str) -> Mask:
    """Ink of one character: uint8 (ASCENT + CAP_HEIGHT + DESCENT, width), cut tight at the left and right."""
    if face.die is not None:
        return die_mask(face.die, char, CAP_HEIGHT, ASCENT, DESCENT)
    return _ink(face.path, face.stroke, char, _cap_size(face.path))


@lru_cache(maxsize=8192)
def small_text(face: Face, text: str) -> Mask:
    """Ink of a line of small print: uint8 mask, 32 pixels per cap height, cut tight at the left and right."""
    return _ink(face.path, face.stroke // 3, text, _cap_size(face.path))[::2, ::2]


@lru_cache(maxsize=32)
def arabic_word(face: Face, word: str) -> Mask:
    """Ink of a word in presentation forms, cut tight on all sides."""
    font = _font(face.path, 96)
    left, top, right, bottom = font.getbbox(word, stroke_width=face.stroke)
    image = Image.new("L", (int(right - left), int(bottom - top)))
    ImageDraw.Draw(image).text((-left, -top), word, 255, font, stroke_width=face.stroke)
    return np.asarray(image)


def _ink(path: str | None, stroke: int, text: str, size: float) -> Mask:
    font = _font(path, size)
    left, _, right, _ = font.getbbox(text, anchor="ls", stroke_width=stroke)
    width = max(int(right - left) + 2, 2)
    image = Image.new("L", (width, ASCENT + CAP_HEIGHT + DESCENT))
    draw = ImageDraw.Draw(image)
    draw.text((1 - left, ASCENT + CAP_HEIGHT), text, 255, font, anchor="ls", stroke_width=stroke)
    mask = np.asarray(image)
    columns = np.flatnonzero(mask.max(axis=0) > 40)
    if columns.size == 0:
        return np.zeros((mask.shape[0], 2), np.uint8)
    return np.ascontiguousarray(mask[:, columns[0] : columns[-1] + 1])
