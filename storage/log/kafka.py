"""The log on Kafka: topics in partitions by key, values behind the ids of their schemas.

Append waits until all in-sync replicas have the records. It is not a transaction: when it fails, some of its
records may be on the log (docs/decisions/0013). Ids are remembered for what this opening appended lately;
readers deduplicate beyond that. Retention is Kafka's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from mesh.errors import Kind, MeshError
from storage.log.kafka_client import KafkaAddress, failure
from storage.log.kafka_producer import KafkaProducer
from storage.log.kafka_reader import KafkaLogReader
from storage.log.kafka_tail import KafkaLogTail
from storage.log.port import PLATE_EVENTS, TOPICS, NewRecord, Position, Start
from storage.log.registry import SchemaRegistry, open_registry
from storage.log.values import EventFormat, Values

_CHECK_SECONDS = 3.0
_Reading = TypeVar("_Reading", KafkaLogReader, KafkaLogTail)


class KafkaLog:
    """`storage.log.port.Log` on a Kafka cluster and a Schema Registry."""

    def __init__(self, address: KafkaAddress, registry: SchemaRegistry, values: Values) -> None:
        """On the running loop; nothing is asked yet. The registry is closed with the log."""
        self._address = address
        self._registry = registry
        self._values = values
        self._producer = KafkaProducer(address)
        self._admin = AdminClient(address.client())
        self._reading: list[KafkaLogReader | KafkaLogTail] = []
        self._closed = False

    @classmethod
    async def open(
        cls, address: KafkaAddress, registry: str, event_format: EventFormat = "protobuf"
    ) -> KafkaLog:
        """Open the log; `registry` is the base address of the Schema Registry. FAILED_PRECONDITION for
        properties that the clients do not take."""
        client = open_registry(registry, address.properties)
        try:
            return cls(address, client, Values(client, event_format, address.prefix))
        except KafkaException as error:
            client.close()
            raise failure(error) from error

    async def append(self, topic: str, records: Sequence[NewRecord]) -> list[Position]:
        """See the port."""
        if self._closed:
            raise MeshError(Kind.UNAVAILABLE, "LOG_CLOSED", "the log is closed")
        if not records:
            return []

        def frame() -> list[bytes]:
            return [self._values.frame(topic, record.value) for record in records]

        framed = frame() if self._values.quick(topic) else await asyncio.to_thread(frame)
        sent = [
            self._producer.send(self._address.prefix + topic, record, value)
            for record, value in zip(records, framed, strict=True)
        ]
        return await self._producer.delivered(sent)

    async def reader(self, topic: str, group: str, start: Start = Start.OLDEST) -> KafkaLogReader:
        """See the port. A group of Kafka's for each topic, "GROUP.TOPIC", so that readers of one topic do not
        wait for those of another; its partitions are shared out among its members."""
        return await self._kept(KafkaLogReader.open(self._address, self._values, topic, group, start))

    async def tail(self, topic: str, cursor: str = "") -> KafkaLogTail:
        """See the port."""
        opening = asyncio.to_thread(
            KafkaLogTail.open, self._address, self._admin, self._values, topic, cursor
        )
        return await self._kept(opening)

    async def _kept(self, opening: Coroutine[Any, Any, _Reading]) -> _Reading:
        # librdkafka must be told to end: a consumer that is merely forgotten can wait for itself for ever
        task = asyncio.ensure_future(opening)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            await asyncio.wait({task})
            if task.exception() is None:
                await task.result().close()
            raise
        opened = task.result()
        self._reading = [*(one for one in self._reading if not one.closed), opened]
        return opened

    async def trim(
        self, topic: str, *, max_age: timedelta | None = None, max_bytes: int | None = None
    ) -> int:
        """See the port: Kafka sees to its retention itself."""
        return 0

    async def check(self) -> None:
        """See the port. Asks a broker whether every topic has a leader, and, as long as it has not been
        learnt, the registry for the schema of events."""
        await asyncio.to_thread(self._check)

    def _check(self) -> None:
        try:
            known = self._admin.list_topics(timeout=_CHECK_SECONDS).topics
        except KafkaException as error:
            raise failure(error) from error
        for topic in TOPICS:
            name = self._address.prefix + topic
            if name not in known:
                raise MeshError(
                    Kind.UNAVAILABLE, "TOPIC_MISSING", f"Kafka has no {name}; `ovr kafka init` makes it"
                )
            if any(partition.leader < 0 for partition in known[name].partitions.values()):
                raise MeshError(Kind.UNAVAILABLE, "TOPIC_LEADERLESS", f"a partition of {name} has no leader")
        self._values.prepare(PLATE_EVENTS)

    async def close(self) -> None:
        """Finish what was begun, then give everything back, its readers and tails, too."""
        self._closed = True
        await asyncio.gather(*(one.close() for one in self._reading))
        await self._producer.close()
        self._registry.close()
