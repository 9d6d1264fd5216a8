"""Sends records to Kafka and tells, on the event loop, where each came to stand.

librdkafka batches and sends on its own threads. One thread more serves its delivery reports and hands them to
the loop in bunches; nothing else passes between the two.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from mesh.errors import MeshError
from storage.log.kafka_client import MAX_RECORD_BYTES, KafkaAddress, failure
from storage.log.port import NewRecord, Position

HEADER_RECORD_ID = "record-id"
"""The id of a record, for tails to leave duplicates out. It does not leave the adapter."""
_REMEMBERED_IDS = 50_000
_DELIVERY_MS = 10_000
_FLUSH_SECONDS = _DELIVERY_MS / 1000 + 2
_SERVE_SECONDS = 0.5

_Report = tuple[Producer, "asyncio.Future[Position]", "KafkaError | None", int, int]


class KafkaProducer:
    """An idempotent producer. Its methods are for the loop that made it."""

    def __init__(self, address: KafkaAddress) -> None:
        self._loop = asyncio.get_running_loop()
        self._configuration = address.client(
            enable_idempotence=True,
            acks="all",
            compression_type="zstd",
            linger_ms=2,
            delivery_timeout_ms=_DELIVERY_MS,
            message_max_bytes=MAX_RECORD_BYTES,
            queue_buffering_max_kbytes=MAX_RECORD_BYTES * 2 >> 10,
            queue_buffering_max_messages=100_000,
            partitioner="murmur2_random",  # as Java's clients
        )
        self._recent: OrderedDict[tuple[str, str], asyncio.Future[Position]] = OrderedDict()
        self._lock = threading.Lock()
        self._reports: list[_Report] = []
        self._closing = threading.Event()
        self._client = Producer(self._configuration)
        self._server = threading.Thread(target=self._serve, name="kafka-delivery", daemon=True)
        self._server.start()

    def send(self, topic: str, record: NewRecord, value: bytes) -> tuple[asyncio.Future[Position], bool]:
        """Begin to send `value` as the record's. A future of its position, and whether it is new: a record
        with an id sent lately is not sent again. UNAVAILABLE if too much waits to be sent."""
        key = (topic, record.id)
        if record.id and (known := self._recent.get(key)) is not None:
            return known, False
        future: asyncio.Future[Position] = self._loop.create_future()
        headers: list[tuple[str, str | bytes | None]] = [*record.headers.items()]
        if record.id:
            headers.append((HEADER_RECORD_ID, record.id))
            self._remember(key, future)

        client = self._client

        def delivered(error: KafkaError | None, message: Message) -> None:
            self._report((client, future, error, message.partition() or 0, message.offset() or 0))

        try:
            client.produce(topic, value, record.key, headers=headers, on_delivery=delivered)
        except (BufferError, KafkaException) as error:
            future.cancel()
            self._recent.pop(key, None)
            raise failure(error) from error
        return future, True

    async def delivered(self, sent: Sequence[tuple[asyncio.Future[Position], bool]]) -> list[Position]:
        """Wait until all stand on the log. The first failure is raised when all have ended."""
        await asyncio.wait({future for future, _ in sent})  # which, cancelled, does not cancel them
        positions = []
        for future, new in sent:
            error = future.exception()
            if isinstance(error, MeshError):
                raise error.copy()
            position = future.result()
            positions.append(Position(position.partition, position.offset, new))
        return positions

    def _remember(self, key: tuple[str, str], future: asyncio.Future[Position]) -> None:
        self._recent[key] = future
        if len(self._recent) > _REMEMBERED_IDS:
            self._recent.popitem(last=False)

        def forget(done: asyncio.Future[Position]) -> None:
            if (done.cancelled() or done.exception() is not None) and self._recent.get(key) is done:
                del self._recent[key]

        future.add_done_callback(forget)

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._client.poll(_SERVE_SECONDS)

    def _report(self, report: _Report) -> None:
        with self._lock:
            self._reports.append(report)
            first = len(self._reports) == 1
        if first:
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        with self._lock:
            reports, self._reports = self._reports, []
        for client, future, error, partition, offset in reports:
            if future.done():
                continue
            if error is None:
                future.set_result(Position(partition, offset))
                continue
            future.set_exception(failure(error))
            future.exception()  # nobody need be waiting any more
            if error.fatal() and client is self._client:
                self.renew()

    def renew(self) -> None:
        """Take a new producer: after a fatal error librdkafka refuses everything. What the old one holds
        fails, and is appended again by whoever appended it."""
        old, self._client = self._client, Producer(self._configuration)
        old.purge()
        self._loop.run_in_executor(None, old.flush, _FLUSH_SECONDS)

    async def close(self) -> None:
        """Wait for what was sent, then end."""
        await self._loop.run_in_executor(None, self._close)

    def _close(self) -> None:
        self._client.flush(_FLUSH_SECONDS)
        self._closing.set()
        self._server.join()
