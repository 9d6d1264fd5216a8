"""Each request under `/v1/` as a span and a measurement, its trace told to the client, and headers that
keep browsers safe."""

from __future__ import annotations

import time

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.routing import TEMPLATE
from mesh import names, telemetry
from mesh.telemetry import Telemetry

# No inline script or style, nothing from elsewhere. Pictures may be blobs: those fetched with an API key.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
UNROUTED = "unrouted"


class Observe:
    """ASGI middleware, the outermost of ours."""

    def __init__(self, app: ASGIApp, *, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry
        self._seconds = telemetry.histogram(names.HTTP_SERVER_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, _with_headers(send, {}))
            return
        started, status = time.perf_counter(), 500
        parent = Headers(scope=scope).get("traceparent")
        with self._telemetry.span(names.SPAN_HTTP_SERVER, parent=parent, kind=SpanKind.SERVER) as span:

            async def noted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            extra = {"traceparent": telemetry.inject(span)}
            try:
                await self._app(scope, receive, _with_headers(noted, extra))
            finally:
                route = scope.get(TEMPLATE, UNROUTED)
                span.set_attribute(names.ATTR_HTTP_METHOD, scope["method"])
                span.set_attribute(names.ATTR_HTTP_ROUTE, route)
                span.set_attribute(names.ATTR_HTTP_STATUS, status)
                self._seconds.labels(scope["method"], route, str(status)).observe(
                    time.perf_counter() - started
                )


def _with_headers(send: Send, extra: dict[str, str]) -> Send:
    async def added(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            for name, value in (*SECURITY.items(), *extra.items()):
                headers.setdefault(name, value)
            message = {**message, "headers": headers.raw}
        await send(message)

    return added
