"""Retries: only what is idempotent, only what a retry can mend, within deadline and budget."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from mesh_parts import DETECTOR, detect

from mesh.client import ClientOptions, connect
from mesh.errors import Kind, MeshError
from mesh.retry import IDEMPOTENT, RetryBudget, RetryPolicy
from mesh.settings import MeshSettings
from mesh.testing import Harness, service_of, servicer_of
from ovr.alpr import v1
from ovr.alpr.v1 import detector_pb2, detector_pb2_grpc


@pytest.fixture
async def mesh() -> AsyncIterator[Harness]:
    """A harness that goes with its test."""
    async with Harness() as harness:
        yield harness


class Flaky:
    """Fails so many times with an error, then answers."""

    def __init__(self, failures: int, error: MeshError) -> None:
        self.left, self.error, self.calls = failures, error, 0

    def __call__(self, request: Any) -> detector_pb2.DetectResponse:
        self.calls += 1
        if self.left > 0:
            self.left -= 1
            raise self.error.copy()
        return detector_pb2.DetectResponse(inference_ms=2.0)


UNAVAILABLE = MeshError(Kind.UNAVAILABLE, "RELOADING", "loading the model")
FULL = MeshError(Kind.EXHAUSTED, "QUEUE_FULL", "full", retry_after=0.02)


def test_every_idempotent_rpc_is_one_of_the_contract() -> None:
    """The table of what may be sent again names only unary rpcs that exist."""
    for module in pkgutil.iter_modules(v1.__path__, f"{v1.__name__}."):
        importlib.import_module(module.name)
    pool = descriptor_pool.Default()
    for name in IDEMPOTENT:
        service, _, rpc = name.partition("/")
        method = pool.FindServiceByName(service).FindMethodByName(rpc)
        assert not method.client_streaming
        assert not method.server_streaming


@pytest.mark.parametrize("error", [UNAVAILABLE, FULL])
async def test_an_idempotent_call_is_sent_again(mesh: Harness, error: MeshError) -> None:
    """A call that may be repeated survives a peer that fails for a moment."""
    flaky = Flaky(2, error)
    await mesh.neighbour("detector", DETECTOR, Detect=flaky)
    assert (await mesh.stub(DETECTOR).Detect(detect())).inference_ms == 2.0
    assert flaky.calls == 3


@pytest.mark.parametrize("kind", [Kind.STALE, Kind.INVALID, Kind.INTERNAL, Kind.NOT_FOUND, Kind.EXHAUSTED])
async def test_what_a_retry_cannot_mend_is_not_sent_again(mesh: Harness, kind: Kind) -> None:
    """Errors that would come again, and a full peer that names no time, are raised at once."""
    flaky = Flaky(1, MeshError(kind, "NO", "no"))
    await mesh.neighbour("detector", DETECTOR, Detect=flaky)
    with pytest.raises(MeshError):
        await mesh.stub(DETECTOR).Detect(detect())
    assert flaky.calls == 1


async def test_what_is_not_idempotent_is_never_sent_again(
    mesh: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An rpc outside of the table is sent once, whatever happens."""
    monkeypatch.setattr("mesh.client.IDEMPOTENT", frozenset[str]())
    flaky = Flaky(1, UNAVAILABLE)
    await mesh.neighbour("detector", DETECTOR, Detect=flaky)
    with pytest.raises(MeshError, match="RELOADING"):
        await mesh.stub(DETECTOR).Detect(detect())
    assert flaky.calls == 1


async def test_retries_end_with_the_deadline(mesh: Harness) -> None:
    """No retry is waited for that would come after the deadline."""
    flaky = Flaky(100, MeshError(Kind.EXHAUSTED, "QUEUE_FULL", "full", retry_after=60.0))
    await mesh.neighbour("detector", DETECTOR, Detect=flaky)
    started = time.monotonic()
    with pytest.raises(MeshError, match="QUEUE_FULL"):
        await mesh.stub(DETECTOR).Detect(detect(), timeout=20.0)
    assert time.monotonic() - started < 10
    assert flaky.calls == 1


async def test_a_peer_that_is_down_is_not_stormed(mesh: Harness) -> None:
    """When everything fails, the budget soon allows one attempt a call; after recovery retries come back."""
    flaky = Flaky(10_000, UNAVAILABLE)
    await mesh.neighbour("detector", DETECTOR, Detect=flaky)
    options = ClientOptions(retry=RetryPolicy(base=0.001, cap=0.002))
    stub = detector_pb2_grpc.DetectorServiceStub(mesh.connect("detector", options=options))
    for _ in range(40):
        with pytest.raises(MeshError):
            await stub.Detect(detect())
    assert 40 + 5 < flaky.calls < 40 + 20
    flaky.left = 0
    for _ in range(200):
        await stub.Detect(detect())
    flaky.left, flaky.calls = 1, 0
    await stub.Detect(detect())
    assert flaky.calls == 2


async def test_a_peer_that_starts_late_is_reached(mesh: Harness) -> None:
    """A call made while the peer is just starting is answered, by a retry."""
    settings = mesh.settings(MeshSettings, listen=f"unix:{mesh.home / 'late.sock'}")
    options = ClientOptions(timeout=10, retry=RetryPolicy(attempts=30))
    async with connect(settings.address(), peer="detector", options=options) as channel:
        stub = detector_pb2_grpc.DetectorServiceStub(channel)
        with pytest.raises(MeshError) as caught:
            await stub.Detect(detect(), timeout=0.1)
        assert caught.value.reason == "PEER_UNAVAILABLE"
        assert "detector at unix:" in caught.value.message
        call = asyncio.ensure_future(stub.Detect(detect()))
        await asyncio.sleep(0.05)
        servicer = servicer_of(DETECTOR, Detect=Flaky(0, UNAVAILABLE))
        await mesh.serve("detector", service_of(DETECTOR, servicer), listen=settings.address())
        assert (await call).inference_ms == 2.0


def test_the_budget_needs_more_than_half() -> None:
    """Ten failures in a row exhaust a budget of twenty; successes refill it slowly."""
    budget = RetryBudget(tokens=20, refund=0.5)
    assert [budget.failed() for _ in range(12)] == [True] * 9 + [False] * 3
    for _ in range(10):
        budget.succeeded()
    assert budget.failed()
