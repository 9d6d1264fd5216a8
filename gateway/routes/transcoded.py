"""The paths that are one rpc each: request out of path, query or body; one call; the answer as the
contract's JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway import contract
from gateway.auth import Role
from gateway.context import Context
from gateway.disconnect import unless_gone
from gateway.guard import require
from gateway.routing import Path
from gateway.rpcs import RPCS, Rpc
from gateway.sse import EventStream, Item
from mesh import names
from mesh.logs import logger

Handler = Callable[[Request], Awaitable[Response]]
LONG_ANSWER_BYTES = 32_768
log = logger("gateway.routes")
NO_STORE = {"Cache-Control": "no-store"}


def routes(context: Context) -> list[Path]:
    """A route for each entry of the table."""
    return [_route(context, rpc) for rpc in RPCS]


def _route(context: Context, rpc: Rpc) -> Path:
    if not rpc.event:
        return Path(rpc.path, unary(context, rpc), methods=[rpc.verb])
    route = Path(rpc.path, watch(context, rpc), methods=[rpc.verb])
    # Starlette adds HEAD to every GET; a stream without a body would never end
    route.methods = {rpc.verb}
    return route


def unary(context: Context, rpc: Rpc) -> Handler:
    """Serves a unary rpc."""
    call = rpc.of(context.neighbours.stubs)
    timeout = context.settings.call_timeout

    async def handle(request: Request) -> Response:
        caller = require(request, rpc.role)
        message = await read_request(request, rpc)
        if rpc.rpc.name == "Acknowledge" and not message.acknowledged_by:  # type: ignore[attr-defined]
            # a key stands for somebody; without one the contract asks for a name
            message.acknowledged_by = caller.name  # type: ignore[attr-defined]
        answer = await unless_gone(request.receive, _awaited(call, message, timeout))
        if rpc.role is Role.WRITE:
            log.info(
                "written",
                rpc=rpc.rpc.name,
                key=caller.name,
                client=request.state.client,
                **request.path_params,
            )
        return Response(await encoded(answer), headers=NO_STORE, media_type="application/json")

    return handle


async def encoded(answer: Message) -> bytes:
    """The answer's JSON; a long one is made in a thread, so that no other request waits for it."""
    if answer.ByteSize() > LONG_ANSWER_BYTES:
        return await asyncio.to_thread(contract.to_json, answer)
    return contract.to_json(answer)


async def _awaited(call: Callable[..., Awaitable[Any]], message: Message, timeout: float) -> Any:
    return await call(message, timeout=timeout)


async def read_request(request: Request, rpc: Rpc) -> Message:
    """The rpc's request; MeshError INVALID naming what is wrong with path, query or body."""
    if rpc.verb == "GET":
        return contract.from_query(request.query_params.multi_items(), rpc.request, fixed=request.path_params)
    contract.from_query(
        request.query_params.multi_items(), rpc.request, fixed={}
    ) if request.query_params else None
    message = contract.from_json(await request.body() or b"{}", rpc.request)
    for name, value in request.path_params.items():
        setattr(message, name, value)
    return message


def watch(context: Context, rpc: Rpc) -> Handler:
    """Serves a streaming rpc as server-sent events; `Last-Event-ID` goes before the parameter `cursor`."""
    settings = context.settings
    call = rpc.of(context.neighbours.stubs)

    async def handle(request: Request) -> Response:
        require(request, rpc.role)
        message: Any = await read_request(request, rpc)
        if last := request.headers.get("last-event-id"):
            message.cursor = last
        return _Stream(
            EventStream(
                _items(call(message, timeout=settings.watch_seconds), rpc.event),
                name=rpc.event,
                keepalive=settings.keepalive_seconds,
                stop=context.stop,
                hold=partial(_held, context, rpc.event, request.state.client),
            )
        )

    return handle


@contextmanager
def _held(context: Context, name: str, client: str) -> Iterator[None]:
    """Count the stream, in the client's limit and in the metric, while it is open."""
    open_now = context.telemetry.gauge(names.HTTP_WATCHES).labels(name)
    with context.watches.hold(client), open_now.track_inprogress():
        yield


class _Stream(Response):
    """An event stream as what a route returns."""

    def __init__(self, stream: EventStream) -> None:
        super().__init__()
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stream(scope, receive, send)


async def _items(call: Any, name: str) -> AsyncIterator[Item]:
    """The messages of a watch; the rpc ends when the iterator is closed."""
    try:
        async for message in call:
            data = contract.to_json(getattr(message, name)) if message.HasField(name) else None
            yield Item(message.cursor, data)
    finally:
        call.cancel()
