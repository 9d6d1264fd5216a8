"""Waiting for events."""

from __future__ import annotations

import asyncio

from mesh.waiting import first_of


async def test_the_first_event_or_the_time_ends_the_wait() -> None:
    """Any of the events ends it, and so does the time; nothing waits on afterwards."""
    one, other = asyncio.Event(), asyncio.Event()
    before = asyncio.all_tasks()
    await asyncio.wait_for(first_of(one, other, timeout=0.01), 5)
    asyncio.get_running_loop().call_later(0.01, other.set)
    await asyncio.wait_for(first_of(one, other, timeout=60), 5)
    cancelled = asyncio.ensure_future(first_of(one, timeout=60))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
