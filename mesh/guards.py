"""What surrounds every rpc that a server serves: telemetry, errors, limits and deadline, each a context
manager.

`Guards` is the one gRPC interceptor; it reduces the four shapes of rpc to one, so that a guard is written
once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.trace import SpanKind, StatusCode

from mesh import deadline, names, validation
from mesh.errors import (
    MAX_TEXT,
    STATUS,
    STATUS_METADATA,
    Kind,
    MeshError,
    from_rpc_error,
    internal,
    to_grpc_status,
)
from mesh.logs import logger
from mesh.telemetry import Telemetry, exemplar

Context = Any  # grpc.aio.ServicerContext of messages this module does not know


@dataclass(frozen=True)
class Call:
    """An rpc being served: its method `package.Service/Rpc`, gRPC's context, whether either side streams."""

    method: str
    context: Context
    streams: bool

    @property
    def rpc(self) -> str:
        """The rpc's own name, as `Detect`."""
        return self.method.rpartition("/")[2]


Guard = Callable[[Call], AbstractAsyncContextManager[None]]
Proceed = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


class Guards(grpc.aio.ServerInterceptor):
    """Surrounds every rpc with the guards given, outermost first, and checks its messages.

    `unchecked` names methods (`package.Service/Rpc`) whose servicer checks its stream's messages itself,
    because it answers a bad one instead of ending the stream. Health and reflection are let through as they
    are.
    """

    def __init__(self, guards: Sequence[Guard], unchecked: Collection[str] = ()) -> None:
        self._guards = tuple(guards)
        self._unchecked = frozenset(unchecked)
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(self, continuation: Proceed, details: grpc.HandlerCallDetails) -> Any:
        path = str(details.method)
        handler = await continuation(details)
        if handler is None or path.startswith("/grpc."):
            return handler
        if path not in self._wrapped:
            self._wrapped[path] = self._wrap(path.removeprefix("/"), handler)
        return self._wrapped[path]

    def _wrap(self, method: str, handler: Any) -> Any:
        streams = handler.request_streaming or handler.response_streaming
        check = method not in self._unchecked

        def prepare(request: Any) -> Any:
            if not check:
                return request
            if handler.request_streaming:
                return validation.checked(request)
            validation.check(request)
            return request

        async def unary(request: Any, context: Context) -> Any:
            async with self._around(Call(method, context, streams)):
                return await behaviour(prepare(request), context)

        async def stream(request: Any, context: Context) -> None:
            # With write() instead of yield, a cancelled call unwinds here and now, not when garbage is
            # collected.
            async with self._around(Call(method, context, streams)):
                answers = behaviour(prepare(request), context)
                if not hasattr(answers, "__aiter__"):
                    await answers
                    return
                async with aclosing(answers):
                    async for answer in answers:
                        await context.write(answer)

        kind = (
            ("stream" if handler.request_streaming else "unary")
            + "_"
            + ("stream" if handler.response_streaming else "unary")
        )
        behaviour = getattr(handler, kind)
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(
            stream if handler.response_streaming else unary,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    @asynccontextmanager
    async def _around(self, call: Call) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for guard in self._guards:
                await stack.enter_async_context(guard(call))
            yield


def telemetry_guard(telemetry: Telemetry, service: str) -> Guard:
    """A span for the rpc under its caller's, its time by code, and how many are being served."""
    seconds = telemetry.histogram(names.RPC_SERVER_SECONDS)
    active = telemetry.gauge(names.RPC_SERVER_ACTIVE)

    @asynccontextmanager
    async def guard(call: Call) -> AsyncIterator[None]:
        metadata: Mapping[str, Any] = dict(call.context.invocation_metadata() or ())
        parent = metadata.get("traceparent")
        package, _, rpc = call.method.partition("/")
        attributes = {
            names.ATTR_RPC_SYSTEM: "grpc",
            names.ATTR_RPC_SERVICE: package,
            names.ATTR_RPC_METHOD: rpc,
        }
        running = active.labels(service, call.rpc)
        started, code = time.perf_counter(), grpc.StatusCode.OK
        running.inc()
        with telemetry.span(
            call.method,
            parent=parent if isinstance(parent, str) else None,
            attributes=attributes,
            kind=SpanKind.SERVER,
        ) as span:
            try:
                yield
            except asyncio.CancelledError:
                code = grpc.StatusCode.CANCELLED
                raise
            except grpc.aio.AbortError:
                code = _code(call.context)
                raise
            finally:
                running.dec()
                elapsed = time.perf_counter() - started
                seconds.labels(service, call.rpc, code.name).observe(elapsed, exemplar())
                span.set_attribute(names.ATTR_RPC_STATUS, code.value[0])
                if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS):
                    span.set_status(StatusCode.ERROR, code.name)

    return guard


def _code(context: Context) -> grpc.StatusCode:
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return code
    return next((item for item in grpc.StatusCode if item.value[0] == code), grpc.StatusCode.UNKNOWN)


def errors_guard(service: str) -> Guard:
    """Turns a MeshError into its rich status, anything else into INTERNAL without internals, logged whole."""
    log = logger(f"{service}.rpc")

    @asynccontextmanager
    async def guard(call: Call) -> AsyncIterator[None]:
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except MeshError as error:
            log.debug("rpc refused", method=call.method, reason=error.reason, message=error.message)
            await abort(call.context, error)
        except grpc.aio.AioRpcError as error:
            await abort(call.context, from_rpc_error(error))
        except Exception:  # the boundary of the process: nothing of it may reach the peer
            log.exception("rpc failed", method=call.method)
            await abort(call.context, internal())

    return guard


async def abort(context: Context, error: MeshError) -> None:
    """End the rpc with the error's status and details. Raises, always."""
    details = to_grpc_status(error).SerializeToString()
    message = error.message[:MAX_TEXT]  # percent-encoded on the wire; the details have more of it
    try:
        await context.abort(STATUS[error.kind].code, message, ((STATUS_METADATA, details),))
    except grpc.aio.InternalError as gone:  # the caller left meanwhile: nobody is there to be told
        raise asyncio.CancelledError from gone


def limits_guard(telemetry: Telemetry, service: str, max_calls: int, max_streams: int) -> Guard:
    """Refuses with RESOURCE_EXHAUSTED and RetryInfo what exceeds the calls or streams served at once."""
    refused = telemetry.counter(names.RPC_REFUSED)
    limits = {False: max_calls, True: max_streams}
    running = {False: 0, True: 0}

    @asynccontextmanager
    async def guard(call: Call) -> AsyncIterator[None]:
        if running[call.streams] >= limits[call.streams]:
            reason = "TOO_MANY_STREAMS" if call.streams else "TOO_MANY_CALLS"
            refused.labels(service, reason).inc()
            message = f"{service} serves {limits[call.streams]} at once already"
            raise MeshError(Kind.EXHAUSTED, reason, message, retry_after=1.0 if call.streams else 0.1)
        running[call.streams] += 1
        try:
            yield
        finally:
            running[call.streams] -= 1

    return guard


@asynccontextmanager
async def deadline_guard(call: Call) -> AsyncIterator[None]:
    """Hands the caller's deadline on to the calls made for it; gRPC itself cancels the rpc when it passes."""
    left = call.context.time_remaining()
    if left is not None and left <= 0:
        raise MeshError(Kind.DEADLINE, "DEADLINE", "the deadline had passed when the call arrived")
    with deadline.within(left):
        yield


class Streams:
    """The streams being served, so that a drain can end them with UNAVAILABLE instead of waiting for ever."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ended: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def guard(self, call: Call) -> AsyncIterator[None]:
        """Keep the rpc's task while it streams."""
        task = asyncio.current_task()
        if not call.streams or task is None:
            yield
            return
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            raise MeshError(
                Kind.UNAVAILABLE, "DRAINING", "the service is stopping; connect anew", retry_after=0.5
            ) from None
        finally:
            self._tasks.discard(task)
            self._ended.discard(task)

    def end(self) -> int:
        """End every stream; how many there were."""
        for task in self._tasks:
            self._ended.add(task)
            task.cancel()
        return len(self._tasks)
