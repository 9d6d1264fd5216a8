"""What one client may take: requests a second, bytes of a body, watches at once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import problems
from gateway.problems import HttpError
from mesh.errors import Kind, MeshError


class TokenBuckets:
    """A token bucket for each client: `rate` tokens a second, at most `burst` saved up; rate 0 switches it
    off.

    At most `capacity` clients are remembered; the one unseen longest is forgotten first, which can only fill
    its bucket.
    """

    def __init__(
        self,
        rate: float,
        burst: float,
        *,
        capacity: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._capacity = capacity
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, cost: float = 1.0) -> None:
        """Take `cost` tokens; MeshError EXHAUSTED saying when to come again if there are too few."""
        if self._rate <= 0:
            return
        now = self._clock()
        tokens, then = self._buckets.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        # a cost above the burst is let through on a full bucket, which then owes
        enough = tokens >= min(cost, self._burst)
        self._buckets[client] = (tokens - cost if enough else tokens, now)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        if not enough:
            wait = (min(cost, self._burst) - tokens) / self._rate
            raise MeshError(
                Kind.EXHAUSTED,
                "RATE_LIMITED",
                f"too many requests: {self._rate:g} a second are allowed",
                retry_after=wait,
            )


class Watches:
    """How many streams are open, in all and for each client."""

    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._open: dict[str, int] = {}

    @property
    def open(self) -> int:
        """Streams that are open."""
        return sum(self._open.values())

    @contextmanager
    def hold(self, client: str) -> Iterator[None]:
        """Count one stream while inside; MeshError EXHAUSTED when the client or all of them have too many."""
        mine = self._open.get(client, 0)
        if mine >= self._each or self.open >= self._total:
            raise MeshError(
                Kind.EXHAUSTED,
                "TOO_MANY_WATCHES",
                f"{mine} streams of yours and {self.open} in all are open: close one",
                retry_after=5.0,
            )
        self._open[client] = mine + 1
        try:
            yield
        finally:
            left = self._open[client] - 1
            if left:
                self._open[client] = left
            else:
                del self._open[client]


class BodyLimit:
    """ASGI middleware: refuses a body that is too long or too slow, before or while it is read, and one that
    is compressed.

    `limits` gives the bytes for single paths, `default` for all others. A compressed body is never inflated:
    what a client sends is what is counted.
    """

    def __init__(self, app: ASGIApp, *, default: int, limits: dict[str, int], silence: float) -> None:
        self._app = app
        self._silence = silence
        self._default = default
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.get(scope["path"], self._default)
        try:
            has_body = _check_headers(scope, limit)
        except HttpError as refused:
            await problems.of(refused, scope["path"])(scope, receive, send)
            return
        if has_body:
            receive = _counted(receive, limit, self._silence)
        await self._app(scope, receive, send)


def too_large(limit: int) -> HttpError:
    """The answer to a body of more than `limit` bytes."""
    return HttpError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "BODY_TOO_LARGE", f"the body may have {limit:,} bytes at most"
    )


def _check_headers(scope: Scope, limit: int) -> bool:
    """Whether a body follows; HttpError for one that need not be read to be refused."""
    has_body = False
    for name, value in scope["headers"]:
        has_body = has_body or name in (b"content-length", b"transfer-encoding")
        if name == b"content-length" and (not value.isdigit() or int(value) > limit):
            raise too_large(limit)
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise HttpError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "BODY_COMPRESSED", "compressed bodies are not accepted"
            )
    return has_body


def _counted(receive: Receive, limit: int, silence: float) -> Receive:
    taken, complete = 0, False

    async def counted() -> Message:
        nonlocal taken, complete
        if complete:
            # what follows the body is the client's leaving, which may be awaited for ever
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), silence)
        except (asyncio.TimeoutError, TimeoutError):
            detail = f"nothing of the body came for {silence:g} s"
            raise HttpError(HTTPStatus.REQUEST_TIMEOUT, "BODY_TOO_SLOW", detail) from None
        if message["type"] == "http.request":
            complete = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > limit:
                raise too_large(limit)
        return message

    return counted
