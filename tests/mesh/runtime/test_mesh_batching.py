"""Batches: by size, time and deadline, fair, and safe whatever callers do."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from prometheus_client import generate_latest

from mesh import deadline
from mesh.batching import Batcher
from mesh.errors import Kind, MeshError
from mesh.telemetry import Telemetry


class Model:
    """Doubles numbers, in batches that it remembers; waits for its gate, when it has one."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.batches: list[list[int]] = []
        self.seconds = seconds
        self.gate: asyncio.Event | None = None
        self.running = self.most = 0

    async def __call__(self, items: list[int]) -> Sequence[int]:
        self.batches.append(list(items))
        self.running += 1
        self.most = max(self.most, self.running)
        if self.gate is not None:
            await self.gate.wait()
        if self.seconds:
            await asyncio.sleep(self.seconds)
        self.running -= 1
        return [2 * item for item in items]


async def test_callers_get_their_own_results() -> None:
    """Each of many callers at once gets the result of its own item, in batches no larger than allowed."""
    model = Model()
    batcher: Batcher[int, int] = Batcher(model, max_batch=8, max_wait=0.005, max_queue=100)
    results = await asyncio.gather(*(batcher.submit(n, key=str(n % 3)) for n in range(50)))
    assert results == [2 * n for n in range(50)]
    assert max(map(len, model.batches)) == 8
    assert sorted(item for batch in model.batches for item in batch) == list(range(50))


async def test_a_full_batch_starts_at_once_and_a_small_one_after_the_wait() -> None:
    """Size starts a batch without waiting; time starts one that does not fill."""
    model = Model()
    batcher: Batcher[int, int] = Batcher(model, max_batch=2, max_wait=30)
    started = time.monotonic()
    await asyncio.gather(batcher.submit(1), batcher.submit(2))
    assert time.monotonic() - started < 10
    patient: Batcher[int, int] = Batcher(model, max_batch=2, max_wait=0.2)
    started = time.monotonic()
    await patient.submit(3)
    assert 0.15 < time.monotonic() - started < 10


async def test_a_near_deadline_starts_a_batch_early() -> None:
    """An item that cannot wait does not: the batch leaves in time for it."""
    model = Model(seconds=0.03)
    batcher: Batcher[int, int] = Batcher(model, max_batch=8, max_wait=60)
    for item in (1, 2):
        assert await batcher.submit(item, deadline=time.monotonic() + 2.0) == 2 * item


async def test_an_item_whose_time_is_up_fails_in_time() -> None:
    """A caller with a deadline is not kept longer than that, queued or running, and the others are served."""
    model = Model()
    model.gate = asyncio.Event()
    batcher: Batcher[int, int] = Batcher(model, max_batch=1)
    first = asyncio.ensure_future(batcher.submit(1, deadline=time.monotonic() + 0.1))
    second = asyncio.ensure_future(batcher.submit(2, deadline=time.monotonic() + 0.1))
    third = asyncio.ensure_future(batcher.submit(3))
    for late in (first, second):
        with pytest.raises(MeshError) as caught:
            await late
        assert caught.value.kind is Kind.DEADLINE
    model.gate.set()
    assert await third == 6
    assert model.batches == [[1], [3]]
    with pytest.raises(MeshError, match="after the deadline"):
        await batcher.submit(4, deadline=time.monotonic() - 1)


async def test_the_rpcs_deadline_is_the_items() -> None:
    """Within an rpc its deadline holds without being passed on by hand."""
    model = Model()
    model.gate = asyncio.Event()
    batcher: Batcher[int, int] = Batcher(model)
    with deadline.within(0.05), pytest.raises(MeshError) as caught:
        await batcher.submit(1)
    assert caught.value.kind is Kind.DEADLINE
    model.gate.set()
    await batcher.close()


async def test_cameras_take_turns() -> None:
    """A camera with a long queue does not keep another waiting: each batch has something of each."""
    model = Model()
    model.gate = asyncio.Event()
    batcher: Batcher[int, int] = Batcher(model, max_batch=4, max_wait=0, max_queue=100)
    blocker = asyncio.ensure_future(batcher.submit(0, key="x"))
    await asyncio.sleep(0)
    greedy = [asyncio.ensure_future(batcher.submit(100 + n, key="greedy")) for n in range(20)]
    modest = [asyncio.ensure_future(batcher.submit(200 + n, key=f"cam{n}")) for n in range(3)]
    await asyncio.sleep(0)
    model.gate.set()
    await asyncio.gather(blocker, *greedy, *modest)
    assert sorted(model.batches[1]) == [100, 200, 201, 202]


async def test_a_full_queue_refuses_the_greedy_first() -> None:
    """When the queue is full a newcomer of a modest camera takes the place of the greedy one's newest
    item."""
    model = Model()
    model.gate = asyncio.Event()
    telemetry = Telemetry("detector")
    batcher: Batcher[int, int] = Batcher(model, max_batch=1, max_queue=4, name="detect", telemetry=telemetry)
    running = asyncio.ensure_future(batcher.submit(0))
    await asyncio.sleep(0.05)
    greedy = [asyncio.ensure_future(batcher.submit(n, key="greedy")) for n in range(1, 5)]
    await asyncio.sleep(0)
    with pytest.raises(MeshError) as caught:
        await batcher.submit(5, key="greedy")
    assert (caught.value.kind, caught.value.reason) == (Kind.EXHAUSTED, "QUEUE_FULL")
    assert caught.value.retry_after
    modest = asyncio.ensure_future(batcher.submit(6, key="modest"))
    with pytest.raises(MeshError, match="QUEUE_FULL"):
        await greedy[3]
    model.gate.set()
    assert await asyncio.gather(running, *greedy[:3], modest) == [0, 2, 4, 6, 12]
    page = generate_latest(telemetry.registry).decode()
    assert 'ovr_batch_dropped_total{batcher="detect",reason="full"} 2.0' in page


async def test_a_failed_batch_fails_each_caller_by_its_own_error() -> None:
    """An exception of the model reaches every caller of its batch, each as an error of its own; the next go
    on."""
    calls = []

    async def fail_once(items: list[int]) -> Sequence[int]:
        calls.append(items)
        if len(calls) == 1:
            raise MeshError(Kind.UNAVAILABLE, "RELOADING", "reloading")
        if len(calls) == 2:
            raise RuntimeError("secret")
        if len(calls) == 3:
            return []
        return items

    batcher: Batcher[int, int] = Batcher(fail_once, max_batch=2)
    reasons = []
    for _ in range(3):
        failed = await asyncio.gather(batcher.submit(1), batcher.submit(2), return_exceptions=True)
        assert failed[0] is not failed[1]
        reasons += [error.reason for error in failed if isinstance(error, MeshError)]
        assert not any("secret" in str(error) for error in failed)
    assert reasons == ["RELOADING"] * 2 + ["BATCH_FAILED"] * 4
    assert await batcher.submit(3) == 3


async def test_one_bad_item_fails_its_own_caller_only() -> None:
    """A result that is an exception is raised to the caller of that item."""

    async def picky(items: list[int]) -> Sequence[int | BaseException]:
        return [ValueError("odd") if item % 2 else item for item in items]

    batcher: Batcher[int, int] = Batcher(picky, max_batch=3)
    results = await asyncio.gather(*(batcher.submit(n) for n in range(3)), return_exceptions=True)
    assert (results[0], type(results[1]), results[2]) == (0, ValueError, 2)


async def test_a_cancelled_caller_does_not_hang_the_others() -> None:
    """The classic fault of batchers: a third caller cancels and two hang. Here the two get their results."""
    model = Model()
    for moment in (0, 0.001, 0.02):
        batcher: Batcher[int, int] = Batcher(model, max_batch=3, max_wait=0.01)
        callers = [asyncio.ensure_future(batcher.submit(n)) for n in range(3)]
        await asyncio.sleep(moment)
        callers[1].cancel()
        assert await asyncio.wait_for(asyncio.gather(callers[0], callers[2]), 10) == [0, 4]


@pytest.mark.parametrize("seed", range(12))
async def test_callers_that_come_and_go_at_any_moment(seed: int) -> None:
    """Under random cancellations, timeouts, failures and full queues every caller ends, each with its own
    result or a reason, and nothing stays behind."""
    dice = random.Random(seed)
    served: Counter[int] = Counter()

    async def model(items: list[int]) -> Sequence[int | BaseException]:
        served.update(items)
        await asyncio.sleep(dice.choice([0, 0, 0.001, 0.004]))
        if dice.random() < 0.1:
            raise RuntimeError("model failed")
        return [ValueError("bad item") if dice.random() < 0.05 else 2 * item for item in items]

    batcher: Batcher[int, int] = Batcher(
        model, max_batch=dice.randint(1, 5), max_wait=dice.choice([0, 0.002]), max_queue=dice.randint(2, 20)
    )

    async def caller(number: int) -> str:
        await asyncio.sleep(dice.random() * 0.05)
        limit = time.monotonic() + dice.random() * 0.02 if dice.random() < 0.3 else None
        try:
            result = await batcher.submit(number, key=str(number % 4), deadline=limit)
        except ValueError:
            return "bad item"
        except MeshError as error:
            return error.reason
        assert result == 2 * number
        return "ok"

    async def vandal(task: asyncio.Task[str]) -> None:
        await asyncio.sleep(dice.random() * 0.07)
        task.cancel()

    callers = [asyncio.ensure_future(caller(number)) for number in range(200)]
    vandals = [asyncio.ensure_future(vandal(dice.choice(callers))) for _ in range(60)]
    ends = await asyncio.wait_for(asyncio.gather(*callers, return_exceptions=True), 10)
    await asyncio.gather(*vandals)
    kinds = Counter(end if isinstance(end, str) else type(end).__name__ for end in ends)
    assert set(kinds) <= {"ok", "bad item", "DEADLINE", "QUEUE_FULL", "BATCH_FAILED", "CancelledError"}
    assert max(served.values()) == 1
    assert batcher.waiting == 0
    await batcher.close()
    assert all(task.done() for task in callers)


async def test_closing_ends_what_waits_and_what_runs() -> None:
    """A closed batcher serves what runs, refuses what waits and what comes, and hangs nobody."""
    model = Model()
    model.gate = asyncio.Event()
    batcher: Batcher[int, int] = Batcher(model, max_batch=1)
    running, waiting = (asyncio.ensure_future(batcher.submit(n)) for n in (1, 2))
    await asyncio.sleep(0.05)
    closing = asyncio.ensure_future(batcher.close())
    with pytest.raises(MeshError, match="DRAINING"):
        await waiting
    with pytest.raises(MeshError, match="DRAINING"):
        await batcher.submit(3)
    model.gate.set()
    assert await running == 2
    await closing


async def test_several_batches_at_once() -> None:
    """With concurrency two a slow batch does not keep the next one from running."""
    model = Model(seconds=0.1)
    batcher: Batcher[int, int] = Batcher(model, max_batch=1, concurrency=2)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(4))) == [0, 2, 4, 6]
    assert model.most == 2


async def test_no_work_goes_into_what_would_come_too_late() -> None:
    """When more is asked than can be done, what is begun is answered in time: the rest is given up before."""

    async def each_takes(items: list[int]) -> Sequence[int]:
        begun.extend(items)
        await asyncio.sleep(0.1 * len(items))
        return items

    begun: list[int] = []
    batcher: Batcher[int, int] = Batcher(each_takes, max_batch=4, max_wait=0.0, max_queue=100)
    await batcher.submit(-1)
    until = time.monotonic() + 1.05
    asked = [batcher.submit(n, key=str(n % 5), deadline=until) for n in range(40)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    answered = [result for result in results if isinstance(result, int)]
    late = [result for result in results if isinstance(result, MeshError)]
    assert all(error.kind in (Kind.DEADLINE, Kind.EXHAUSTED) for error in late)
    assert len(answered) + len(late) == 40
    assert len(answered) >= 5
    assert len(begun) - 1 - len(answered) <= 4, "work was done for nobody"  # a batch, if the machine halts


async def test_a_wrong_estimate_of_the_time_a_batch_takes_is_mended() -> None:
    """After one very slow batch, items with less time than that took are still tried, and then all are."""
    model = Model(seconds=0.5)
    batcher: Batcher[int, int] = Batcher(model, max_batch=4, max_wait=0.0)
    await batcher.submit(0)
    model.seconds = 0.0
    for _ in range(20):
        assert await batcher.submit(1, deadline=time.monotonic() + 0.4) == 2
    both = [batcher.submit(n, deadline=time.monotonic() + 0.4) for n in (1, 2)]
    assert await asyncio.gather(*both) == [2, 4]
