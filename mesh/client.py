"""Channels to peers: `connect` gives one that every generated stub takes.

Calls on it carry the trace, have a deadline that shrinks with the caller's, raise MeshError, and are sent
again when that is harmless and the budget allows it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.trace import Span, SpanKind

from mesh import deadline, names
from mesh.calls import MeshStream, Requests, code_of, with_trace
from mesh.errors import STATUS, Kind, MeshError, from_rpc_error
from mesh.retry import IDEMPOTENT, RetryBudget, RetryPolicy
from mesh.server import message_options
from mesh.settings import ConfigError, MeshSettings
from mesh.telemetry import Telemetry, exemplar
from mesh.tls import Stamp, TlsFiles, channel_credentials, files

OPTIONS = (
    ("grpc.enable_retries", 0),  # retries are ours: they need the deadline and the budget
    ("grpc.initial_reconnect_backoff_ms", 100),
    # how long an attempt may take: a peer that is far away or busy needs more than the first pause
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)
TLS_CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class ClientOptions:
    """How calls behave: default deadline in seconds (streams have none), largest message, retries."""

    timeout: float = 10.0
    max_message_mib: int = 64
    retry: RetryPolicy = field(default_factory=RetryPolicy)


def connect(
    target: str,
    *,
    peer: str,
    settings: MeshSettings | None = None,
    telemetry: Telemetry | None = None,
    tls: TlsFiles | None = None,
    options: ClientOptions | None = None,
) -> MeshChannel:
    """A channel to `unix:PATH` or `HOST:PORT`; `peer` is the service's short name in telemetry and errors.

    TLS, the default deadline and sizes come from the settings unless given. Connects on first use, and again
    by itself. Close it with `await channel.close()` or use it as `async with`.
    """
    if settings is not None:
        tls = tls or files(settings)
        options = options or ClientOptions(settings.call_timeout, settings.max_message_mib)
    if target.startswith("unix:"):
        tls = None
    return MeshChannel(target, peer, telemetry or Telemetry("client"), tls, options or ClientOptions())


class MeshChannel(grpc.aio.Channel):
    """A grpc.aio channel; see `connect`. With TLS it reconnects when its certificate files change."""

    def __init__(
        self, target: str, peer: str, telemetry: Telemetry, tls: TlsFiles | None, options: ClientOptions
    ) -> None:
        self.target, self.peer, self.options, self.telemetry = target, peer, options, telemetry
        self.budget = RetryBudget()
        self.seconds = telemetry.histogram(names.RPC_CLIENT_SECONDS)
        self.retries = telemetry.counter(names.RPC_CLIENT_RETRIES)
        self._tls = tls
        self._stamp = tls.stamp() if tls else None
        self._looked_at = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._channel = self._open()
        self.epoch = 0

    def _open(self) -> grpc.aio.Channel:
        options = [*message_options(self.options.max_message_mib), *OPTIONS]
        if self._tls is None:
            return grpc.aio.insecure_channel(self.target, options=options)
        return grpc.aio.secure_channel(self.target, channel_credentials(self._tls), options=options)

    def current(self) -> grpc.aio.Channel:
        """The connection to use now; a new one when the certificate files have changed."""
        if self._tls is not None and time.monotonic() - self._looked_at > TLS_CHECK_SECONDS:
            self._looked_at = time.monotonic()
            stamp = self._tls.stamp()
            if stamp != self._stamp:
                self._exchange(stamp)
        return self._channel

    def _exchange(self, stamp: Stamp) -> None:
        try:
            fresh = self._open()
        except ConfigError:  # a file is being exchanged just now: the old connection serves until it is there
            return
        old, self._channel, self._stamp = self._channel, fresh, stamp
        self.epoch += 1
        self.soon(old.close(self.options.timeout))

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside the calls; `close` waits for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # gRPC's generated stubs call these four; each gives a callable of ours, typed by the stub.

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return MeshUnary(self, "unary_unary", method, request_serializer, response_deserializer)

    def stream_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return MeshUnary(self, "stream_unary", method, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return MeshStreaming(self, "unary_stream", method, request_serializer, response_deserializer)

    def stream_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return MeshStreaming(self, "stream_stream", method, request_serializer, response_deserializer)

    async def close(self, grace: float | None = None) -> None:
        await self._channel.close(grace)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def __aenter__(self) -> MeshChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self.current().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self.current().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self.current().channel_ready()


class _Method:
    """One rpc of a channel, made anew on the connection in use."""

    def __init__(
        self, channel: MeshChannel, shape: str, method: str, serializer: Any, deserializer: Any
    ) -> None:
        self._channel = channel
        self.shape = shape
        self._make = (method, serializer, deserializer)
        self.name = method.removeprefix("/")
        self.rpc = method.rpartition("/")[2]
        self._epoch = -1
        self._callable: Callable[..., Any] | None = None

    def callable(self) -> Callable[..., Any]:
        """gRPC's own multi-callable."""
        connection = self._channel.current()
        if self._callable is None or self._epoch != self._channel.epoch:
            method, serializer, deserializer = self._make
            factory = getattr(connection, self.shape)
            self._callable = factory(
                method, request_serializer=serializer, response_deserializer=deserializer
            )
            self._epoch = self._channel.epoch
        assert self._callable is not None
        return self._callable

    def attributes(self) -> dict[str, str]:
        """What a client's span says of the rpc."""
        service = self.name.rpartition("/")[0]
        return {
            names.ATTR_RPC_SYSTEM: "grpc",
            names.ATTR_RPC_SERVICE: service,
            names.ATTR_RPC_METHOD: self.rpc,
            names.ATTR_PEER: self._channel.peer,
        }

    def finish(self, span: Span, started: float, code: grpc.StatusCode) -> None:
        """Count the call and say in its span how it ended."""
        elapsed = time.perf_counter() - started
        self._channel.seconds.labels(self._channel.peer, self.rpc, code.name).observe(elapsed, exemplar())
        span.set_attribute(names.ATTR_RPC_STATUS, code.value[0])


class MeshUnary(_Method):
    """An rpc with one answer: `await stub.Detect(request, timeout=0.5)` gives it or raises MeshError."""

    async def __call__(
        self, request: Any = None, *, timeout: float | None = None, metadata: Any = None, **options: Any
    ) -> Any:
        channel, started, code = self._channel, time.perf_counter(), grpc.StatusCode.CANCELLED
        limit = deadline.budget(channel.options.timeout if timeout is None else timeout)
        assert limit is not None
        with channel.telemetry.span(self.name, kind=SpanKind.CLIENT, attributes=self.attributes()) as span:
            try:
                answer = await self._attempts(request, time.monotonic() + limit, metadata, options)
                code = grpc.StatusCode.OK
                return answer
            except MeshError as error:
                code = STATUS[error.kind].code
                span.set_attribute(names.ATTR_ERROR_REASON, error.reason)
                raise
            finally:
                self.finish(span, started, code)

    async def _attempts(self, request: Any, until: float, metadata: Any, options: dict[str, Any]) -> Any:
        channel, attempt = self._channel, 0
        while True:
            attempt += 1
            left = until - time.monotonic()
            if left <= 0:
                raise MeshError(
                    Kind.DEADLINE, "DEADLINE", f"{channel.peer} was not asked: the deadline has passed"
                )
            try:
                answer = await self.callable()(
                    request, timeout=left, metadata=with_trace(metadata), **options
                )
            except grpc.aio.AioRpcError as failure:
                error = self._named(from_rpc_error(failure))
            else:
                channel.budget.succeeded()
                return answer
            pause = channel.options.retry.delay(attempt, error) if self.name in IDEMPOTENT else None
            if pause is None or pause >= until - time.monotonic() or not channel.budget.failed():
                raise error
            channel.retries.labels(channel.peer, self.rpc).inc()
            await asyncio.sleep(pause)

    def _named(self, error: MeshError) -> MeshError:
        if error.kind is Kind.UNAVAILABLE and error.reason == Kind.UNAVAILABLE.name:
            message = f"{self._channel.peer} at {self._channel.target}: {error.message}"
            return MeshError(error.kind, "PEER_UNAVAILABLE", message, retry_after=error.retry_after)
        return error


class MeshStreaming(_Method):
    """An rpc with a stream of answers: `async for answer in stub.WatchEvents(request)`."""

    def __call__(
        self, request: Any = None, *, timeout: float | None = None, metadata: Any = None, **options: Any
    ) -> MeshStream:
        channel, started = self._channel, time.perf_counter()
        limit = deadline.budget(timeout)
        if limit is not None and limit <= 0:
            raise MeshError(
                Kind.DEADLINE, "DEADLINE", f"{channel.peer} was not asked: the deadline has passed"
            )
        span = channel.telemetry.start(self.name, kind=SpanKind.CLIENT, attributes=self.attributes())
        requests = Requests(request) if self.shape == "stream_stream" and request is not None else None
        arguments = () if request is None else (requests or request,)
        call = self.callable()(*arguments, timeout=limit, metadata=with_trace(metadata, span), **options)

        async def finish() -> None:
            self.finish(span, started, await code_of(call))
            span.end()

        call.add_done_callback(lambda _: channel.soon(finish()))
        return MeshStream(call, requests)
