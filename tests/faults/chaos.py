"""Faults on a seed: at every call through a port something can go wrong, always the same for the same
seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

from mesh.errors import Kind, MeshError

T = TypeVar("T")

_SLOW_SECONDS = 0.002


class Crash(Exception):  # noqa: N818
    """The process dies here: whoever runs it throws away all it had in memory and starts it anew."""


class Fault(Enum):
    """What can go wrong with a call."""

    REFUSED = "refused"
    """It fails before it begins: the disk is full, the store is away."""
    REPLY_LOST = "reply_lost"
    """It is done, but its caller is told that it failed."""
    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"
    SLOW = "slow"


class Chaos:
    """Decides at every call whether it fails and how, and counts what it did by point and fault."""

    def __init__(self, seed: int, rate: float) -> None:
        self.random = random.Random(seed)
        self.rate = rate
        self.counts: Counter[tuple[str, Fault]] = Counter()

    @property
    def faults(self) -> int:
        """How many there were."""
        return self.counts.total()

    def heal(self) -> None:
        """From now on everything works."""
        self.rate = 0.0

    def happens(self) -> bool:
        """Whether something happens here, once in a while."""
        return self.random.random() < self.rate

    async def around(self, point: str, call: Callable[[], Awaitable[T]]) -> T:
        """Make the call, or let it fail: MeshError UNAVAILABLE or Crash."""
        fault = self.random.choice(list(Fault)) if self.happens() else None
        if fault is not None:
            self.counts[point, fault] += 1
        if fault is Fault.REFUSED:
            raise MeshError(Kind.UNAVAILABLE, "CHAOS_REFUSED", point)
        if fault is Fault.CRASH_BEFORE:
            raise Crash(point)
        if fault is Fault.SLOW:
            await asyncio.sleep(self.random.uniform(0, _SLOW_SECONDS))
        result = await call()
        if fault is Fault.REPLY_LOST:
            raise MeshError(Kind.UNAVAILABLE, "CHAOS_REPLY_LOST", point)
        if fault is Fault.CRASH_AFTER:
            raise Crash(point)
        return result
