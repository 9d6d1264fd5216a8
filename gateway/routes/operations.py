"""What operators and their tools ask: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from gateway import contract
from gateway.auth import Role
from gateway.context import Context
from gateway.guard import require
from gateway.routing import Path

NO_STORE = {"Cache-Control": "no-store"}


def routes(context: Context) -> list[Path]:
    """`/healthz`, `/readyz` and `/metrics`."""
    return [
        Path("/healthz", alive, methods=["GET"]),
        Path("/readyz", ready(context), methods=["GET"]),
        Path("/metrics", metrics(context), methods=["GET"]),
    ]


async def alive(request: Request) -> Response:
    """The process runs and its loop turns."""
    return Response(b'{"alive":true}', headers=NO_STORE, media_type="application/json")


def ready(context: Context) -> Callable[[Request], Any]:
    """503 while it drains or a service behind it is not ready, and which."""

    async def handle(request: Request) -> Response:
        answer = await context.neighbours.readiness()
        if context.stop.is_set():
            answer.ready = False
        return Response(
            contract.to_json(answer), 200 if answer.ready else 503, NO_STORE, media_type="application/json"
        )

    return handle


def metrics(context: Context) -> Callable[[Request], Any]:
    """The process's metrics for Prometheus."""

    async def handle(request: Request) -> Response:
        require(request, Role.READ)
        return Response(generate_latest(context.telemetry.registry), media_type=CONTENT_TYPE_LATEST)

    return handle
