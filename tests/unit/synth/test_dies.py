"""Characters drawn as strokes."""

import numpy as np
import pytest

from synth.dies import DIES, die_mask

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize("number", range(0, DIES, 5))
def test_every_character_of_a_die_has_ink_of_its_own(number: int) -> None:
    """Each has ink from the capitals' top to the base line, cut tight, and no two are alike but O and 0."""
    masks = [die_mask(number, char, 64, 8, 16) for char in CHARACTERS]
    for mask in masks:
        assert mask.shape[0] == 88
        assert mask[:, 0].max() > 0
        assert mask[:, -1].max() > 0
        rows = np.flatnonzero(mask.max(axis=1) > 128)
        assert rows[0] == pytest.approx(8, abs=2)
        assert rows[-1] >= 69
    drawn = {mask.tobytes() for mask in masks}
    assert len(drawn) >= len(CHARACTERS) - 1


def test_a_die_is_the_same_each_time_and_unlike_the_next() -> None:
    """Dies are numbered, so that drawn data can be drawn again."""
    assert (die_mask(1, "R", 64, 8, 16) == die_mask(1, "R", 64, 8, 16)).all()
    assert die_mask(1, "R", 64, 8, 16).shape != die_mask(2, "R", 64, 8, 16).shape
