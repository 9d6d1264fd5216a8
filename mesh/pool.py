"""Threads for work that blocks, and a bound on how much of it may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mesh.errors import Kind, MeshError

T = TypeVar("T")

_RETRY_SECONDS = 0.05


class BoundedPool:
    """A few threads that refuse work when `limit` pieces are under way or wait already."""

    def __init__(self, threads: int, name: str, limit: int, what: str) -> None:
        """`what` the pieces are, in the plural, for people."""
        self._pool = ThreadPoolExecutor(threads, name)
        self._limit, self._what = limit, what
        self._taken = 0

    async def run(self, work: Callable[[], T], pieces: int = 1) -> T:
        """What `work` gives, done in a thread; MeshError EXHAUSTED when too much waits.

        Work of more pieces than the limit is taken when nothing else is under way.
        """
        if self._taken and self._taken + pieces > self._limit:
            message = f"{self._taken} {self._what} wait to be opened already"
            raise MeshError(Kind.EXHAUSTED, "QUEUE_FULL", message, retry_after=_RETRY_SECONDS)
        self._taken += pieces
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._taken -= pieces

    def shutdown(self) -> None:
        """Wait for what runs, then end the threads."""
        self._pool.shutdown(wait=True)
