"""The deadline of the rpc being served, so that calls made on its behalf can shrink theirs."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Iterator
from contextlib import contextmanager

_deadline: contextvars.ContextVar[float | None] = contextvars.ContextVar("ovr_deadline", default=None)

# What a hop keeps of the time left, to answer its own caller after its callee gave up.
HOP_SHARE = 0.05
HOP_SHARE_MAX = 0.1


def remaining() -> float | None:
    """Seconds left for the rpc being served; None without a deadline; negative when it has passed."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - time.monotonic()


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Give what runs inside at most this many seconds; an earlier deadline that already holds stays."""
    current = _deadline.get()
    candidate = None if seconds is None else time.monotonic() + seconds
    both = [moment for moment in (current, candidate) if moment is not None]
    token = _deadline.set(min(both) if both else None)
    try:
        yield
    finally:
        _deadline.reset(token)


def budget(timeout: float | None) -> float | None:
    """The timeout for a call to the next hop: the wanted one, or less if the caller's deadline is nearer."""
    left = remaining()
    if left is None:
        return timeout
    shrunk = left - min(HOP_SHARE_MAX, HOP_SHARE * max(left, 0.0))
    return shrunk if timeout is None else min(timeout, shrunk)
