"""From CTC frames to characters."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plates.confusables import confusables
from vision.ctc import ALPHABET, Charset, alternatives, confusion_matrix, decode, likelihood

texts = st.text(ALPHABET, min_size=1, max_size=10)


def frames_of(text: str, sure: float = 0.9) -> np.ndarray:
    """Two frames a character with a blank between."""
    rows = []
    for char in text:
        row = np.full(37, (1 - sure) / 36, np.float32)
        row[ALPHABET.index(char) + 1] = sure
        blank = np.zeros(37, np.float32)
        blank[0] = 1
        rows += [row, row, blank]
    return np.stack(rows)


@given(texts)
def test_decode_gives_back_the_text_that_the_frames_spell(text: str) -> None:
    """Repeats collapse, blanks separate, and doubled characters stay double."""
    found = decode(frames_of(text))
    assert found.text == text
    assert len(found.posterior) == len(text)
    assert found.confidence == pytest.approx(0.9 ** len(text), rel=1e-3)


def test_nothing_but_blanks_is_no_text() -> None:
    """Frames without a character give an empty text with confidence 0."""
    blank = np.zeros((5, 37), np.float32)
    blank[:, 0] = 1
    assert decode(blank).text == ""
    assert decode(blank).confidence == 0


def test_charset_adds_lower_case_to_upper_and_the_rest_to_none() -> None:
    """`a` and `A` are one character; what no plate has counts as no character."""
    folded = Charset(["a", "A", "7", "中", "-"]).fold(
        np.array([[0.1, 0.2, 0.3, 0.1, 0.25, 0.05]], np.float32)
    )
    assert folded[0, ALPHABET.index("A") + 1] == pytest.approx(0.5)
    assert folded[0, ALPHABET.index("7") + 1] == pytest.approx(0.1)
    assert folded[0, 0] == pytest.approx(0.4)


@given(texts, st.floats(0, 20))
def test_confusion_keeps_probabilities_and_the_best_character(text: str, scale: float) -> None:
    """Spreading over look-alikes leaves a distribution whose best character is the one read."""
    spread = frames_of(text) @ confusion_matrix(scale)
    assert np.allclose(spread.sum(axis=1), 1, atol=1e-4)
    assert decode(spread).text == text


def test_confusion_lets_o_be_a_zero() -> None:
    """A reader that cannot tell O from 0 says so in the posterior."""
    (position,) = decode(frames_of("O", 0.99) @ confusion_matrix(8)).posterior
    assert next(a.probability for a in position if a.char == "0") > 4 * confusables("O")["0"]


def test_alternatives_are_sorted_and_name_the_absence_by_an_empty_text() -> None:
    """The best comes first; class 0 is the empty character."""
    row = np.zeros(37, np.float32)
    row[[0, 1, 11]] = (0.3, 0.1, 0.6)
    assert [a.char for a in alternatives(row)] == ["A", "", "0"]


@pytest.mark.parametrize("text", ["A", "AB", "AA", "ABA"])
def test_the_likelihood_of_a_text_is_the_sum_over_its_paths(text: str) -> None:
    """Every way to spell the text in the frames counts, none twice, and doubled characters need a blank."""
    symbols = [0, *(ALPHABET.index(char) + 1 for char in "AB")]
    frames = np.zeros((5, 37), np.float32)
    frames[:, symbols] = np.random.default_rng(1).dirichlet(np.ones(3), 5)
    total = 0.0
    for path in product(symbols, repeat=5):
        spelt = [s for i, s in enumerate(path) if s and (i == 0 or path[i - 1] != s)]
        if "".join(ALPHABET[s - 1] for s in spelt) == text:
            total += float(np.prod([frames[i, s] for i, s in enumerate(path)]))
    assert likelihood(frames, text) == pytest.approx(total, rel=1e-5)
