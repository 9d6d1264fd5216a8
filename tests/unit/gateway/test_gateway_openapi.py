"""The OpenAPI document: complete, true, and made from the contract."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import protovalidate
import pytest
from google.protobuf.message import Message
from jsonschema import Draft202012Validator
from referencing import Registry
from starlette.routing import Route

from gateway import examples, openapi
from gateway.app import create_app, create_context
from gateway.neighbours import Neighbours, open_neighbours
from gateway.rpcs import RPCS
from gateway.settings import GatewaySettings
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import alert_pb2

UNDESCRIBED = {"/", "/docs", "/docs/{name}", "/openapi.json", "/favicon.ico"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as it is served."""
    return openapi.document(GatewaySettings(), "1.2.3")


def references(value: Any) -> set[str]:
    """Every $ref below a value."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """No schema is referred to that is not there."""
    names = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert names <= set(document["components"]["schemas"])


async def test_every_served_path_is_described(document: dict[str, Any], tmp_path: Path) -> None:
    """What the application serves and what the document says are the same paths and verbs."""
    settings = GatewaySettings(home=tmp_path)
    telemetry = Telemetry("test")
    async with open_neighbours(settings, telemetry) as neighbours:
        assert isinstance(neighbours, Neighbours)
        app = create_app(create_context(settings, neighbours, telemetry, asyncio.Event()), None)
    served = {
        (route.path.replace("{key:path}", "{key}"), verb.lower())
        for route in app.router.routes
        if isinstance(route, Route) and route.path not in UNDESCRIBED
        for verb in (route.methods or set()) - {"HEAD"}
    }
    assert served == {(path, verb) for path, verbs in document["paths"].items() for verb in verbs}


def test_every_field_has_the_contracts_words(document: dict[str, Any]) -> None:
    """Each schema, each of its fields and each parameter says what it means."""
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, inner in schema.get("properties", {}).items():
            assert inner.get("description"), f"{name}.{field}"
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            assert operation["summary"], (path, verb)
            for parameter in operation.get("parameters", ()):
                assert parameter["description"], (path, parameter["name"])


def test_bounds_come_from_the_contract(document: dict[str, Any]) -> None:
    """Validation rules of the contract are the document's bounds."""
    search = document["paths"]["/v1/events:search"]["get"]["parameters"]
    by_name = {parameter["name"]: parameter for parameter in search}
    assert by_name["text"]["schema"]["maxLength"] == 32
    assert by_name["mode"]["schema"]["enum"] == ["exact", "prefix", "wildcard", "one_edit"]
    assert by_name["page_size"]["schema"]["maximum"] == 1000
    assert by_name["min_confidence"]["schema"]["maximum"] == 1
    assert document["paths"]["/v1/events/{event_id}"]["get"]["parameters"][0]["schema"]["format"] == "uuid"


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.rpc.name)
def test_examples_fit_their_schemas(rpc: Any, document: dict[str, Any]) -> None:
    """The example of each answer is what its schema allows."""
    name = rpc.rpc.output_type.name
    dialect = {"$schema": Draft202012Validator.META_SCHEMA["$id"]}
    registry: Any = Registry().with_contents([("doc:", {**document, **dialect})])
    schema = {"$ref": f"doc:#/components/schemas/{name}", **dialect}
    Draft202012Validator(schema, registry=registry).validate(examples.examples()[name])


@pytest.mark.parametrize("message", examples._messages(), ids=lambda message: message.DESCRIPTOR.name)
def test_examples_keep_the_contracts_rules(message: Message) -> None:
    """The examples would pass the services' own validation, with what the path adds."""
    if isinstance(message, alert_pb2.AcknowledgeRequest):
        message.alert_id = examples.ALERT_ID
    protovalidate.validate(message)
