"""The reader's training data and figures: what is written is what is read, and the sums are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synth.fonts import DEFAULT_FACES
from training.reader.config import load_config
from training.reader.contract import HEIGHT, SLOTS, WIDTH, decode, encode
from training.reader.data import synthetic_sample, write_shard
from training.reader.spans import spans_of

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
    samples = [synthetic_sample(rng, DEFAULT_FACES, {"us": 1.0, "any": 1.0}) for _ in range(3)]
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


def test_lines_are_where_their_characters_are() -> None:
    """A line holds its boxes, slopes as they do, and ends where the next character stands further left."""
    row = np.array([[10 + 20 * i, 5 + i, 25 + 20 * i, 35 + i] for i in range(5)], np.float32)
    (one, none) = spans_of(row)
    assert one == pytest.approx([10, 105, 4.625, 9.375, 34.625, 39.375], abs=1e-3)
    assert np.isnan(none).all()
    (first, second) = spans_of(np.concatenate([row[:2], row + np.array([0, 50, 0, 50])]))
    assert second == pytest.approx(one + np.array([0, 0, 50, 50, 50, 50]))
    assert first[:2] == pytest.approx([10, 45])
    assert np.isnan(spans_of(row[:0])).all()
    assert np.isnan(spans_of(np.concatenate([row, row, row]))).all()
