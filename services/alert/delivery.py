"""Tells people: every pending delivery is tried until a channel takes it or its tries are used up.

Deliveries are rows of the alert store, so they outlive the process. A try that a crash cuts off is made again
when its lease has run out: people are told at least once, and hardly ever twice.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mesh import names
from mesh.errors import MeshError
from mesh.logs import logger
from mesh.telemetry import Telemetry, exemplar
from mesh.waiting import first_of
from services.alert.channels.port import Channel, DeliveryError
from services.alert.core import Clock, utc_now
from services.alert.notices import Notices
from storage.alerts.port import AlertStore, Attempt, DeliveryState, Due

_LEASE_MARGIN = timedelta(seconds=5)
_IDLE_SECONDS = 30.0
_STORE_PAUSE = 1.0


@dataclass(frozen=True)
class Backoff:
    """Pauses between tries, seconds: `first`, then twice as long each time, up to `longest`."""

    first: float
    longest: float

    def pause(self, attempt: int, asked: float | None) -> timedelta:
        """The pause after the `attempt`-th try, spread by chance; at least what the other side asked for,
        within the longest."""
        pause = min(self.longest, self.first * 2 ** min(attempt - 1, 30)) * random.uniform(0.8, 1.2)
        return timedelta(seconds=max(pause, min(asked or 0.0, self.longest)))


class Courier:
    """Tries the deliveries that are due, some side by side."""

    def __init__(
        self,
        store: AlertStore,
        channels: Callable[[], Mapping[str, Channel]],
        notices: Notices,
        backoff: Backoff,
        telemetry: Telemetry,
        wake: Callable[[], None],
        *,
        at_once: int = 8,
        clock: Clock = utc_now,
    ) -> None:
        self._store = store
        self._channels = channels
        self._notices = notices
        self._backoff = backoff
        self._telemetry = telemetry
        self._wake = wake
        self._at_once = at_once
        self._clock = clock
        self._due = asyncio.Event()
        self._results = telemetry.counter(names.ALERT_DELIVERIES)
        self._seconds = telemetry.histogram(names.ALERT_DELIVERY_SECONDS)
        self._pending = telemetry.gauge(names.ALERT_DELIVERIES_PENDING)
        self._log = logger("alert.delivery")

    def look(self) -> None:
        """There may be new deliveries."""
        self._due.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`; tries that run are finished first."""
        while not stop.is_set():
            try:
                self._due.clear()
                if await self.step() == 0:
                    await first_of(stop, self._due, timeout=await self._idle_seconds())
            except MeshError as error:
                self._log.warning("trying again", error=str(error))
                await first_of(stop, self._due, timeout=_STORE_PAUSE)

    async def step(self) -> int:
        """Try what is due now; how many deliveries that were."""
        lease = timedelta(seconds=max((c.timeout for c in self._channels().values()), default=0.0))
        claimed = await self._store.claim(self._clock(), lease + _LEASE_MARGIN, self._at_once)
        outcomes = await asyncio.gather(*(self._deliver(due) for due in claimed), return_exceptions=True)
        self._pending.set(await self._store.pending())
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return len(claimed)

    async def _deliver(self, due: Due) -> None:
        attributes: dict[str, str | int] = {
            names.ATTR_ALERT_ID: due.alert.alert_id,
            names.ATTR_EVENT_ID: due.alert.event.event_id,
            names.ATTR_CHANNEL: due.channel,
            names.ATTR_ATTEMPT: due.attempt,
        }
        started = time.monotonic()
        with self._telemetry.span(
            names.SPAN_ALERT_DELIVER, parent=due.traceparent or None, attributes=attributes
        ) as span:
            attempt, result = await self._try(due)
            self._seconds.labels(due.channel).observe(time.monotonic() - started, exemplar())
            if attempt.error:
                span.set_attribute(names.ATTR_ERROR_REASON, attempt.error)
            await self._store.record(attempt)
        self._results.labels(due.channel, result).inc()
        self._wake()

    async def _try(self, due: Due) -> tuple[Attempt, str]:
        channel = self._channels().get(due.channel)
        try:
            if channel is None:
                raise DeliveryError("the channel is no longer in the rules' file", permanent=True)
            notice = await self._notices.of(due.alert, picture=channel.wants_picture)
            await asyncio.wait_for(channel.send(notice), channel.timeout)
        except (asyncio.TimeoutError, TimeoutError):
            timeout = channel.timeout if channel is not None else 0.0
            return self._failed(due, channel, DeliveryError(f"no answer within {timeout:g} s"))
        except DeliveryError as error:
            return self._failed(due, channel, error)
        alert_id = due.alert.alert_id
        self._log.info("delivered", alert=alert_id, channel=due.channel, attempt=due.attempt)
        now = self._clock()
        return Attempt(alert_id, due.channel, DeliveryState.DELIVERED, "", now), "delivered"

    def _failed(self, due: Due, channel: Channel | None, error: DeliveryError) -> tuple[Attempt, str]:
        final = error.permanent or channel is None or due.attempt >= channel.attempts
        now, message = self._clock(), str(error)
        retry_at = None if final else now + self._backoff.pause(due.attempt, error.retry_after)
        state = DeliveryState.FAILED if final else DeliveryState.PENDING
        self._log.warning(
            "not delivered",
            alert=due.alert.alert_id,
            channel=due.channel,
            attempt=due.attempt,
            error=message,
            final=final,
        )
        attempt = Attempt(due.alert.alert_id, due.channel, state, message, now, retry_at)
        return attempt, "failed" if final else "retried"

    async def _idle_seconds(self) -> float:
        next_due: datetime | None = await self._store.next_due()
        if next_due is None:
            return _IDLE_SECONDS
        return min(_IDLE_SECONDS, max(0.0, (next_due - self._clock()).total_seconds()))
