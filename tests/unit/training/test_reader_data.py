"""The reader's training data and figures: what is written is what is read, and the sums are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synth.fonts import DEFAULT_FACES
from training.reader.config import load_config
from training.reader.contract import ALPHABET, HEIGHT, SLOTS, WIDTH, decode, encode
from training.reader.data import synthetic_sample, write_shard
from training.reader.evaluate import calibration_error, edits, greedy

CONFIG = Path(__file__).parents[3] / "training" / "reader" / "config.yaml"


def test_texts_survive_the_slots() -> None:
    """A text written into slots is read back, whatever its length up to the last slot."""
    for text in ("", "A", "123T4567", "KL07AB1234"):
        assert decode(encode(text)) == text
    with pytest.raises(ValueError, match="slots"):
        encode("A" * (SLOTS + 1))


def test_a_shard_keeps_its_samples(tmp_path: Path) -> None:
    """A shard holds the pictures, texts and boxes it was given, and no half-written file is left."""
    rng = np.random.default_rng(1)
    samples = [synthetic_sample(rng, DEFAULT_FACES) for _ in range(3)]
    write_shard(tmp_path / "synthetic-00000.npz", samples)
    shard = np.load(tmp_path / "synthetic-00000.npz")
    assert shard["images"].shape == (3, HEIGHT, WIDTH, 3)
    assert [decode(row) for row in shard["slots"]] == [sample.text for sample in samples]
    boxes = shard["boxes"]
    assert [int((~np.isnan(row[:, 0])).sum()) for row in boxes] == [len(sample.text) for sample in samples]
    assert [path.name for path in tmp_path.iterdir()] == ["synthetic-00000.npz"]


def test_configuration_names_a_wrong_setting(tmp_path: Path) -> None:
    """The shipped configuration loads, and a setting that does not exist is named."""
    assert load_config(CONFIG).batch > 0
    wrong = tmp_path / "config.yaml"
    wrong.write_text(CONFIG.read_text() + "\nbatsch: 3\n")
    with pytest.raises(ValueError, match="batsch"):
        load_config(wrong)


@pytest.mark.parametrize(
    ("a", "b", "count"), [("ABC", "ABC", 0), ("ABC", "AC", 1), ("", "AB", 2), ("O1", "01", 1)]
)
def test_edits_count_characters(a: str, b: str, count: int) -> None:
    """Edits are the least insertions, deletions and substitutions."""
    assert edits(a, b) == count


def test_greedy_joins_repeats_and_drops_what_no_plate_has() -> None:
    """Repeated classes are one character unless a blank parts them, and other characters are left out."""
    alphabet = ["", *ALPHABET, "-"]
    path = [11, 11, 0, 11, 37, 2]
    steps = np.full((len(path), len(alphabet)), 0.001, np.float32)
    steps[np.arange(len(path)), path] = 0.9
    text, confidence = greedy(steps, alphabet)
    assert text == "AA1"
    assert confidence == pytest.approx(0.9)


def test_calibration_error_is_the_gap() -> None:
    """Reads that claim 0.9 and are right every time are 0.1 off; right nine times of ten they are not."""
    claimed = np.full(10, 0.9)
    assert calibration_error(claimed, np.ones(10, bool)) == pytest.approx(0.1)
    assert calibration_error(claimed, np.arange(10) > 0) == pytest.approx(0.0)
