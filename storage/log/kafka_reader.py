"""A member of a consumer group on Kafka. Partitions move between members one by one (cooperative), so that
those which stay are read without a pause."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from mesh.errors import Kind, MeshError
from storage.log.kafka_client import KafkaAddress, failure
from storage.log.kafka_polling import BOUNDED, Messages, Polling
from storage.log.port import Record, Start
from storage.log.values import Values

T = TypeVar("T")

_ASK_SECONDS = 5.0
_LAG_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_LOST = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST,
}


class KafkaLogReader:
    """`storage.log.port.LogReader`. Its lag is that of the partitions it holds; those of all members add up
    to the group's."""

    def __init__(self, consumer: Consumer, values: Values, topic: str, kafka_topic: str, group: str) -> None:
        self._consumer = consumer
        self._topic = kafka_topic
        self._group = group
        self._messages = Messages(consumer, values, topic)
        self._polling = Polling(f"kafka-{group}", self._fetch)
        self._rewind = False
        # Of each partition held, known to the polling thread alone: the offset committed (None: never), the
        # one that comes next, the bounds of what is kept.
        self._unknown: set[int] = set()
        self._committed: dict[int, int | None] = {}
        self._next: dict[int, int | None] = {}
        self._bounds: dict[int, tuple[int, int]] = {}
        self._looked = 0.0
        self._skipped = 0

    @classmethod
    async def open(
        cls, address: KafkaAddress, values: Values, topic: str, group: str, start: Start
    ) -> KafkaLogReader:
        """Join the group; UNAVAILABLE if it must be asked for its offsets and Kafka does not answer."""
        name = f"{address.prefix}{group}.{topic}"
        configuration = address.client(
            group_id=name,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy="cooperative-sticky",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_000,
            **BOUNDED,
        )
        reader = cls(Consumer(configuration), values, topic, address.prefix + topic, name)
        try:
            await reader._polling.call(lambda: reader._join(start))
        except MeshError:
            await reader.close()
            raise
        return reader

    def _join(self, start: Start) -> None:
        if start is Start.NEWEST:
            _asked(self._begin_at_the_end)
        self._consumer.subscribe(
            [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def _begin_at_the_end(self) -> None:
        known = self._consumer.list_topics(self._topic, timeout=_ASK_SECONDS).topics[self._topic]
        fresh = [place for place in self._ask_committed(known.partitions) if place.offset < 0]
        for place in fresh:
            bounds = self._consumer.get_watermark_offsets(place, timeout=_ASK_SECONDS)
            if bounds is None:
                raise MeshError(Kind.UNAVAILABLE, "LOG_UNAVAILABLE", f"Kafka did not say where {place} ends")
            place.offset = bounds[1]
        if not fresh:
            return
        try:
            self._consumer.commit(offsets=fresh, asynchronous=False)
        except KafkaException as error:
            # a group that has members already began where they chose
            if error.args[0].code() != KafkaError.UNKNOWN_MEMBER_ID:
                raise

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """See the port. Until the group has agreed who reads what, it gives nothing."""
        return await self._polling.poll(max_records, timeout)

    def _fetch(self, max_records: int, timeout: float) -> list[Record]:
        def work() -> None:
            if self._rewind:
                self._go_back()
            self._messages.fetch(max_records, timeout)
            self._learn()

        _asked(work)
        return [self._counted(record) for record, _ in self._messages.records()]

    def _counted(self, record: Record) -> Record:
        expected = self._next.get(record.partition)
        if expected is not None and record.offset > expected:
            self._skipped += record.offset - expected
        self._next[record.partition] = record.offset + 1
        return record

    def _learn(self) -> None:
        if not self._unknown:
            return
        for found in self._ask_committed(self._unknown):
            offset = found.offset if found.offset >= 0 else None
            self._committed[found.partition] = self._next[found.partition] = offset
        self._unknown.clear()

    def _ask_committed(self, numbers: Iterable[int]) -> list[TopicPartition]:
        found = self._consumer.committed([self._place(number) for number in numbers], timeout=_ASK_SECONDS)
        for place in found:
            if place.error is not None:  # whose offset looks as if the group had never committed
                raise KafkaException(place.error)
        return found

    def _go_back(self) -> None:
        self._learn()
        self._messages.forget()
        for number, offset in self._committed.items():
            place = OFFSET_BEGINNING if offset is None else offset
            self._consumer.seek(self._place(number, place))
            self._next[number] = offset
        self._rewind = False

    async def commit(self, records: Sequence[Record]) -> None:
        """See the port."""
        ends: dict[int, int] = {}
        for record in records:
            ends[record.partition] = max(ends.get(record.partition, 0), record.offset + 1)
        if ends and self.closed:
            raise self._lost("it was closed")
        if ends:
            await self._polling.call(lambda: self._commit(ends))

    def _commit(self, ends: dict[int, int]) -> None:
        held = {number: end for number, end in ends.items() if number in self._committed}
        offsets = [
            self._place(number, end) for number, end in held.items() if end > (self._committed[number] or 0)
        ]
        try:
            done = self._consumer.commit(offsets=offsets, asynchronous=False) if offsets else []
        except KafkaException as error:
            if error.args[0].code() in _LOST:
                raise self._lost(error.args[0].str()) from error
            raise failure(error) from error
        for place in done or ():
            if place.error is not None:
                raise failure(place.error)
            self._committed[place.partition] = place.offset
        if held.keys() != ends.keys():
            raise self._lost("it went to another member")

    async def rewind(self) -> None:
        """See the port. The next poll goes back, and says so if it cannot."""
        await self._polling.drop()
        self._rewind = True

    async def lag(self) -> int:
        """See the port: of the partitions this member holds. Kafka is asked every few seconds, and what is
        fetched in between counts; where it does not answer, the last answer stands, so that one broker's
        outage does not hold up what the others have."""
        return await self._polling.call(self._lag)

    def _lag(self) -> int:
        if time.monotonic() - self._looked > _LAG_SECONDS:
            self._looked = time.monotonic()
            self._look()
        lag = 0
        for number, committed in self._committed.items():
            low, high = self._bounds.get(number, (0, 0))
            fetched = self._consumer.get_watermark_offsets(self._place(number), cached=True) or (0, 0)
            lag += max(0, max(high, fetched[1]) - max(low, committed or 0))
        return lag

    def _look(self) -> None:
        for number in self._committed:
            try:
                found = self._consumer.get_watermark_offsets(self._place(number), timeout=_LOOK_SECONDS)
            except KafkaException:
                found = None
            if found is None:
                return  # rather than wait as long for each of the others
            self._bounds[number] = found

    def _place(self, number: int, offset: int = OFFSET_INVALID) -> TopicPartition:
        return TopicPartition(self._topic, number, offset)

    def skipped(self) -> int:
        """See the port."""
        return self._skipped

    @property
    def closed(self) -> bool:
        """Whether it has left the group."""
        return self._polling.closed

    async def close(self) -> None:
        """See the port."""
        await self._polling.close(self._consumer.close)

    def _lost(self, why: str) -> MeshError:
        return MeshError(
            Kind.FAILED_PRECONDITION, "PARTITION_LOST", f"{self._group} does not hold the partition: {why}"
        )

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._unknown.update(place.partition for place in partitions)

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for place in partitions:
            self._unknown.discard(place.partition)
            for known in (self._committed, self._next, self._bounds):
                known.pop(place.partition, None)


def _asked(work: Callable[[], T]) -> T:
    try:
        return work()
    except KafkaException as error:
        raise failure(error) from error
