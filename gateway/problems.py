"""Every failure as `application/problem+json` (RFC 9457): the mesh's by its one table, HTTP's own by their
codes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mesh import telemetry
from mesh.errors import PROBLEM_TYPE, FieldViolation, Kind, MeshError, internal, to_problem

MEDIA_TYPE = "application/problem+json"
PEER_UNAVAILABLE = "PEER_UNAVAILABLE"


class HttpError(Exception):
    """What HTTP itself refuses (405, 413, 415, 421): codes for which the mesh has no kind of its own."""

    def __init__(
        self, status: int, reason: str, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.headers = dict(headers or {})


def of(error: MeshError | HttpError, instance: str) -> Response:
    """The answer that tells a client of `error`; `instance` is the path asked for."""
    trace_id = telemetry.trace_id() or None
    if isinstance(error, HttpError):
        problem: dict[str, Any] = {
            "type": PROBLEM_TYPE + error.reason.lower().replace("_", "-"),
            "title": HTTPStatus(error.status).phrase,
            "status": error.status,
            "detail": error.detail,
            "reason": error.reason,
            "instance": instance,
        }
        if trace_id:
            problem["trace_id"] = trace_id
        return _response(problem, error.headers)
    error, headers = public(error), {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="ovr"'
    return _response(to_problem(error, instance=instance, trace_id=trace_id), headers)


def public(error: MeshError) -> MeshError:
    """The error as clients may see it: what gRPC itself says of a broken call names sockets and addresses,
    which belong into the trace."""
    if error.kind is Kind.UNAVAILABLE and error.reason in (PEER_UNAVAILABLE, Kind.UNAVAILABLE.name):
        text = "a service behind the gateway does not answer now"
        return MeshError(error.kind, PEER_UNAVAILABLE, text, retry_after=error.retry_after)
    return internal() if error.kind is Kind.INTERNAL else error


def _response(problem: dict[str, Any], headers: Mapping[str, str]) -> Response:
    body = orjson.dumps(problem)
    return Response(body, problem["status"], {"Cache-Control": "no-store", **headers}, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every failure of `app` with a problem."""
    app.add_exception_handler(MeshError, _known)
    app.add_exception_handler(HttpError, _known)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Exception, _unknown)


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, (MeshError, HttpError))
    return of(error, request.url.path)


async def _http(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, no such method, a broken form."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return of(
            MeshError(Kind.NOT_FOUND, "NO_SUCH_PATH", f"there is no {request.url.path}"), request.url.path
        )
    phrase = HTTPStatus(error.status_code).phrase
    reason = phrase.upper().replace(" ", "_").replace("-", "_")
    refused = HttpError(error.status_code, reason, str(error.detail), headers=error.headers)
    return of(refused, request.url.path)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = tuple(
        FieldViolation(".".join(str(part) for part in item["loc"][1:]), item["msg"])
        for item in error.errors()
    )
    return of(
        MeshError(Kind.INVALID, "PARAMETER_INVALID", "the request breaks the contract", fields=fields),
        request.url.path,
    )


async def _unknown(request: Request, error: Exception) -> Response:
    # the process boundary: what nobody expected is logged with its cause and told without it
    structlog.get_logger("gateway").error("request_failed", path=request.url.path, exc_info=error)
    return of(internal(), request.url.path)
