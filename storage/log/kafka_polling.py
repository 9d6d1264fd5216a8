"""Reading Kafka from the event loop: librdkafka's consumer blocks, so each has a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from storage.log.kafka_producer import HEADER_RECORD_ID
from storage.log.port import Record
from storage.log.values import Values

T = TypeVar("T")
R = TypeVar("R")

# What a cancelled poll leaves behind on the thread is over after so long; what then comes is kept.
_SLICE_SECONDS = 0.25
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

BOUNDED: Mapping[str, int] = MappingProxyType(
    {"queued_max_messages_kbytes": 16 << 10, "fetch_message_max_bytes": 1 << 20}
)
"""How much a consumer holds ready; a single record may be larger."""


class Polling(Generic[T]):
    """Calls a consumer on its thread, one call after the other. A poll that is cancelled loses nothing: what
    it would have returned, the next one does."""

    def __init__(self, name: str, fetch: Callable[[int, float], list[T]]) -> None:
        """`fetch` takes how many records at most and for how many seconds to wait for the first."""
        self._fetch = fetch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._fetching: asyncio.Future[list[T]] | None = None
        self._left: list[T] = []
        self.closed = False

    async def poll(self, max_records: int, timeout: float) -> list[T]:
        """As `LogReader.poll`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while not self._left:
            remaining = max(0.0, deadline - loop.time())
            if self._fetching is None:
                wait = min(remaining, _SLICE_SECONDS)
                self._fetching = loop.run_in_executor(self._thread, self._fetch, max_records, wait)
            await asyncio.wait({self._fetching})
            done, self._fetching = self._fetching, None
            self._left = done.result()
            if not self._left and remaining <= 0:
                return []
        taken, self._left = self._left[:max_records], self._left[max_records:]
        return taken

    async def drop(self) -> None:
        """Forget what was fetched and not handed out."""
        if self._fetching is not None:
            await asyncio.wait({self._fetching})
            self._fetching.exception()
            self._fetching = None
        self._left = []

    async def call(self, work: Callable[[], R]) -> R:
        """Run `work` on the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self, work: Callable[[], object]) -> None:
        """Run `work` last, and end the thread; once."""
        if self.closed:
            return
        self.closed = True
        try:
            await self.drop()
            await self.call(work)
        finally:
            self._thread.shutdown(wait=False)


class Messages:
    """What a consumer gives, as records; none is lost when the schema of one cannot be had at once."""

    def __init__(self, consumer: Consumer, values: Values, topic: str) -> None:
        """`topic` without its prefix."""
        self._consumer = consumer
        self._values = values
        self._topic = topic
        self._messages: list[Message] = []
        self._behind: KafkaError | None = None

    def fetch(self, max_records: int, timeout: float) -> None:
        """Have the next messages, unless there are some that were not given; waits `timeout` seconds for the
        first. Raises KafkaException."""
        if self._messages:
            return
        if self._behind is not None:
            error, self._behind = self._behind, None
            raise KafkaException(error)
        first = self._consumer.poll(timeout)
        rest = self._consumer.consume(max_records - 1, 0) if first is not None and max_records > 1 else []
        found = [first, *rest] if first is not None else []
        self._messages = [message for message in found if message.error() is None]
        for error in filter(None, (message.error() for message in found)):
            if not self._messages:
                raise KafkaException(error)
            # Said once: the partition then stands still. Other errors come again while they last.
            if error.code() == KafkaError._AUTO_OFFSET_RESET:
                self._behind = error

    def records(self) -> list[tuple[Record, str]]:
        """What was fetched, each with its id. UNAVAILABLE if a schema cannot be had now: then they stay."""
        records = [self.record(message) for message in self._messages]
        self._messages = []
        return records

    def forget(self) -> None:
        """Drop what was fetched and not given."""
        self._messages = []

    def record(self, message: Message) -> tuple[Record, str]:
        """A message as a record, and its id. UNAVAILABLE if its schema cannot be had now."""
        headers = _headers(message)
        id = headers.pop(HEADER_RECORD_ID, "")
        key, value = message.key() or b"", message.value() or b""
        _, milliseconds = message.timestamp()
        record = Record(
            topic=self._topic,
            partition=message.partition() or 0,
            offset=message.offset() or 0,
            key=key if isinstance(key, bytes) else key.encode(),
            value=self._values.unframe(self._topic, value if isinstance(value, bytes) else value.encode()),
            headers=headers,
            timestamp=_EPOCH + timedelta(milliseconds=milliseconds),
        )
        return record, id


def _headers(message: Message) -> dict[str, str]:
    pairs: Any = message.headers() or ()  # which a consumer gives as a list of pairs
    return {name: (value or b"").decode(errors="replace") for name, value in pairs}
