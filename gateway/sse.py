"""Server-sent events: a watch of the mesh as `text/event-stream`, resumable by `Last-Event-ID`.

Each message carries the contract's cursor as its id. A sign of life of the service moves the cursor without
an event; silence is filled with comments. A failure is a last event named `problem`, then the stream ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import orjson
from starlette.types import Receive, Scope, Send

from gateway import problems
from gateway.disconnect import client_gone, end
from mesh.errors import Kind, MeshError, to_problem

RETRY_MS = 2000
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # reverse proxies such as nginx must not gather what is meant to be seen at once
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True)
class Item:
    """One message of a watch: where to go on after it, and its JSON; None for a sign of life."""

    cursor: str
    data: bytes | None


def encode(item: Item, name: str) -> bytes:
    """The item in the form of the event stream. JSON of one line, so one `data:` line holds it."""
    head = b"id: " + item.cursor.encode() + b"\n"
    if item.data is None:
        return head + b"\n"
    return head + b"event: " + name.encode() + b"\ndata: " + item.data + b"\n\n"


class EventStream:
    """An ASGI answer that sends `items` as events called `name` until they end, the client leaves or `stop`
    is set.

    Nothing is sent before the first item is there or `first_wait` seconds have passed, so that a watch
    refused at once (an old cursor, an unknown camera) is an ordinary HTTP problem: the MeshError is raised
    to the caller.
    """

    def __init__(
        self,
        items: AsyncIterator[Item],
        *,
        name: str,
        keepalive: float,
        stop: asyncio.Event,
        first_wait: float = 0.3,
        hold: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._items = items
        self._name = name
        self._keepalive = keepalive
        self._stop = stop
        self._first_wait = first_wait
        self._hold = hold

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client."""
        with self._hold():
            following = asyncio.ensure_future(self._items.__anext__())
            others = (asyncio.ensure_future(client_gone(receive)), asyncio.ensure_future(self._stop.wait()))
            try:
                await asyncio.wait(
                    (following, *others), timeout=self._first_wait, return_when=asyncio.FIRST_COMPLETED
                )
                if following.done() and isinstance(error := following.exception(), MeshError):
                    raise error
                await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
                await self._write(send, f"retry: {RETRY_MS}\n\n".encode())
                while not any(other.done() for other in others):
                    await self._write(send, self._next(following))
                    if following.done():
                        if following.exception() is not None:
                            break
                        following = asyncio.ensure_future(self._items.__anext__())
                    await asyncio.wait(
                        (following, *others), timeout=self._keepalive, return_when=asyncio.FIRST_COMPLETED
                    )
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                await end(following, *others)
                if (close := getattr(self._items, "aclose", None)) is not None:
                    await close()

    def _next(self, following: asyncio.Future[Item]) -> bytes:
        """What to send now: the item that is there, the failure that ended the watch, or a comment into
        silence."""
        if not following.done():
            return b": here\n\n"
        error = following.exception()
        if error is None:
            return encode(following.result(), self._name)
        if isinstance(error, StopAsyncIteration) or (
            isinstance(error, MeshError) and error.kind is Kind.DEADLINE
        ):
            # the end of a watch's time is no failure: the client comes back with its cursor
            return b": end\n\n"
        if isinstance(error, MeshError):
            return b"event: problem\ndata: " + orjson.dumps(to_problem(problems.public(error))) + b"\n\n"
        raise error

    async def _write(self, send: Send, data: bytes) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": True})
