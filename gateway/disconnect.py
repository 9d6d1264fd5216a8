"""Work that ends when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from mesh.errors import Kind, MeshError

T = TypeVar("T")


async def client_gone(receive: Receive) -> None:
    """Returns when the client has left. What else arrives is read over."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; it is cancelled, and with it its rpc, when the client leaves first (MeshError
    CANCELLED)."""
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(client_gone(receive))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise MeshError(Kind.CANCELLED, "CLIENT_GONE", "the client left before the answer")
    finally:
        await end(task, watcher)


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel the tasks and wait until they have ended; their own results and errors are of no interest any
    more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
