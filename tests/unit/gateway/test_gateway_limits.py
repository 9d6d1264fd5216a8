"""What one client may take."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits import TokenBuckets, Watches
from mesh.errors import Kind, MeshError


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_the_rate() -> None:
    """The burst passes at once, then one request a token; the answer says when to come again."""
    clock = Clock()
    buckets = TokenBuckets(2.0, 3.0, clock=clock)
    for _ in range(3):
        buckets.take("a")
    with pytest.raises(MeshError) as caught:
        buckets.take("a")
    assert caught.value.kind is Kind.EXHAUSTED
    assert caught.value.retry_after == pytest.approx(0.5)
    clock.now = 0.5
    buckets.take("a")


def test_clients_do_not_share() -> None:
    """One client's flood is not another's refusal."""
    buckets = TokenBuckets(1.0, 1.0, clock=Clock())
    buckets.take("a")
    buckets.take("b")


def test_a_cost_above_the_burst_is_possible_and_owed() -> None:
    """What costs more than the bucket holds passes on a full one, and what it owes is waited for."""
    clock = Clock()
    buckets = TokenBuckets(1.0, 2.0, clock=clock)
    buckets.take("a", 10.0)
    clock.now = 8.5
    with pytest.raises(MeshError):
        buckets.take("a")
    clock.now = 9.0
    buckets.take("a")


def test_rate_zero_is_off() -> None:
    """Zero switches the limit off."""
    buckets = TokenBuckets(0.0, 1.0)
    for _ in range(100):
        buckets.take("a")


def test_only_so_many_clients_are_remembered() -> None:
    """A flood of addresses does not fill the memory."""
    buckets = TokenBuckets(1.0, 1.0, capacity=10, clock=Clock())
    for number in range(1000):
        buckets.take(str(number))
    assert len(buckets._buckets) == 10


@given(st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_never_more_than_burst_and_rate(pauses: list[float]) -> None:
    """In any sequence of requests no more pass than the burst and what the rate has added."""
    clock = Clock()
    buckets = TokenBuckets(3.0, 4.0, clock=clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        try:
            buckets.take("a")
            passed += 1
        except MeshError:
            pass
        assert passed <= 4.0 + 3.0 * clock.now + 1e-6


def test_watches_are_counted_per_client_and_in_all() -> None:
    """Too many streams are refused, and one that ends makes room."""
    watches = Watches(3, 2)
    with watches.hold("a"), watches.hold("a"):
        with pytest.raises(MeshError), watches.hold("a"):
            pass
        with watches.hold("b"):
            assert watches.open == 3
            with pytest.raises(MeshError), watches.hold("c"):
                pass
    assert watches.open == 0
