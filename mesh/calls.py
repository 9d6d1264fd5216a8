"""A streaming call as its caller sees it: gRPC's own, but raising MeshError."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from opentelemetry.trace import Span

from mesh.errors import Kind, MeshError, from_rpc_error
from mesh.telemetry import inject

BROKEN_WRITE = "Internal error from Core"  # what gRPC says of a write into a call that is over


def with_trace(metadata: Any, span: Span | None = None) -> tuple[tuple[str, str | bytes], ...]:
    """The call's metadata with the traceparent of the span, or of the current one, unless it has one."""
    pairs = tuple(metadata or ())
    traceparent = inject(span)
    if not traceparent or any(key == "traceparent" for key, _ in pairs):
        return pairs
    return (*pairs, ("traceparent", traceparent))


class Requests:
    """The caller's requests as they are sent; keeps what their iterator raises, which gRPC would swallow."""

    def __init__(self, source: AsyncIterable[Any] | Iterable[Any]) -> None:
        self._source = source
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            if isinstance(self._source, AsyncIterable):
                async for request in self._source:
                    yield request
            else:
                for request in self._source:
                    yield request
        except Exception as error:  # the caller's own code: handed on to whoever reads the answers
            self.error = error
            raise


class MeshStream:
    """Answers of a streaming rpc: `async for answer in stream`, or `read()`; and, where requests stream and
    none were given at the call, `write()` and `done_writing()`.

    The call is over when it is read to its end, fails, or is cancelled with `cancel()`; as `async with` it is
    cancelled on exit. What the iterator of requests raises is raised to the reader.
    """

    def __init__(self, call: Any, requests: Requests | None = None) -> None:
        self._call = call
        self._requests = requests
        self._cancelled = False

    @asynccontextmanager
    async def _mapped(self) -> AsyncIterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as failure:
            raise from_rpc_error(failure) from None
        except asyncio.CancelledError:
            # Raised also when the call was cancelled and not the task that reads it.
            if self._requests is not None and self._requests.error is not None:
                raise self._requests.error from None
            if self._cancelled:
                raise MeshError(
                    Kind.CANCELLED, "CANCELLED", "the stream was cancelled by its caller"
                ) from None
            raise

    async def __aiter__(self) -> AsyncIterator[Any]:
        answers = aiter_of(self._call)
        while True:
            async with self._mapped():
                try:
                    answer = await answers.__anext__()
                except StopAsyncIteration:
                    return
            yield answer

    async def read(self) -> Any:
        """The next answer, or grpc.aio.EOF after the last. Raises MeshError when the call has failed."""
        async with self._mapped():
            return await self._call.read()

    async def write(self, request: Any) -> None:
        """Send a request; returns when gRPC has taken it. Raises MeshError when the call is over."""
        async with self._mapped():
            try:
                await self._call.write(request)
            except asyncio.InvalidStateError:  # the call ended under the writer: say how
                await self._raise_status()
            except grpc.aio.AioRpcError as failure:
                if failure.details() != BROKEN_WRITE:
                    raise
                # gRPC gives the call this status before it has read the peer's own, which is then lost.
                raise MeshError(
                    Kind.UNAVAILABLE, "STREAM_BROKEN", "the peer ended the stream while it was written to"
                ) from None

    async def _raise_status(self) -> None:
        code = await self._call.code()
        if code is grpc.StatusCode.OK:
            raise MeshError(Kind.CANCELLED, "STREAM_ENDED", "the peer has ended the stream") from None
        raise grpc.aio.AioRpcError(
            code,
            await self._call.initial_metadata(),
            await self._call.trailing_metadata(),
            details=await self._call.details(),
        )

    async def done_writing(self) -> None:
        """Say that no further request follows."""
        async with self._mapped():
            await self._call.done_writing()

    def cancel(self) -> bool:
        """End the call; False if it was over."""
        self._cancelled = bool(self._call.cancel()) or self._cancelled
        return self._cancelled

    def done(self) -> bool:
        """Whether the call is over."""
        return bool(self._call.done())

    async def __aenter__(self) -> MeshStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()


def aiter_of(call: Any) -> AsyncIterator[Any]:
    """gRPC's own iterator of answers, which delivers what came before a failure."""
    found: AsyncIterator[Any] = call.__aiter__()
    return found


async def code_of(call: Any) -> grpc.StatusCode:
    """How a finished call ended."""
    code: Awaitable[grpc.StatusCode] = call.code()
    return await code
