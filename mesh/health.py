"""`grpc.health.v1`: liveness says the process runs, readiness asks the real dependencies.

`""` and `liveness` are the one; `readiness` and the full names of the services are the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mesh.errors import MeshError
from mesh.logs import logger

Check = Callable[[], Awaitable[None]]

LIVENESS = ("", "liveness")
READINESS = "readiness"
CHECK_TIMEOUT = 2.0
FRESH_SECONDS = 1.0
WATCH_SECONDS = 1.0


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Answers for a server; a check raises when its dependency is not usable, `problems` says why."""

    def __init__(self, services: Collection[str], checks: Mapping[str, Check]) -> None:
        self._ready_names = {READINESS, *services}
        self._checks = dict(checks)
        self._draining = False
        self._problems: dict[str, str] = {}
        self._checked_at = float("-inf")
        self._lock = asyncio.Lock()
        self._log = logger("mesh.health")

    def drain(self) -> None:
        """Be not ready from now on, but alive."""
        self._draining = True

    async def problems(self) -> Mapping[str, str]:
        """Each dependency that is not usable and why; asked anew at most once a second."""
        if self._draining:
            return {"server": "draining"}
        async with self._lock:
            if time.monotonic() - self._checked_at >= FRESH_SECONDS:
                answers = await asyncio.gather(*(self._ask(name) for name in self._checks))
                found = {name: why for name, why in zip(self._checks, answers, strict=True) if why}
                if found != self._problems:
                    self._log.info("readiness changed", ready=not found, problems=found)
                self._problems, self._checked_at = found, time.monotonic()
            return self._problems

    async def _ask(self, name: str) -> str:
        try:
            await asyncio.wait_for(self._checks[name](), CHECK_TIMEOUT)
        except (asyncio.TimeoutError, TimeoutError):
            return f"no answer within {CHECK_TIMEOUT:g} s"
        except Exception as error:  # noqa: BLE001 - whatever a dependency raises, it is not usable
            return str(error) or type(error).__name__
        return ""

    async def _status(self, service: str) -> Any:
        if service in LIVENESS:
            return health_pb2.HealthCheckResponse.SERVING
        if service not in self._ready_names:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        bad = await self.problems()
        serving, not_serving = (
            health_pb2.HealthCheckResponse.SERVING,
            health_pb2.HealthCheckResponse.NOT_SERVING,
        )
        return not_serving if bad else serving

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The status of a name. NOT_FOUND for a name the server does not know."""
        status = await self._status(request.service)
        if status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service!r} here")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """The status of a name, at once and whenever it changes."""
        last = None
        while True:
            status = await self._status(request.service)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
                last = status
            await asyncio.sleep(WATCH_SECONDS)


async def ask(channel: grpc.aio.Channel, service: str = READINESS, timeout: float = 1.0) -> bool:
    """Whether a peer says SERVING for a name; False also when it cannot be reached."""
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
    except (grpc.aio.AioRpcError, MeshError):
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
