"""Health: alive is not ready, readiness asks the real dependencies, a drain is not ready at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from mesh_parts import DETECTOR

from mesh import health
from mesh.testing import Harness, service_of, servicer_of

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def mesh() -> AsyncIterator[Harness]:
    """A harness that goes with its test."""
    async with Harness() as harness:
        yield harness


async def test_ready_follows_the_dependencies_and_alive_does_not(
    mesh: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing or hanging dependency makes a server not ready, yet alive; its recovery makes it ready."""
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(health, "CHECK_TIMEOUT", 0.1)
    state = {"mode": "good"}

    async def disk() -> None:
        if state["mode"] == "bad":
            raise OSError("disk is gone")
        if state["mode"] == "slow":
            await asyncio.sleep(60)

    service = service_of(DETECTOR, servicer_of(DETECTOR))
    server = await mesh.serve("detector", service, readiness={"disk": disk})
    channel = mesh.connect("detector")
    for mode, ready, problem in (
        ("good", True, {}),
        ("bad", False, {"disk": "disk is gone"}),
        ("slow", False, {"disk": "no answer within 0.1 s"}),
        ("good", True, {}),
    ):
        state["mode"] = mode
        assert await health.ask(channel, "readiness") is ready
        assert await health.ask(channel, DETECTOR) is ready
        assert await health.ask(channel, "") is True
        assert await health.ask(channel, "liveness") is True
        assert await server.health.problems() == problem


async def test_an_unknown_name_is_not_found(mesh: Harness) -> None:
    """Asking for a service that is not here is NOT_FOUND, as the protocol says."""
    await mesh.serve("detector", service_of(DETECTOR, servicer_of(DETECTOR)))
    async with grpc.aio.insecure_channel(f"unix:{mesh.home}/run/detector.sock") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="nope"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_watch_tells_changes(mesh: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher hears the state at once and each change, and not the same twice."""
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(health, "WATCH_SECONDS", 0.02)
    good = asyncio.Event()
    good.set()

    async def check() -> None:
        if not good.is_set():
            raise OSError("gone")

    await mesh.serve("detector", service_of(DETECTOR, servicer_of(DETECTOR)), readiness={"x": check})
    async with grpc.aio.insecure_channel(f"unix:{mesh.home}/run/detector.sock") as channel:
        call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="readiness"))
        assert (await call.read()).status == SERVING
        good.clear()
        assert (await call.read()).status == NOT_SERVING
        good.set()
        assert (await call.read()).status == SERVING
        call.cancel()


async def test_a_peer_that_is_not_there_is_not_ready() -> None:
    """Asking where nobody serves is a plain no."""
    async with grpc.aio.insecure_channel("unix:/nowhere/at/all.sock") as channel:
        assert await health.ask(channel, timeout=0.5) is False
