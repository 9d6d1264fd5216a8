"""Batches across callers: by size, by waiting time and by deadline, fair to each key, safe when callers go
away.

There is no dispatcher that could die or hang: whatever happens (an item comes, a timer fires, a batch ends)
asks the one question whether a batch shall start now, and when to ask again. Every caller waits on a future
of its own, which ends by its result, its error, its deadline or the caller's cancellation, whichever comes
first.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mesh import deadline as rpc_deadline
from mesh import names
from mesh.errors import Kind, MeshError
from mesh.logs import logger
from mesh.telemetry import Telemetry, inject

Item = TypeVar("Item")
Result = TypeVar("Result")


WAY_BACK = 0.1  # share of an item's time that is kept for its answer


@dataclass(eq=False)
class _Entry(Generic[Item, Result]):
    item: Item
    key: str
    future: asyncio.Future[Result]
    queued_at: float
    deadline: float
    traceparent: str
    timer: asyncio.TimerHandle | None = field(default=None)


def _until(now: float, deadline: float | None) -> float:
    """The earlier of a deadline and that of the rpc being served; infinite without either."""
    left = rpc_deadline.remaining()
    return min(deadline or float("inf"), float("inf") if left is None else now + left)


class Batcher(Generic[Item, Result]):
    """Runs items of many callers together.

    `run` takes 1 to `max_batch` items and gives as many results in their order; a result that is an exception
    fails its own caller only, an exception raised fails the whole batch. A batch starts when `max_batch`
    items wait, when one has waited for `max_wait` seconds, or when its deadline leaves no time to wait; at
    most `concurrency` run at once. Keys (cameras) take turns. When `max_queue` items wait, a newcomer is
    refused, or the newest item of a key that has more waiting than the newcomer's: RESOURCE_EXHAUSTED with
    retry information.

    No work goes into what would come too late, by the time that batches took before: a newcomer behind too
    many others is refused like one that finds the queue full, a batch is no larger than the deadlines in it
    allow, and what could not be in time even alone is given up before it is begun.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Awaitable[Sequence[Result | BaseException]]],
        max_batch: int = 8,
        max_wait: float = 0.005,
        max_queue: int = 64,
        *,
        concurrency: int = 1,
        name: str = "batch",
        telemetry: Telemetry | None = None,
    ) -> None:
        if max_batch < 1 or max_queue < 1 or concurrency < 1 or max_wait < 0:
            raise ValueError("max_batch, max_queue and concurrency must be at least 1, max_wait not negative")
        self._run = run
        self._max_batch, self._max_wait, self._max_queue = max_batch, max_wait, max_queue
        self._concurrency = concurrency
        self._name = name
        self._telemetry = telemetry or Telemetry(name)
        self._queues: dict[str, deque[_Entry[Item, Result]]] = {}  # in the order of turns
        self._waiting = 0
        self._running: set[asyncio.Task[None]] = set()
        self._wake: asyncio.TimerHandle | None = None
        self._closed = False
        self._item_seconds = 0.0  # what a batch takes for each of its items, smoothed
        self._log = logger("mesh.batching")
        self._sizes = self._telemetry.histogram(names.BATCH_SIZE).labels(name)
        self._waits = self._telemetry.histogram(names.BATCH_WAIT_SECONDS).labels(name)
        self._dropped = self._telemetry.counter(names.BATCH_DROPPED)

    @property
    def waiting(self) -> int:
        """Items that wait for a batch."""
        return self._waiting

    async def submit(self, item: Item, key: str = "", deadline: float | None = None) -> Result:
        """The item's result. `deadline` is a moment of time.monotonic(), by default that of the rpc being
        served.

        Raises MeshError: EXHAUSTED when the queue is full, DEADLINE when the deadline passed first,
        UNAVAILABLE when the batcher is closed, INTERNAL when the batch failed; or what `run` gave for this
        item."""
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        limit = _until(now, deadline)
        self.admit(key, limit)
        self._make_room(key)
        entry: _Entry[Item, Result] = _Entry(item, key, loop.create_future(), now, limit, inject())
        if limit != float("inf"):
            entry.timer = loop.call_later(limit - now, self._expire, entry)
        self._queues.setdefault(key, deque()).append(entry)
        self._waiting += 1
        self._consider()
        try:
            return await entry.future
        finally:
            if entry.timer is not None:
                entry.timer.cancel()
            if self._remove(entry):  # still queued: the caller went away
                self._dropped.labels(self._name, "cancelled").inc()
                self._consider()

    def admit(self, key: str = "", deadline: float | None = None) -> None:
        """Raise what `submit` would raise at once for a newcomer that has no chance; for callers who have
        work to do before they can submit."""
        now = time.monotonic()
        deadline = _until(now, deadline)
        if self._closed:
            raise self._drop("closed", Kind.UNAVAILABLE, "DRAINING", "is stopping")
        if deadline <= now:
            raise self._drop("deadline", Kind.DEADLINE, "DEADLINE", "was asked after the deadline")
        turns = (len(self._queues.get(key, ())) + 1) * (len(self._queues) + (key not in self._queues))
        ahead = min(self._waiting + 1, turns)
        if self._waiting and now + ahead * self._item_seconds > self._last_call(now, deadline):
            raise self._drop(
                "full", Kind.EXHAUSTED, "QUEUE_FULL", f"has too much to do: {self._waiting} wait"
            )

    @staticmethod
    def _last_call(queued_at: float, deadline: float) -> float:
        """When an item's batch must end: the answer needs time for its way back."""
        return deadline - WAY_BACK * (deadline - queued_at) if deadline != float("inf") else deadline

    def _drop(self, why: str, kind: Kind, reason: str, message: str) -> MeshError:
        self._dropped.labels(self._name, why).inc()
        retry = max(0.01, self._batch_seconds) if kind in (Kind.EXHAUSTED, Kind.UNAVAILABLE) else None
        return MeshError(kind, reason, f"{self._name} {message}", retry_after=retry)

    @property
    def _batch_seconds(self) -> float:
        """How long the next batch will take, by those before."""
        return self._item_seconds * min(self._waiting, self._max_batch)

    def _make_room(self, key: str) -> None:
        """Raise when the queue is full, unless another key has more waiting: then its newest item goes."""
        if self._waiting < self._max_queue:
            return
        heaviest = max(self._queues.values(), key=len)
        message = f"has {self._max_queue} items waiting already"
        full = self._drop("full", Kind.EXHAUSTED, "QUEUE_FULL", message)
        if len(heaviest) <= len(self._queues.get(key, ())) + 1:
            raise full
        self._fail(heaviest[-1], full)

    def _expire(self, entry: _Entry[Item, Result]) -> None:
        if not entry.future.done():
            self._fail(entry, self._drop("deadline", Kind.DEADLINE, "DEADLINE", "had no result in time"))
            self._consider()

    def _fail(self, entry: _Entry[Item, Result], error: BaseException) -> None:
        self._remove(entry)
        if not entry.future.done():
            entry.future.set_exception(error)

    def _remove(self, entry: _Entry[Item, Result]) -> bool:
        queue = self._queues.get(entry.key)
        if queue is None or entry not in queue:
            return False
        queue.remove(entry)
        self._waiting -= 1
        if not queue:
            del self._queues[entry.key]
        return True

    def _consider(self) -> None:
        """Start what shall start now, and ask again when the next batch is due."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        while self._waiting and len(self._running) < self._concurrency:
            due = self._due()
            pause = due - time.monotonic()
            if self._waiting < self._max_batch and pause > 0:
                self._wake = asyncio.get_running_loop().call_later(pause, self._consider)
                return
            batch = self._take()
            if batch:
                self._start(batch)

    def _due(self) -> float:
        """When the next batch must start: the queue's oldest has waited long enough, or a deadline is near.

        An item gives waiting half of its time at most: how long the batch will take is only an estimate."""
        entries = [entry for queue in self._queues.values() for entry in queue]
        oldest = min(entry.queued_at for entry in entries) + self._max_wait
        urgent = min(
            min((e.queued_at + e.deadline) / 2, e.deadline - 2 * self._batch_seconds) for e in entries
        )
        return min(oldest, urgent)

    def _take(self) -> list[_Entry[Item, Result]]:
        """The next batch: the oldest item of each key, key after key, until it is full or one more would make
        it too late for one of them."""
        batch: list[_Entry[Item, Result]] = []
        now, tightest = time.monotonic(), float("inf")
        while self._queues and len(batch) < self._max_batch:
            entry = next(iter(self._queues.values()))[0]
            last_call = self._last_call(entry.queued_at, entry.deadline)
            # the last one is tried whatever the estimate says: else a wrong one would never be mended
            if last_call < now + self._item_seconds and (batch or self._waiting > 1):
                self._fail(entry, self._drop("deadline", Kind.DEADLINE, "DEADLINE", "could not be in time"))
                continue
            tightest = min(tightest, last_call)
            if batch and tightest < now + self._item_seconds * (len(batch) + 1):
                break
            self._remove(entry)
            batch.append(entry)
            if entry.key in self._queues:  # its next turn comes after the others'
                self._queues[entry.key] = self._queues.pop(entry.key)
        return batch

    def _start(self, batch: list[_Entry[Item, Result]]) -> None:
        # A context of its own: the batch must not run within the span and the deadline of whoever came last.
        task = contextvars.Context().run(asyncio.ensure_future, self._serve(batch))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._closed:
            self._consider()

    async def _serve(self, batch: list[_Entry[Item, Result]]) -> None:
        started = time.monotonic()
        for entry in batch:
            self._waits.observe(started - entry.queued_at)
        self._sizes.observe(len(batch))
        links = [entry.traceparent for entry in batch if entry.traceparent]
        try:
            with self._telemetry.span(
                names.SPAN_BATCH, links=links, attributes={names.ATTR_BATCH_SIZE: len(batch)}
            ):
                results = await self._run([entry.item for entry in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{len(results)} results for {len(batch)} items")
        except asyncio.CancelledError:
            self._fail_all(batch, MeshError(Kind.UNAVAILABLE, "DRAINING", f"{self._name} is stopping"))
            raise
        except MeshError as error:
            self._fail_all(batch, error)
        except Exception:  # noqa: BLE001 - whatever the model raises, each caller must get an answer
            self._log.exception("batch failed", batcher=self._name, size=len(batch))
            self._fail_all(batch, MeshError(Kind.INTERNAL, "BATCH_FAILED", f"{self._name} failed"))
        else:
            self._answer(batch, results)
        took = (time.monotonic() - started) / len(batch)
        self._item_seconds = took if not self._item_seconds else 0.8 * self._item_seconds + 0.2 * took

    def _fail_all(self, batch: list[_Entry[Item, Result]], error: MeshError) -> None:
        for entry in batch:
            self._fail(entry, error.copy())

    def _answer(self, batch: list[_Entry[Item, Result]], results: Sequence[Result | BaseException]) -> None:
        for entry, result in zip(batch, results, strict=True):
            if isinstance(result, BaseException):
                self._fail(entry, result)
            elif not entry.future.done():
                entry.future.set_result(result)

    async def close(self) -> None:
        """Refuse newcomers and what waits, and wait for what runs."""
        self._closed = True
        if self._wake is not None:
            self._wake.cancel()
        for entry in [entry for queue in self._queues.values() for entry in queue]:
            self._fail(entry, self._drop("closed", Kind.UNAVAILABLE, "DRAINING", "is stopping"))
        if self._running:
            await asyncio.wait(self._running)
