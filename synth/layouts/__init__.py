"""What plates look like by region, as data: patterns of text, shapes, colours and print around the number."""

from __future__ import annotations

from synth.layouts.europe import EUROPE
from synth.layouts.style import CODES, PAINTS, Style
from synth.layouts.united_states import UNITED_STATES
from synth.layouts.world import WORLD

STYLES: tuple[Style, ...] = (*EUROPE, *UNITED_STATES, *WORLD)
"""Every style; several styles may share a region, chosen by weight."""

__all__ = ["CODES", "PAINTS", "STYLES", "Style"]
