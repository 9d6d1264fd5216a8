"""The OpenAPI document, from the table of paths and the contract's descriptors and comments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.auth import Role
from gateway.contract import TIMESTAMP, enum_prefix, parameters
from gateway.examples import KEY, examples
from gateway.problems import MEDIA_TYPE as PROBLEM_JSON
from gateway.rpcs import EVIDENCE, RPCS, Rpc
from gateway.schemas import Schema, comment, components, field_schema, ref
from gateway.settings import GatewaySettings
from ovr.alpr.v1 import gateway_pb2, query_pb2

JSON = "application/json"
PICTURES = ("image/jpeg", "image/png")
TAGS = {
    "pictures": "Read the plates of a picture.",
    "events": "Passes of vehicles: list, search, count, watch, explain.",
    "alerts": "Rules that fired, who saw it, and the rules themselves.",
    "cameras": "The cameras and how they are.",
    "operations": "For whoever runs it.",
}
DESCRIPTION = """
Which plate passed where and when. Every body is the protobuf JSON of the contract in `proto/ovr/alpr/v1`,
with the contract's own field names: fields without presence are always there, enumerations are their names,
64-bit integers are strings, times are RFC 3339 in UTC. Unknown parameters are refused. In parameters,
enumerations may be given short and in lower case (`mode=one_edit`).

**Pages**: pass `next_page_token` as `page_token`; it is empty after the last page.

**Streams** (`:watch`) are server-sent events; reconnect with `Last-Event-ID` to go on without a gap.

**Errors** are `application/problem+json` (RFC 9457); `reason` is for programs, `trace_id` leads to the trace.

**Traces**: `traceparent` is taken over and returned.

**Keys**: beyond this machine, paths under `/v1/` need a key: `X-API-Key` or `Authorization: Bearer`.
""".strip()
ERRORS = {
    "400": "The request breaks the contract; `fields` names what is wrong.",
    "401": "An API key is needed, or the one given is not known.",
    "403": "The key, or the page that asks, may not do this.",
    "404": "There is none.",
    "410": "The cursor is older than what is kept.",
    "413": "The body is too large.",
    "415": "The body is of a kind that is not accepted.",
    "429": "Too much at once; `Retry-After` says when to come again.",
    "503": "A service behind the gateway does not answer.",
    "504": "A service behind the gateway was too late.",
}
COMMON = ("400", "401", "403", "429", "503", "504")


def document(settings: GatewaySettings, version: str) -> dict[str, Any]:
    """The whole document."""
    shown = examples()
    paths: dict[str, dict[str, Any]] = {}
    for rpc in RPCS:
        paths.setdefault(rpc.path, {})[rpc.verb.lower()] = _operation(rpc, shown)
    paths["/v1/images:read"] = {"post": _read_image(settings, shown)}
    paths["/v1/evidence/{key}"] = {"get": _evidence()}
    paths.update(_operations(shown))
    messages = [descriptor for rpc in RPCS for descriptor in (rpc.rpc.input_type, rpc.rpc.output_type)]
    messages += [gateway_pb2.ReadImageResponse.DESCRIPTOR, gateway_pb2.ReadinessResponse.DESCRIPTOR]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OVR-ALPR",
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": {**components(messages), "Problem": _problem_schema()},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"key": []}, {"bearer": []}],
    }


def _operation(rpc: Rpc, shown: Any) -> dict[str, Any]:
    in_path = re.findall(r"\{(\w+)\}", rpc.path)
    summary, _, rest = comment(rpc.rpc).partition(". ")
    operation: dict[str, Any] = {
        "operationId": rpc.rpc.name,
        "tags": [rpc.tag],
        "summary": summary.rstrip("."),
        "description": rest,
        "parameters": list(_parameters(rpc.rpc.input_type, in_path, query=rpc.verb == "GET")),
        "responses": {"200": _answer(rpc, shown), **errors(*COMMON, *_own_errors(rpc))},
    }
    if rpc.role is Role.WRITE:
        operation["description"] += " Needs a key with the role `write`."
    if rpc.verb == "POST":
        content = _json(rpc.rpc.input_type, shown)
        operation["requestBody"] = {"required": True, "content": content}
        if in_path:
            operation["description"] += f" `{in_path[0]}` of the body is that of the path."
    if rpc.event:
        operation["parameters"].append(_LAST_EVENT_ID)
    return operation


_LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The id of the last event that was handled; goes before `cursor`.",
    "schema": {"type": "string"},
}


def _own_errors(rpc: Rpc) -> tuple[str, ...]:
    missing = ("404",) if "{" in rpc.path else ()
    gone = ("410",) if rpc.event else ()
    return missing + gone + (("413",) if rpc.verb == "POST" else ())


def _parameters(request: Descriptor, in_path: list[str], *, query: bool) -> Iterable[Schema]:
    for name in in_path:
        yield {**_parameter(name, request.fields_by_name[name]), "in": "path", "required": True}
    if query:
        for name, steps in parameters(request).items():
            if name not in in_path:
                yield _parameter(name, steps[-1])


def _parameter(name: str, field: FieldDescriptor) -> Schema:
    schema = field_schema(field)
    description = schema.pop("description", "")
    if field.enum_type is not None:
        prefix = enum_prefix(field.enum_type)
        names = [value.name.removeprefix(prefix).lower() for value in field.enum_type.values if value.number]
        short: Schema = {"type": "string", "enum": names}
        schema = {"type": "array", "items": short} if field.is_repeated else short
    elif field.message_type is not None and field.message_type.full_name == TIMESTAMP:
        description += " RFC 3339."
    if field.is_repeated:
        description += " May be given several times."
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _json(message: Descriptor, shown: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": ref(message)}
    if message.name in shown:
        content["example"] = shown[message.name]
    return {JSON: content}


def _answer(rpc: Rpc, shown: Any) -> dict[str, Any]:
    output = rpc.rpc.output_type
    if not rpc.event:
        return {"description": comment(output), "headers": _HEADERS, "content": _json(output, shown)}
    field = output.fields_by_name[rpc.event]
    assert field.message_type is not None
    description = (
        f"Server-sent events named `{rpc.event}`: the data is one {field.message_type.name}, the id is the "
        "cursor. Comments keep the connection open. An event named `problem` is the last one."
    )
    schema = {"type": "string", "contentMediaType": JSON, "contentSchema": ref(field.message_type)}
    return {
        "description": description,
        "headers": _HEADERS,
        "content": {"text/event-stream": {"schema": schema}},
    }


_HEADERS = {
    "traceparent": {"description": "Trace of this request (W3C trace context).", "schema": {"type": "string"}}
}


def errors(*codes: str) -> dict[str, Any]:
    """The answers of these HTTP codes."""
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {code: {"description": ERRORS[code], "content": content} for code in sorted(set(codes))}


def _problem_schema() -> Schema:
    text: Schema = {"type": "string"}
    violation = {"type": "object", "properties": {"field": text, "description": text}}
    return {
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status", "detail", "reason"],
        "properties": {
            "type": {"type": "string", "description": "Names the reason: urn:ovr:error:..."},
            "title": {"type": "string", "description": "The sort of failure."},
            "status": {"type": "integer", "description": "The HTTP code."},
            "detail": {"type": "string", "description": "A sentence for people."},
            "reason": {"type": "string", "description": "The reason for programs, in UPPER_SNAKE."},
            "fields": {"type": "array", "items": violation, "description": "What is wrong in the request."},
            "retry_after": {"type": "number", "description": "Seconds to wait before trying again."},
            "metadata": {"type": "object", "additionalProperties": text, "description": "Further facts."},
            "instance": {"type": "string", "description": "The path asked for."},
            "trace_id": {"type": "string", "description": "Trace of the request."},
        },
        "example": {
            "type": "urn:ovr:error:parameter-invalid",
            "title": "Invalid request",
            "status": 400,
            "detail": "page_size: 'many' is no whole number",
            "reason": "PARAMETER_INVALID",
            "fields": [{"field": "page_size", "description": "'many' is no whole number"}],
            "instance": "/v1/events",
        },
    }


def _read_image(settings: GatewaySettings, shown: Any) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    form = {"type": "object", "required": ["image"], "properties": {"image": binary["schema"]}}
    mib, pixels = settings.max_image_bytes // 2**20, settings.max_image_pixels
    return {
        "operationId": "ReadImage",
        "tags": ["pictures"],
        "summary": "Read the plates of a picture",
        "description": (
            f"A JPEG or PNG of at most {mib} MiB and {pixels:,} pixels, as the body itself or as the field "
            "`image` of a form. Sizes are checked before anything is unpacked. Nothing is stored."
        ),
        "parameters": list(_parameters(gateway_pb2.ReadImageRequest.DESCRIPTOR, [], query=True)),
        "requestBody": {
            "required": True,
            "content": {**dict.fromkeys(PICTURES, binary), "multipart/form-data": {"schema": form}},
        },
        "responses": {
            "200": {
                "description": comment(gateway_pb2.ReadImageResponse.DESCRIPTOR),
                "headers": _HEADERS,
                "content": _json(gateway_pb2.ReadImageResponse.DESCRIPTOR, shown),
            },
            **errors(*COMMON, "413", "415"),
        },
    }


def _evidence() -> dict[str, Any]:
    key = field_schema(query_pb2.GetEvidenceRequest.DESCRIPTOR.fields_by_name["key"])
    description = key.pop("description", "")
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in PICTURES}
    etag = {"description": "The picture's SHA-256.", "schema": {"type": "string"}}
    return {
        "operationId": EVIDENCE.name,
        "tags": ["events"],
        "summary": "A stored picture",
        "description": "Pictures never change: they may be cached for ever, and `If-None-Match` is answered.",
        "parameters": [
            {
                "name": "key",
                "in": "path",
                "required": True,
                "description": f"{description} Its slashes stay slashes.",
                "schema": key,
                "example": KEY,
            },
            {
                "name": "link",
                "in": "query",
                "description": "Lead to the store itself, where that gives links, by one good for a minute.",
                "schema": {"type": "string", "enum": ["1"]},
            },
        ],
        "responses": {
            "200": {"description": "The picture.", "headers": {**_HEADERS, "ETag": etag}, "content": content},
            "307": {"description": "The picture can be fetched there, without a key."},
            "304": {"description": "The client has it."},
            **errors(*COMMON, "404"),
        },
    }


def _operations(shown: Any) -> dict[str, Any]:
    alive = {"application/json": {"example": {"alive": True}}}
    readiness = _json(gateway_pb2.ReadinessResponse.DESCRIPTOR, shown)
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "/healthz": _simple("Is it alive", {"200": {"description": "It is.", "content": alive}}),
        "/readyz": _simple(
            "Is it ready, and what is not",
            {
                "200": {"description": "It and all it depends on are ready.", "content": readiness},
                "503": {"description": "It drains, or a dependency is not ready.", "content": readiness},
            },
        ),
        "/metrics": _simple(
            "Metrics for Prometheus",
            {"200": {"description": "The metrics.", "content": text}, **errors("401")},
            needs_key=True,
        ),
    }


def _simple(summary: str, responses: dict[str, Any], *, needs_key: bool = False) -> dict[str, Any]:
    operation = {"tags": ["operations"], "summary": summary, "responses": responses}
    if not needs_key:
        operation["security"] = []
    return {"get": {"operationId": re.sub(r"\W+", "_", summary).lower(), **operation}}
