"""What the reader takes and gives: input, alphabet, slots, heads. Export writes it into the manifest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synth.plate import REGIONS

HEIGHT, WIDTH = 64, 160
"""Pixels of the input; a crop of any shape is stretched to it."""

SLOTS = 10
"""Most characters a plate can have."""

BLANK = 0
"""Class of a slot after the last character."""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Characters of classes 1 to 36."""

CLASSES = len(ALPHABET) + 1

_EUROPE = """
    al at ba be bg by ch cy cz de dk ee es eu fi fr gb gr hr hu ie is it li lt lu lv mc md me mk mt nl no pl
    pt ro rs se si sk ua
"""

EUROPE = frozenset(_EUROPE.split())
"""Regions that a plate labelled only `eu` may be of."""

REGION_INDEX = {region: index for index, region in enumerate(REGIONS)}

UNKNOWN_REGION = -1


def encode(text: str) -> NDArray[np.int64]:
    """Classes of the slots for a text of A-Z and 0-9; ValueError if too long or of other characters."""
    if len(text) > SLOTS:
        raise ValueError(f"plate text {text!r} has {len(text)} characters, the reader has {SLOTS} slots")
    slots = np.zeros(SLOTS, np.int64)
    for index, char in enumerate(text):
        slots[index] = ALPHABET.index(char) + 1
    return slots


def decode(slots: NDArray[np.integer]) -> str:
    """The text of a row of classes: what stands before the first blank."""
    chars = []
    for value in slots:
        if value == BLANK:
            break
        chars.append(ALPHABET[int(value) - 1])
    return "".join(chars)
