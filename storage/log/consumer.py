"""A consumer of the log: read a batch, write it, then commit. What cannot be handled goes to the dead-letter
topic."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Generic, Protocol, TypeVar

from mesh import names
from mesh.errors import Kind, MeshError
from mesh.logs import logger
from mesh.names import SpanName
from mesh.telemetry import Telemetry
from mesh.waiting import first_of
from storage.log.deadletter import dead_letter_of
from storage.log.port import HEADER_TRACEPARENT, PLATE_EVENTS_DLQ, LogReader, LogWriter, NewRecord, Record

T = TypeVar("T")

_POLL_SECONDS = 1.0
_MAX_PAUSE = 10.0


class Sink(Protocol[T]):
    """Where a consumer writes."""

    def decode(self, record: Record) -> T:
        """The record's value; MeshError INVALID if it is none."""

    async def write(self, items: Sequence[T]) -> int:
        """Write all or none, durable when it returns; how many were new. INVALID if an item can never be
        written; any other MeshError means to try again."""


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    record: Record
    value: T


class Consumer(Generic[T]):
    """A member of a group. A batch is committed only when all of it is written or among the dead letters, so
    a crash at any moment repeats records and never loses one."""

    def __init__(
        self,
        group: str,
        topic: str,
        reader: LogReader,
        dead_letters: LogWriter,
        sink: Sink[T],
        telemetry: Telemetry,
        *,
        span: SpanName | None = None,
        max_batch: int = 256,
        retry_seconds: float = 0.2,
    ) -> None:
        self._group = group
        self._reader = reader
        self._dead_letters = dead_letters
        self._sink = sink
        self._telemetry = telemetry
        self._span = span
        self._max_batch = max_batch
        self._retry_seconds = retry_seconds
        self._logger = logger(group)
        self._labels = (group, topic)
        self._skipped = 0
        self._count = telemetry.counter(names.CONSUMER_RECORDS)
        self._retries = telemetry.counter(names.CONSUMER_RETRIES)
        self._batch = telemetry.histogram(names.CONSUMER_BATCH).labels(*self._labels)
        self._delay = telemetry.histogram(names.CONSUMER_DELAY_SECONDS).labels(*self._labels)
        self._lag = telemetry.gauge(names.CONSUMER_LAG).labels(*self._labels)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`; what was read is finished first. Failures of the log or the sink are waited
        out."""
        failures = 0
        while not stop.is_set():
            try:
                await self.step(stop)
                failures = 0
            except MeshError as error:
                failures += 1
                self._retries.labels(*self._labels, error.reason).inc()
                self._logger.warning("trying again", error=str(error), failures=failures)
                await self._reader.rewind()
                pause = min(_MAX_PAUSE, self._retry_seconds * 2 ** min(failures - 1, 10))
                await first_of(stop, timeout=pause * random.uniform(0.5, 1.0))

    async def step(self, stop: asyncio.Event | None = None) -> int:
        """Handle one batch, waiting a second for it at most; how many records it had. MeshError if it must be
        tried again, after `rewind`."""
        records = await self._poll(stop)
        await self._note_lag()
        if not records:
            return 0
        self._batch.observe(len(records))
        items, letters = self._decode(records)
        letters += await self._write(items)
        if letters:
            await self._dead_letters.append(PLATE_EVENTS_DLQ, letters)
            self._count.labels(*self._labels, "dead_letter").inc(len(letters))
        await self._reader.commit(records)
        now = datetime.now(timezone.utc)
        for record in records:
            self._delay.observe(max(0.0, (now - record.timestamp).total_seconds()))
        return len(records)

    async def _poll(self, stop: asyncio.Event | None) -> list[Record]:
        polling = asyncio.ensure_future(self._reader.poll(self._max_batch, _POLL_SECONDS))
        stopping = asyncio.ensure_future(stop.wait() if stop is not None else asyncio.Event().wait())
        try:
            await asyncio.wait((polling, stopping), return_when=asyncio.FIRST_COMPLETED)
            return await polling if polling.done() else []
        finally:
            for task in (polling, stopping):
                task.cancel()
            await asyncio.wait((polling, stopping))

    async def _note_lag(self) -> None:
        self._lag.set(await self._reader.lag())
        skipped = self._reader.skipped()
        if skipped > self._skipped:
            self._count.labels(*self._labels, "skipped").inc(skipped - self._skipped)
            self._logger.error(
                "records were removed before they were handled", records=skipped - self._skipped
            )
            self._skipped = skipped

    def _decode(self, records: Sequence[Record]) -> tuple[list[_Item[T]], list[NewRecord]]:
        items: list[_Item[T]] = []
        letters: list[NewRecord] = []
        for record in records:
            try:
                items.append(_Item(record, self._sink.decode(record)))
            except MeshError as error:
                if error.kind is not Kind.INVALID:
                    raise
                letters.append(self._letter(record, error))
        return items, letters

    async def _write(self, items: Sequence[_Item[T]]) -> list[NewRecord]:
        # A batch that the sink refuses is halved until the record at fault stands alone.
        if not items:
            return []
        spans = [
            self._telemetry.start(self._span, parent=item.record.headers.get(HEADER_TRACEPARENT))
            for item in items
            if self._span is not None and self._telemetry.exports
        ]
        try:
            new = await self._sink.write([item.value for item in items])
        except MeshError as error:
            if error.kind is not Kind.INVALID:
                raise
            if len(items) == 1:
                return [self._letter(items[0].record, error)]
            middle = len(items) // 2
            return await self._write(items[:middle]) + await self._write(items[middle:])
        finally:
            for span in spans:
                span.end()
        self._count.labels(*self._labels, "written").inc(new)
        self._count.labels(*self._labels, "duplicate").inc(len(items) - new)
        return []

    def _letter(self, record: Record, error: MeshError) -> NewRecord:
        self._logger.warning("dead letter", offset=record.offset, reason=error.reason, error=error.message)
        return dead_letter_of(record, error, consumer=self._group)
