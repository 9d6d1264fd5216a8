"""Who may ask, how often, and from which page."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from gateway.app import main
from gateway.auth import Role, new_key, revoke_key
from gateway.settings import GatewaySettings
from mesh.testing import Harness
from tests.builders.mesh_world import World, free_port, gateway_before

ACKNOWLEDGE = "/v1/alerts/3f1f0f5c-57a0-5b7e-8f3a-000000000001:acknowledge"


@pytest.fixture
def keys(mesh: Harness) -> Path:
    """Where the gateway's keys are."""
    return mesh.home / "gateway.keys"


async def test_it_does_not_start_open_to_all(mesh: Harness) -> None:
    """Beyond loopback and without keys it ends with the code of a wrong configuration."""
    settings = mesh.settings(GatewaySettings, listen=f"0.0.0.0:{free_port()}")
    running = await mesh.run("gateway", main, settings, serves=False)
    assert await asyncio.wait_for(running.task, 5) == 2


async def test_a_port_in_use_is_said(mesh: Harness, world: World) -> None:
    """A second gateway on the same port ends with the code of a wrong configuration."""
    async with gateway_before(mesh) as client:
        settings = mesh.settings(GatewaySettings, listen=f"127.0.0.1:{client.base_url.port}")
        running = await mesh.run("gateway", main, settings, serves=False)
        assert await asyncio.wait_for(running.task, 5) == 2


async def test_keys_open_and_roles_hold(mesh: Harness, world: World, keys: Path) -> None:
    """Without a key 401, with a reader's key everything but writing, with a writer's key writing too."""
    reader, writer = new_key(keys, "reader", Role.READ), new_key(keys, "guard", Role.WRITE)
    async with gateway_before(mesh, require_keys=True) as client:
        for headers in ({}, {"X-API-Key": "ovr_wrong"}, {"Authorization": "Basic YTpi"}):
            refused = await client.get("/v1/cameras", headers=headers)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer")
        for headers in ({"X-API-Key": reader}, {"Authorization": f"Bearer {reader}"}):
            assert (await client.get("/v1/cameras", headers=headers)).status_code == 200
        denied = await client.post(ACKNOWLEDGE, json={}, headers={"X-API-Key": reader})
        assert denied.status_code == 403
        done = await client.post(ACKNOWLEDGE, json={}, headers={"X-API-Key": writer})
        assert done.json()["alert"]["acknowledged_by"] == "guard"


async def test_what_is_open_without_a_key(mesh: Harness, world: World, keys: Path) -> None:
    """Console, reference and probes need no key; metrics and everything that knows a plate do."""
    new_key(keys, "reader", Role.READ)
    async with gateway_before(mesh, require_keys=True) as client:
        for path in ("/", "/static/app.js", "/docs", "/openapi.json", "/healthz", "/readyz"):
            assert (await client.get(path)).status_code == 200, path
        for path in ("/metrics", "/v1/events", "/v1/rules", "/v1/nothing", "/v1/evidence/x"):
            assert (await client.get(path)).status_code == 401, path


async def test_a_revoked_key_is_refused(mesh: Harness, world: World, keys: Path) -> None:
    """Revoking takes effect without a restart."""
    key = new_key(keys, "reader", Role.READ)
    new_key(keys, "other", Role.READ)
    async with gateway_before(mesh, require_keys=True) as client:
        assert (await client.get("/v1/rules", headers={"X-API-Key": key})).status_code == 200
        revoke_key(keys, "reader")
        await asyncio.sleep(1.05)
        assert (await client.get("/v1/rules", headers={"X-API-Key": key})).status_code == 401


async def test_rates_are_limited_by_client(mesh: Harness, world: World, keys: Path) -> None:
    """One key's flood is answered with 429 and when to come again; another key is not held up."""
    one, two = new_key(keys, "one", Role.READ), new_key(keys, "two", Role.READ)
    async with gateway_before(mesh, require_keys=True, rate=0.5, burst=3) as client:
        codes = [(await client.get("/v1/rules", headers={"X-API-Key": one})).status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        refused = await client.get("/v1/rules", headers={"X-API-Key": one})
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.get("/v1/rules", headers={"X-API-Key": two})).status_code == 200


async def test_guessing_keys_is_slowed_down(mesh: Harness, world: World, keys: Path) -> None:
    """Wrong keys of one address soon cost a 429, and the guard counts them."""
    key = new_key(keys, "one", Role.READ)
    async with gateway_before(mesh, require_keys=True, rate=1.0, burst=40) as client:
        codes = [
            (await client.get("/v1/rules", headers={"X-API-Key": f"ovr_{n}"})).status_code for n in range(4)
        ]
        assert codes[:2] == [401, 401]
        assert codes[-1] == 429
        metrics = (await client.get("/metrics", headers={"X-API-Key": key})).text
        assert 'ovr_http_refused_total{reason="KEY_UNKNOWN"} 2.0' in metrics


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""])
async def test_a_rebound_name_is_refused(gateway: httpx.AsyncClient, host: str) -> None:
    """On loopback only this machine's names are answered to: a page that rebinds its name gets nothing."""
    assert (await gateway.get("/v1/events", headers={"Host": host})).status_code in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "[::1]"])
async def test_own_names_are_answered_to(gateway: httpx.AsyncClient, host: str) -> None:
    """This machine's names pass, with any port."""
    assert (await gateway.get("/healthz", headers={"Host": host})).status_code == 200


async def test_further_names_may_be_allowed(mesh: Harness, world: World) -> None:
    """A name from the settings is answered to."""
    async with gateway_before(mesh, allowed_hosts="alpr.lan, other") as client:
        assert (await client.get("/healthz", headers={"Host": "alpr.lan"})).status_code == 200
        assert (await client.get("/healthz", headers={"Host": "x.lan"})).status_code == 421


async def test_other_pages_may_not_write(gateway: httpx.AsyncClient, world: World) -> None:
    """A form or script of another origin cannot change anything, without any preflight; our own page can."""
    body = {"acknowledged_by": "x"}
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        assert (await gateway.post(ACKNOWLEDGE, json=body, headers={"Origin": origin})).status_code == 403
    assert not world.alerts[0].HasField("acknowledged_at")
    own = str(gateway.base_url).rstrip("/")
    assert (await gateway.post(ACKNOWLEDGE, json=body, headers={"Origin": own})).status_code == 200


async def test_other_origins_only_by_setting(mesh: Harness, world: World) -> None:
    """CORS is off by default, and on for the origins named."""
    origin = "https://desk.example"
    async with gateway_before(mesh) as client:
        response = await client.get("/v1/rules", headers={"Origin": origin})
        assert "access-control-allow-origin" not in response.headers
    async with gateway_before(mesh, allowed_origins=origin) as client:
        preflight = await client.options(
            "/v1/rules:test", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
        )
        assert preflight.headers["access-control-allow-origin"] == origin
        tried = await client.post("/v1/rules:test", json={"text": "A"}, headers={"Origin": origin})
        assert tried.headers["access-control-allow-origin"] == origin
        other = await client.get("/v1/rules", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_bodies_are_small(gateway: httpx.AsyncClient) -> None:
    """A body that is no picture is refused above its limit, before it is parsed."""
    refused = await gateway.post("/v1/rules:test", content=b'{"text":"' + b"A" * 70_000 + b'"}')
    assert refused.status_code == 413
    assert refused.json()["reason"] == "BODY_TOO_LARGE"


async def test_deep_json_is_refused(gateway: httpx.AsyncClient) -> None:
    """JSON nested beyond reason is the caller's fault, not a crash."""
    body = b'{"event":' * 3000 + b"{}" + b"}" * 3000
    assert (await gateway.post("/v1/rules:test", content=body)).status_code == 400


async def test_a_body_that_does_not_come(mesh: Harness, world: World) -> None:
    """A client that announces a body and falls silent is not waited for."""
    async with gateway_before(mesh, body_seconds=0.2) as client:
        port = client.base_url.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /v1/rules:test HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 100\r\n\r\n"
        writer.write(head.encode() + b'{"text":')
        answer = await asyncio.wait_for(reader.read(2000), 5)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"BODY_TOO_SLOW" in answer
