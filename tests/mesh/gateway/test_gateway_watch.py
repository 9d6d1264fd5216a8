"""Server-sent events over real HTTP: nothing is missed, nothing comes twice, and nothing is left running."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from mesh.testing import Harness
from tests.builders.mesh_world import World, alert_of, gateway_before
from tests.builders.passes import made_up_pass
from tests.mesh.gateway.conftest import NOW


class Watch:
    """An open event stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self, *, signs: bool = False) -> dict[str, str]:
        """The next event as its fields; signs of life and comments are read over unless wanted."""
        message: dict[str, str] = {}
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                message["comment"] = value or line
            elif line:
                message[name] = value
            elif "data" in message or (signs and message):
                return message
            else:
                message = {}
        return {}


@asynccontextmanager
async def watching(client: httpx.AsyncClient, path: str, **headers: str) -> AsyncIterator[Watch]:
    """An event stream, open while inside."""
    async with client.stream("GET", path, headers=headers) as response:
        yield Watch(response)


async def test_events_arrive_as_they_happen(gateway: httpx.AsyncClient, world: World) -> None:
    """A pass that closes while one watches arrives at once, as the contract's JSON with its cursor."""
    async with watching(gateway, "/v1/events:watch") as watch:
        assert watch.response.headers["content-type"].startswith("text/event-stream")
        made, pictures = made_up_pass(50, NOW, "entrance")
        await world.publish(made, pictures)
        message = await asyncio.wait_for(watch.next(), 5)
    assert message["event"] == "event"
    assert message["id"] == str(len(world.events))
    assert json.loads(message["data"])["event_id"] == made.event_id


async def test_resumed_without_a_gap(gateway: httpx.AsyncClient, world: World) -> None:
    """After an interruption the next event is the one after the last that was handled."""
    async with watching(gateway, "/v1/events:watch?cursor=0") as watch:
        first, second = await watch.next(), await watch.next()
    async with watching(gateway, "/v1/events:watch?cursor=0", **{"Last-Event-ID": first["id"]}) as watch:
        again = await watch.next()
    assert again == second
    assert [json.loads(item["data"])["event_id"] for item in (first, second)] == [
        event.event_id for event in world.events[:2]
    ]


async def test_filters_hold_for_streams(gateway: httpx.AsyncClient, world: World) -> None:
    """Only what was asked for arrives."""
    async with watching(gateway, "/v1/events:watch?cursor=0&camera_ids=exit") as watch:
        assert json.loads((await watch.next())["data"])["camera_id"] == "exit"


async def test_signs_of_life(gateway: httpx.AsyncClient, world: World) -> None:
    """In silence the cursor moves on without an event."""
    async with watching(gateway, "/v1/events:watch") as watch:
        seen = [await asyncio.wait_for(watch.next(signs=True), 5) for _ in range(3)]
    assert {"id": str(len(world.events))} in seen


async def test_silence_is_filled(mesh: Harness, world: World) -> None:
    """Where the service is silent too, comments keep the connection open."""

    async def silent(request: Any) -> AsyncIterator[Any]:
        await asyncio.sleep(30)
        yield None

    world.watch_alerts = silent  # type: ignore[method-assign]
    async with Harness() as other:
        await world.serve(other)
        async with (
            gateway_before(other, keepalive_seconds=0.05) as client,
            watching(client, "/v1/alerts:watch") as watch,
        ):
            seen = [await asyncio.wait_for(watch.next(signs=True), 5) for _ in range(3)]
    assert {"comment": "here"} in seen


async def test_alerts_arrive(gateway: httpx.AsyncClient, world: World) -> None:
    """An alert that fires is told."""
    async with watching(gateway, "/v1/alerts:watch") as watch:
        await world.fire(alert_of(world.events[1], 7))
        message = await asyncio.wait_for(watch.next(), 5)
    assert message["event"] == "alert"
    assert json.loads(message["data"])["rule_id"] == "watchlist"


async def test_a_cursor_that_is_too_old(gateway: httpx.AsyncClient, world: World) -> None:
    """What is no longer kept is a 410, so that a client knows to start anew."""
    world.oldest_cursor = 3
    response = await gateway.get("/v1/events:watch?cursor=1")
    assert response.status_code == 410
    assert response.json()["reason"] == "CURSOR_TOO_OLD"


async def test_a_wrong_watch(gateway: httpx.AsyncClient) -> None:
    """A watch that breaks the contract is an ordinary 400, and a stream has no HEAD."""
    assert (await gateway.get("/v1/events:watch?regions=Germany")).status_code == 400
    assert (await gateway.head("/v1/events:watch")).status_code == 405


async def test_leaving_ends_the_rpc(gateway: httpx.AsyncClient, world: World) -> None:
    """When the client closes the stream, the service is told at once."""
    async with watching(gateway, "/v1/events:watch?cursor=0") as watch:
        await watch.next()
        assert not world.cancelled
    for _ in range(100):
        if world.cancelled:
            break
        await asyncio.sleep(0.02)
    assert world.cancelled == ["WatchEvents"]


async def test_draining_ends_streams(mesh: Harness, world: World) -> None:
    """A gateway that stops ends its streams in order, at once."""
    async with (
        gateway_before(mesh, drain_seconds=20.0) as client,
        watching(client, "/v1/events:watch?cursor=0") as watch,
    ):
        await watch.next()
        stopping = asyncio.ensure_future(client.gateway.stop())  # type: ignore[attr-defined]
        while await asyncio.wait_for(watch.next(), 5):
            pass
        assert await asyncio.wait_for(stopping, 5) == 0


async def test_a_stream_ends_after_its_time(mesh: Harness, world: World) -> None:
    """A stream has a deadline; its end is no error."""
    async with (
        gateway_before(mesh, watch_seconds=0.5) as client,
        watching(client, "/v1/events:watch?cursor=4") as watch,
    ):
        seen = [message async for message in _all(watch)]
    assert not any(message.get("event") == "problem" for message in seen)


async def _all(watch: Watch) -> AsyncIterator[dict[str, str]]:
    while message := await asyncio.wait_for(watch.next(signs=True), 5):
        yield message


async def test_a_service_that_goes_away_is_told(
    gateway: httpx.AsyncClient, mesh: Harness, world: World
) -> None:
    """When the service ends under a stream, the last event says so, and the stream ends."""
    async with watching(gateway, "/v1/events:watch?cursor=0") as watch:
        await watch.next()
        query = next(server for server in mesh._servers if "query" in str(server._settings.listen))
        await query.drain(0)
        while (message := await asyncio.wait_for(watch.next(), 5)).get("event") == "event":
            pass
    assert message["event"] == "problem"
    assert json.loads(message["data"])["status"] in (499, 503)
    assert str(mesh.home) not in message["data"]
    refused = await gateway.get("/v1/events:watch")
    assert refused.status_code == 503
    assert str(mesh.home) not in refused.text


@pytest.mark.parametrize(("total", "each"), [(1, 5), (5, 1)])
async def test_streams_are_limited(mesh: Harness, world: World, total: int, each: int) -> None:
    """More streams than allowed, of one client or in all, are a 429; one that ends makes room."""
    async with gateway_before(mesh, max_watches=total, max_client_watches=each) as client:
        async with watching(client, "/v1/events:watch?cursor=0") as watch:
            await watch.next()
            refused = await client.get("/v1/alerts:watch")
            assert refused.status_code == 429
            assert refused.json()["reason"] == "TOO_MANY_WATCHES"
            assert 'ovr_http_watches{stream="event"} 1.0' in (await client.get("/metrics")).text
        for _ in range(100):
            if 'ovr_http_watches{stream="event"} 0.0' in (await client.get("/metrics")).text:
                break
            await asyncio.sleep(0.02)
        async with watching(client, "/v1/events:watch?cursor=0") as watch:
            assert watch.response.status_code == 200
