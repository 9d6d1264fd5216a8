"""Tells watchers: every alert that fired or changed goes to the topic `alerts`, from where it is tailed.

Changes are rows of the alert store until the log has them, so a crash in between loses none; each has an id
of its own on the log, so that it is there once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from mesh.errors import MeshError
from mesh.logs import logger
from mesh.waiting import first_of
from storage.alerts.port import Alert, AlertStore, Change
from storage.log.port import (
    ALERTS,
    HEADER_CONTENT_TYPE,
    HEADER_EVENT_ID,
    HEADER_TRACEPARENT,
    Log,
    NewRecord,
)

CONTENT_TYPE = "application/x-protobuf; messageType=ovr.alpr.v1.Alert"
_BATCH = 100
_IDLE_SECONDS = 30.0
_STORE_PAUSE = 1.0
_SIGN_OF_LIFE_SECONDS = 10.0


class Announcer:
    """Moves changes from the alert store to the log."""

    def __init__(self, store: AlertStore, log: Log, encode: Callable[[Alert], bytes]) -> None:
        self._store = store
        self._log = log
        self._encode = encode
        self._changed = asyncio.Event()
        self._logger = logger("alert.announcer")

    def look(self) -> None:
        """There may be new changes."""
        self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Announce until `stop`, and once more after it, for what the last works left."""
        while True:
            last = stop.is_set()
            try:
                self._changed.clear()
                while await self.step():
                    continue
                pause = _IDLE_SECONDS
            except MeshError as error:
                self._logger.warning("trying again", error=str(error))
                pause = _STORE_PAUSE
            if last:
                return
            await first_of(stop, self._changed, timeout=pause)

    async def step(self) -> int:
        """Announce the oldest changes; how many."""
        changes = await self._store.changes(_BATCH)
        if changes:
            await self._log.append(ALERTS, [self._record(change) for change in changes])
            await self._store.forget(changes[-1].sequence)
        return len(changes)

    def _record(self, change: Change) -> NewRecord:
        alert = change.alert
        headers = {HEADER_EVENT_ID: alert.event.event_id, HEADER_CONTENT_TYPE: CONTENT_TYPE}
        if change.traceparent:
            headers[HEADER_TRACEPARENT] = change.traceparent
        key = alert.event.camera_id.encode()
        return NewRecord(key, self._encode(alert), headers, id=f"{alert.alert_id} {change.sequence}")


@dataclass(frozen=True, slots=True)
class Watched:
    """An alert, as serialised on the log, or None for a sign of life; and where to go on after it."""

    value: bytes | None
    cursor: str


async def watch(log: Log, cursor: str) -> AsyncGenerator[Watched, None]:
    """Alerts as they fire or change, after `cursor`; a sign of life at once and whenever nothing happens.

    INVALID for a cursor that is none, OUT_OF_RANGE for one that is too old.
    """
    tail = await log.tail(ALERTS, cursor)
    try:
        yield Watched(None, tail.cursor)
        while True:
            records = await tail.poll(_BATCH, _SIGN_OF_LIFE_SECONDS)
            for item in records:
                yield Watched(item.record.value, item.cursor)
            if not records:
                yield Watched(None, tail.cursor)
    finally:
        await tail.close()
