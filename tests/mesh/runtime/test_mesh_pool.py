"""A pool of threads takes what it can hold and refuses the rest at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mesh.errors import Kind, MeshError
from mesh.pool import BoundedPool


async def test_what_would_wait_beyond_the_limit_is_refused_and_nothing_else() -> None:
    """With two of two places taken a third piece is refused; once they are done it is taken."""
    gate = threading.Event()
    pool = BoundedPool(1, "test", 2, "pictures")
    taken = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(MeshError, match="2 pictures wait") as refused:
        await pool.run(gate.wait)
    assert refused.value.kind is Kind.EXHAUSTED
    gate.set()
    assert await asyncio.gather(*taken) == [True, True]
    assert await pool.run(lambda: 7) == 7
    pool.shutdown()


async def test_a_request_larger_than_the_limit_is_taken_alone_and_failed_work_gives_its_places_back() -> None:
    """Three pieces pass a limit of two when nothing else is under way, also after work that failed."""
    pool = BoundedPool(1, "test", 2, "pictures")
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0, 2)
    assert await pool.run(lambda: "done", 3) == "done"
    pool.shutdown()
