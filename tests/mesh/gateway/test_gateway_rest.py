"""REST over real HTTP and real gRPC: every path answers the contract's JSON or a problem."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from google.protobuf import json_format

from gateway.problems import MEDIA_TYPE
from mesh.testing import Harness, watch_loop
from ovr.alpr.v1 import event_pb2, query_pb2
from tests.builders.mesh_world import World, gateway_before, small_world
from tests.mesh.gateway.conftest import NOW

UNKNOWN = "01928f5e-7a3c-7c41-9b52-0d6f2f6c1aff"


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem a response carries; fails if it carries none."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:ovr:error:")
    assert body["instance"]
    return body


async def test_an_event_is_the_contracts_message(gateway: httpx.AsyncClient, world: World) -> None:
    """What REST answers is, parsed back, the very message the query service sent."""
    event = world.events[0]
    response = await gateway.get(f"/v1/events/{event.event_id}")
    assert json_format.Parse(response.content, query_pb2.GetEventResponse()).event == event
    assert response.headers["cache-control"] == "no-store"


async def test_pages_follow_each_other(gateway: httpx.AsyncClient, world: World) -> None:
    """Page tokens lead through all events once, newest first."""
    seen, token = [], ""
    while True:
        page = (await gateway.get("/v1/events", params={"page_size": 3, "page_token": token})).json()
        seen += [event["event_id"] for event in page["events"]]
        token = page["next_page_token"]
        if not token:
            break
    assert seen == [event.event_id for event in reversed(world.events)]


async def test_filters_reach_the_service(gateway: httpx.AsyncClient, world: World) -> None:
    """Parameters of the query are the request's filter."""
    page = (await gateway.get("/v1/events", params={"camera_ids": ["exit", "ramp.2"]})).json()
    assert {event["camera_id"] for event in page["events"]} == {"exit", "ramp.2"}


async def test_long_answers_hold_up_nobody(mesh: Harness) -> None:
    """While a page of a thousand events becomes JSON, the loop goes on and others are answered."""
    page = query_pb2.ListEventsResponse(events=[small_world(NOW).events[0]] * 1000)
    await mesh.neighbour("query", "ovr.alpr.v1.QueryService", ListEvents=lambda request: page)
    async with gateway_before(mesh) as client, watch_loop(limit=0.5):
        long = asyncio.ensure_future(client.get("/v1/events?page_size=1000"))
        while not long.done():
            assert (await client.get("/healthz")).status_code == 200
        assert len((await long).json()["events"]) == 1000


@pytest.mark.parametrize("mode", ["exact", "SEARCH_MODE_EXACT", "prefix", "one_edit"])
async def test_search_finds(gateway: httpx.AsyncClient, world: World, mode: str) -> None:
    """A text is found in every mode, by its short or its full name."""
    text = world.events[0].plate.text
    found = (await gateway.get("/v1/events:search", params={"text": text.lower(), "mode": mode})).json()
    assert world.events[0].event_id in [hit["event"]["event_id"] for hit in found["hits"]]


async def test_confusables_are_asked_for(gateway: httpx.AsyncClient, world: World) -> None:
    """The flag reaches the service: an O finds a 0 only with it."""
    world.events[0].plate.text = "AB10CDE"
    query = {"text": "ABIOCDE", "mode": "exact"}
    assert not (await gateway.get("/v1/events:search", params=query)).json()["hits"]
    found = await gateway.get("/v1/events:search", params={**query, "confusables": "true"})
    assert len(found.json()["hits"]) == 1


async def test_an_explanation(gateway: httpx.AsyncClient, world: World) -> None:
    """Each character says what it could have been, and why it is what it is."""
    event = world.events[0]
    answer = (await gateway.get(f"/v1/events/{event.event_id}/explain")).json()
    assert "".join(item["char"] for item in answer["characters"]) == event.plate.text
    assert all(item["reason"] and item["posterior"]["alternatives"] for item in answer["characters"])


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/v1/aggregates?group_by=outcome&bucket=hour", "rows"),
        ("/v1/cameras", "cameras"),
        ("/v1/alerts?min_severity=warning", "alerts"),
        ("/v1/rules", "rules"),
    ],
)
async def test_lists(gateway: httpx.AsyncClient, path: str, part: str) -> None:
    """Every list has something in it."""
    assert (await gateway.get(path)).json()[part]


async def test_an_alert_is_acknowledged(gateway: httpx.AsyncClient, world: World) -> None:
    """The body says who and what, the path says which."""
    alert = world.alerts[0].alert_id
    body = {"acknowledged_by": "night shift", "note": "called"}
    answer = await gateway.post(f"/v1/alerts/{alert}:acknowledge", json=body)
    assert answer.json()["alert"]["acknowledged_by"] == "night shift"
    assert world.alerts[0].note == "called"
    assert not (await gateway.get("/v1/alerts?unacknowledged_only")).json()["alerts"]


async def test_a_rule_is_tried(gateway: httpx.AsyncClient, world: World) -> None:
    """A text shows which rules would fire."""
    for text, fires in ((world.rules[0].patterns[0], True), ("ZZ99ZZZ", False)):
        answer = await gateway.post("/v1/rules:test", json={"text": text})
        assert answer.json()["verdicts"][0]["fires"] is fires


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/events?page_size=many", "page_size"),
        ("/v1/events?pagesize=1", "pagesize"),
        ("/v1/events?page_size=5000", "page_size"),
        ("/v1/events/not-an-id", "event_id"),
        ("/v1/events:search?text=AB12", "mode"),
        ("/v1/events:search?text=&mode=exact", "text"),
        ("/v1/events?regions=Germany", "regions"),
        ("/v1/alerts?min_severity=extreme", "min_severity"),
        ("/v1/evidence/../secret", "key"),
        ("/v1/evidence/sha256/00/x.jpg", "key"),
    ],
)
async def test_what_is_wrong_is_named(gateway: httpx.AsyncClient, path: str, field: str) -> None:
    """A wrong request is a 400 that names the field, whether the gateway or the service found it."""
    body = problem(await gateway.get(path.replace("../", "%2E%2E/")), 400)
    assert any(field in item["field"] for item in body["fields"]), body


@pytest.mark.parametrize("body", ["{", "[]", '{"nonsense": 1}', '{"text": ""}', "{}"])
async def test_a_wrong_body_is_refused(gateway: httpx.AsyncClient, body: str) -> None:
    """A body that breaks the contract is a 400."""
    problem(await gateway.post("/v1/rules:test", content=body), 400)


async def test_what_is_not_there(gateway: httpx.AsyncClient) -> None:
    """Unknown things and unknown paths are 404, and a wrong verb is 405, each as a problem."""
    assert problem(await gateway.get(f"/v1/events/{UNKNOWN}"), 404)["reason"] == "EVENT_UNKNOWN"
    problem(await gateway.post(f"/v1/alerts/{UNKNOWN}:acknowledge", json={"acknowledged_by": "a"}), 404)
    assert problem(await gateway.get("/v1/nothing"), 404)["reason"] == "NO_SUCH_PATH"
    refused = await gateway.delete("/v1/events")
    problem(refused, 405)
    assert "GET" in refused.headers["allow"]


async def test_a_service_that_is_down(gateway: httpx.AsyncClient, mesh: Harness) -> None:
    """It is a 503 that says nothing of where services live, and readiness names who is missing."""
    query = next(server for server in mesh._servers if "query" in str(server._settings.listen))
    await query.drain(0)
    body = problem(await gateway.get("/v1/events"), 503)
    assert str(mesh.home) not in str(body)
    answer = await gateway.get("/readyz")
    assert answer.status_code == 503
    ready = {item["name"]: item["ready"] for item in answer.json()["dependencies"]}
    assert ready == {"alert": True, "detector": True, "ocr": True, "query": False}
    assert (await gateway.get("/healthz")).status_code == 200


async def test_a_service_that_is_late(mesh: Harness, world: World) -> None:
    """After the deadline it is a 504, and the rpc is over."""
    world.slow = 5.0
    async with gateway_before(mesh, call_timeout=0.2) as client:
        problem(await client.get(f"/v1/events/{world.events[0].event_id}"), 504)


async def test_a_client_that_leaves_cancels_the_rpc(gateway: httpx.AsyncClient, world: World) -> None:
    """When the client closes the connection, the rpc is cancelled at the service."""
    world.slow = 10.0
    with pytest.raises(httpx.ReadTimeout):
        await gateway.get(f"/v1/events/{world.events[0].event_id}", timeout=0.3)
    for _ in range(100):
        if world.cancelled:
            break
        await asyncio.sleep(0.02)
    assert world.cancelled == ["GetEvent"]


async def test_evidence_is_served_once(gateway: httpx.AsyncClient, world: World) -> None:
    """A picture comes byte for byte with its hash as ETag, for ever, and a second time as 304."""
    item = world.events[0].evidence[0]
    response = await gateway.get(f"/v1/evidence/{item.key}")
    assert response.content == world.pictures[item.key]
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["etag"] == f'"{item.sha256}"'
    assert "immutable" in response.headers["cache-control"]
    again = await gateway.get(f"/v1/evidence/{item.key}", headers={"If-None-Match": f'"{item.sha256}"'})
    assert (again.status_code, again.content) == (304, b"")


async def test_evidence_by_a_link(gateway: httpx.AsyncClient, world: World) -> None:
    """Who asks for a link is led to the store, for now only; where there are no links the picture comes."""
    item = world.events[0].evidence[0]
    response = await gateway.get(f"/v1/evidence/{item.key}?link=1")
    assert response.content == world.pictures[item.key]
    world.pictures_at = "https://store.example"
    response = await gateway.get(f"/v1/evidence/{item.key}?link=1", follow_redirects=False)
    assert response.status_code == 307
    assert response.headers["location"] == f"https://store.example/{item.key}"
    assert response.headers["cache-control"] == "no-store"
    response = await gateway.get(f"/v1/evidence/{item.key}")
    assert response.content == world.pictures[item.key]


async def test_evidence_that_is_gone(gateway: httpx.AsyncClient, world: World) -> None:
    """A picture that was deleted is 404, also for who had it."""
    key = world.events[0].evidence[0].key
    world.pictures.clear()
    problem(await gateway.get(f"/v1/evidence/{key}", headers={"If-None-Match": "x"}), 404)


async def test_one_trace_from_client_to_service(gateway: httpx.AsyncClient, mesh: Harness) -> None:
    """The client's trace goes on through the gateway into the service, and comes back in the answer."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    response = await gateway.get("/v1/cameras", headers=headers)
    assert response.headers["traceparent"].split("-")[1] == trace
    rpc = "ovr.alpr.v1.QueryService/ListCameras"
    for _ in range(100):
        if ("gateway:" + rpc, "query:" + rpc) in mesh.edges(trace):
            break
        await asyncio.sleep(0.01)
    assert {("gateway:gateway.request", "gateway:" + rpc), ("gateway:" + rpc, "query:" + rpc)} <= mesh.edges(
        trace
    )


async def test_problems_lead_to_their_trace(gateway: httpx.AsyncClient) -> None:
    """A problem carries the id of the trace that the header names."""
    response = await gateway.get("/v1/events?page_size=x")
    assert problem(response, 400)["trace_id"] == response.headers["traceparent"].split("-")[1]


async def test_metrics_count_requests(gateway: httpx.AsyncClient, world: World) -> None:
    """Requests are counted by route, never by what was asked for."""
    await gateway.get(f"/v1/events/{world.events[0].event_id}")
    text = (await gateway.get("/metrics")).text
    labels = 'method="GET",route="/v1/events/{event_id}",status="200"'
    assert f"ovr_http_server_seconds_count{{{labels}}} 1.0" in text
    assert world.events[0].event_id not in text


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/docs/swagger-ui-bundle.js", "/openapi.json", "/static/app.js"]
)
async def test_pages_are_served(gateway: httpx.AsyncClient, path: str) -> None:
    """Console and reference are there, with headers that keep them safe."""
    response = await gateway.get(path)
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self';" in response.headers["content-security-policy"]


async def test_static_files_stay_inside(gateway: httpx.AsyncClient) -> None:
    """No path leads out of the console's files."""
    for path in (
        "/static/%2e%2e/app.py",
        "/static/..%2f..%2fpyproject.toml",
        "/docs/../app.py",
        "/docs/app.py",
    ):
        assert (await gateway.get(path)).status_code == 404


def test_world_is_the_contracts() -> None:
    """The made-up events keep the contract's rules, so that these tests say something of real ones."""
    import protovalidate

    for event in small_world().events:
        assert isinstance(event, event_pb2.PlateEvent)
        protovalidate.validate(event)
