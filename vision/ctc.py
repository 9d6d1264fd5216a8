"""From the frames of a CTC network to characters with probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from plates.confusables import confusables
from plates.event import CharAlternative, CharPosterior
from vision.port import Tensor

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MAX_ALTERNATIVES = 8
_LEAST_PROBABILITY = 1e-4


@dataclass(frozen=True, slots=True)
class CtcText:
    """One line of text. `confidence` is the product of the characters' probabilities; `starts` are frames."""

    text: str
    confidence: float
    posterior: tuple[CharPosterior, ...]
    starts: tuple[int, ...]


class Charset:
    """Folds a network's classes into the 36 of a plate: lower case counts as upper, all else as none."""

    def __init__(self, characters: Sequence[str]) -> None:
        """`characters`: the network's classes from 1 on; class 0 is the CTC blank."""
        pairs = [(i, ALPHABET.index(c.upper())) for i, c in enumerate(characters, 1) if _is_plain(c)]
        self.classes = len(characters) + 1
        self._sources = np.array([source for source, _ in pairs])
        self._targets: npt.NDArray[np.intp] = np.array([target for _, target in pairs])

    def fold(self, probabilities: Tensor) -> Tensor:
        """Frames [t, classes] as [t, 37]: first the probability of no character, then those of `ALPHABET`."""
        folded = np.zeros((len(probabilities), len(ALPHABET) + 1), np.float32)
        np.add.at(folded.T, self._targets + 1, probabilities[:, self._sources].T)
        folded[:, 0] = np.clip(1 - folded[:, 1:].sum(axis=1), 0, 1)
        return folded


def _is_plain(character: str) -> bool:
    return len(character) == 1 and character.isascii() and character.upper() in ALPHABET


def confusion_matrix(scale: float) -> Tensor:
    """The share of each class's probability that belongs to its look-alikes, [37, 37].

    Frames [t, 37] times it are what a reader should say that tells these characters apart that badly.
    """
    matrix = np.eye(len(ALPHABET) + 1, dtype=np.float32)
    for row, said in enumerate(ALPHABET, 1):
        for meant, share in confusables(said).items():
            moved = min(0.45, share * scale)
            matrix[row, ALPHABET.index(meant) + 1] += moved
        matrix[row] /= matrix[row].sum()
    return matrix


def decode(frames: Tensor) -> CtcText:
    """The best path through frames [t, 37], repeats collapsed; each character's odds from its best frame."""
    best = frames.argmax(axis=1)
    posterior: list[CharPosterior] = []
    starts: list[int] = []
    for start, end in _runs(best):
        peak = start + int(frames[start:end, best[start]].argmax())
        posterior.append(alternatives(frames[peak]))
        starts.append(start)
    confidence = float(np.prod([position[0].probability for position in posterior])) if posterior else 0.0
    return CtcText(
        "".join(position[0].char for position in posterior), confidence, tuple(posterior), tuple(starts)
    )


def likelihood(frames: Tensor, text: str) -> float:
    """The probability of a text of `ALPHABET`, over all its paths through frames [t, 37]."""
    symbols = np.zeros(2 * len(text) + 1, np.intp)
    symbols[1::2] = [ALPHABET.index(char) + 1 for char in text]
    # A path may leave out the blank between two characters that differ.
    skips = np.zeros(len(symbols), bool)
    skips[3::2] = symbols[3::2] != symbols[1:-2:2]
    said = frames[:, symbols].astype(np.float64)
    paths = np.zeros(len(symbols))
    paths[:2] = said[0, :2]
    for step in said[1:]:
        before = paths.copy()
        paths[1:] += before[:-1]
        paths[2:] += np.where(skips[2:], before[:-2], 0.0)
        paths *= step
    return min(1.0, float(paths[-2:].sum()))


def _runs(best: npt.NDArray[np.intp]) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
    return [(start, end) for start, end in pairwise(edges) if best[start] != 0]


def alternatives(probabilities: Tensor) -> CharPosterior:
    """The likeliest of [37] (none, then `ALPHABET`), best first, as far as they count."""
    order = np.argsort(-probabilities, kind="stable")[:_MAX_ALTERNATIVES]
    return tuple(
        CharAlternative("" if i == 0 else ALPHABET[i - 1], min(1.0, float(probabilities[i])))
        for i in order
        if probabilities[i] >= _LEAST_PROBABILITY
    )
