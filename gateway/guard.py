"""Who may pass: the host asked for, the page that asks, the key, and the rate. Stands before every route."""

from __future__ import annotations

import time
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import problems
from gateway.auth import ANYBODY, Caller, Keys, Role
from gateway.limits import TokenBuckets
from gateway.problems import HttpError
from mesh import names
from mesh.errors import Kind, MeshError
from mesh.telemetry import Telemetry

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
GUARDED = ("/v1/", "/metrics")
FAILED_KEY_COST = 20.0


class Guard:
    """ASGI middleware. What is below `/v1/` and `/metrics` needs a key where keys are needed; the rest is
    public.

    Against DNS rebinding the Host must be a known one (`hosts`; empty: any); against forged requests of
    other pages a changing request must not carry a foreign Origin. The caller lies in `request.state.caller`
    for the routes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Keys | None,
        hosts: Collection[str],
        origins: Collection[str],
        buckets: TokenBuckets,
        telemetry: Telemetry,
    ) -> None:
        self._app = app
        self._keys = keys
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)
        self._buckets = buckets
        self._refused = telemetry.counter(names.HTTP_REFUSED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except (MeshError, HttpError) as error:
            self._refused.labels(error.reason).inc()
            await problems.of(error, scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers.get("host", ""))
        if scope["method"] not in SAFE_METHODS:
            self._check_origin(headers, scope["scheme"])
        if not scope["path"].startswith(GUARDED):
            return
        address = scope["client"][0] if scope.get("client") else "local"
        caller = self._caller(headers, address)
        client = f"key:{caller.name}" if caller.name else f"address:{address}"
        self._buckets.take(client)
        state = scope.setdefault("state", {})
        state["caller"], state["client"] = caller, client

    def _check_host(self, host: str) -> None:
        name = host.lower() if host.endswith("]") else host.lower().rpartition(":")[0] or host.lower()
        if self._hosts and name not in self._hosts:
            raise HttpError(
                421,
                "HOST_UNKNOWN",
                "this gateway does not answer to that Host; see OVR_GATEWAY_ALLOWED_HOSTS",
            )

    def _check_origin(self, headers: Headers, scheme: str) -> None:
        origin = headers.get("origin", "").lower()
        own = f"{scheme}://{headers.get('host', '').lower()}"
        if origin and origin != own and origin not in self._origins:
            raise MeshError(Kind.DENIED, "CROSS_ORIGIN", "a page of another origin may not do this")

    def _caller(self, headers: Headers, address: str) -> Caller:
        if self._keys is None:
            return ANYBODY
        key = presented_key(headers)
        caller = self._keys.caller(key, time.monotonic()) if key else None
        if caller is None:
            # guessing is slowed down before it is answered
            self._buckets.take(f"failed:{address}", FAILED_KEY_COST if key else 1.0)
            detail = (
                "the API key is not known"
                if key
                else "an API key is needed: X-API-Key or Authorization: Bearer"
            )
            raise MeshError(Kind.UNAUTHENTICATED, "KEY_UNKNOWN" if key else "KEY_MISSING", detail)
        return caller


def presented_key(headers: Headers) -> str:
    """The key of a request: `X-API-Key`, or `Authorization: Bearer`; empty without one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return headers.get("x-api-key", "").strip() or bearer


def require(request: Request, role: Role) -> Caller:
    """The caller of a guarded route; MeshError DENIED if its key does not allow what needs `role`."""
    caller: Caller = request.state.caller
    if not caller.role.allows(role):
        raise MeshError(
            Kind.DENIED,
            "ROLE_NEEDED",
            f"the key {caller.name!r} may only read; this needs the role {role.value!r}",
        )
    return caller
