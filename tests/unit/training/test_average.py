"""Means of weights."""

from __future__ import annotations

import pytest


def test_an_average_follows_the_weights_faster_at_first() -> None:
    """It is near the weights after the first step, keeps `ema` of itself after many, and copies counters."""
    torch = pytest.importorskip("torch")
    from training.average import follow

    average = {"w": torch.zeros(2), "count": torch.tensor(0)}
    weights = {"w": torch.ones(2), "count": torch.tensor(7)}
    follow(average, weights, 0.99, 1)
    assert average["w"].tolist() == pytest.approx([9 / 11] * 2)
    assert int(average["count"]) == 7
    average["w"].zero_()
    follow(average, weights, 0.99, 10_000)
    assert average["w"].tolist() == pytest.approx([0.01] * 2)


def test_weights_of_different_networks_have_no_mean() -> None:
    """The error names what differs."""
    torch = pytest.importorskip("torch")
    from training.average import mean

    assert mean([{"w": torch.zeros(1)}, {"w": torch.ones(1)}])["w"].tolist() == [0.5]
    with pytest.raises(ValueError, match="different networks: w"):
        mean([{"w": torch.zeros(1)}, {"w": torch.zeros(2)}])
