"""Streams whose answers come in the order of their requests while several requests are worked on at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


async def in_order(
    requests: AsyncIterable[Request], answer: Callable[[Request], Awaitable[Answer]], window: int
) -> AsyncGenerator[Answer, None]:
    """The answers to a stream of requests; at most `window` requests are taken before their answers are
    wanted.

    An error of the stream or of an answer ends it; whatever still runs then is cancelled, also when the
    consumer goes away.
    """
    started: asyncio.Queue[asyncio.Future[Answer] | None] = asyncio.Queue()
    places = asyncio.Semaphore(window)
    running: set[asyncio.Future[Answer]] = set()

    async def take() -> None:
        source = aiter(requests)
        try:
            while True:
                await places.acquire()
                try:
                    request = await anext(source)
                except StopAsyncIteration:
                    return
                task = asyncio.ensure_future(answer(request))
                running.add(task)
                started.put_nowait(task)
        finally:
            started.put_nowait(None)

    taker = asyncio.ensure_future(take())
    try:
        while (task := await started.get()) is not None:
            result = await task
            running.discard(task)
            places.release()
            yield result
        await taker
    finally:
        taker.cancel()
        for pending in running:
            pending.cancel()
        await asyncio.gather(taker, *running, return_exceptions=True)
