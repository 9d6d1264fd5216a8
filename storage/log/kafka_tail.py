"""Reading a topic of Kafka by cursor, without a group. The cursor is "<topic's id>.<next offset of every
partition>", the offsets as varints in base64: "0" and "" aside, it says nothing to people."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from mesh.errors import Kind, MeshError
from storage.log.kafka_client import KafkaAddress, failure
from storage.log.kafka_polling import Messages, Polling
from storage.log.port import Record, TailRecord
from storage.log.values import Values

_CURSOR = re.compile(r"([\w-]{8})\.([\w-]+)", re.ASCII)
_URL_SAFE = str.maketrans("+/", "-_")
_ASK_SECONDS = 5.0
_REMEMBERED_IDS = 10_000
_LOOK_BACK = 256
"""Records of each partition before the cursor whose ids a tail learns: one that goes on where another ended
must not give again what was appended twice around there."""
_ID_CHARS = 8


class KafkaLogTail:
    """`storage.log.port.LogTail`. Records of one key come in order; a record whose id this tail has given
    lately, or that stands shortly before its cursor, is left out."""

    def __init__(
        self, consumer: Consumer, values: Values, topic: str, topic_id: str, offsets: dict[int, int]
    ) -> None:
        """The consumer may stand before `offsets`: the records up to there are only learnt from."""
        self._consumer = consumer
        self._topic_id = topic_id
        self._next = dict(sorted(offsets.items()))
        self._messages = Messages(consumer, values, topic)
        self._polling = Polling(f"kafka-tail-{topic}", self._fetch)
        self._given: OrderedDict[str, None] = OrderedDict()

    @classmethod
    def open(
        cls, address: KafkaAddress, admin: AdminClient, values: Values, topic: str, cursor: str
    ) -> KafkaLogTail:
        """A tail after `cursor`; errors as in the port. Blocks while Kafka is asked."""
        consumer = Consumer(
            address.client(
                group_id=f"{address.prefix}tail",  # librdkafka wants one; it is never joined
                enable_auto_commit=False,
                auto_offset_reset="error",
                queued_max_messages_kbytes=4 << 10,
                fetch_message_max_bytes=256 << 10,
            )
        )
        name = address.prefix + topic
        try:
            topic_id = _topic_id(admin, name)
            bounds = _bounds(consumer, name)
            offsets = _start(bounds, topic_id, cursor)
            consumer.assign(
                [
                    TopicPartition(name, number, max(bounds[number][0], offset - _LOOK_BACK))
                    for number, offset in offsets.items()
                ]
            )
        except KafkaException as error:
            consumer.close()
            raise failure(error) from error
        except MeshError:
            consumer.close()
            raise
        return cls(consumer, values, topic, topic_id, offsets)

    @property
    def cursor(self) -> str:
        """See the port."""
        return f"{self._topic_id}.{_encode(self._next.values())}"

    async def poll(self, max_records: int, timeout: float) -> list[TailRecord]:
        """See the port."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        given: list[TailRecord] = []
        while not given:
            found = await self._polling.poll(max_records, max(0.0, deadline - loop.time()))
            for record, id in found:
                known = self._known(id)
                if record.offset < self._next[record.partition]:
                    continue  # looked back at
                self._next[record.partition] = record.offset + 1
                if not known:
                    given.append(TailRecord(record, self.cursor))
            if not found:
                break
        return given

    def _fetch(self, max_records: int, timeout: float) -> list[tuple[Record, str]]:
        try:
            self._messages.fetch(max_records, timeout)
        except KafkaException as error:
            if error.args[0].code() == KafkaError._AUTO_OFFSET_RESET:
                raise _out_of_range("records behind the cursor were removed by retention") from error
            raise failure(error) from error
        return self._messages.records()

    def _known(self, id: str) -> bool:
        if not id:
            return False
        if id in self._given:
            return True
        self._given[id] = None
        if len(self._given) > _REMEMBERED_IDS:
            self._given.popitem(last=False)
        return False

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._polling.closed

    async def close(self) -> None:
        """See the port."""
        await self._polling.close(self._consumer.close)


_Bounds = dict[int, tuple[int, int]]


def _topic_id(admin: AdminClient, name: str) -> str:
    """What tells a topic from a later one of the same name."""
    future = admin.describe_topics(TopicCollection([name]), request_timeout=_ASK_SECONDS)[name]
    return str(future.result().topic_id)[:_ID_CHARS].translate(_URL_SAFE)


def _bounds(consumer: Consumer, name: str) -> _Bounds:
    """The oldest offset kept and the next one, of every partition."""
    known = consumer.list_topics(name, timeout=_ASK_SECONDS).topics[name].partitions
    bounds: _Bounds = {}
    for number in sorted(known):
        found = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=_ASK_SECONDS)
        if found is None:
            raise MeshError(
                Kind.UNAVAILABLE, "LOG_UNAVAILABLE", f"Kafka did not say where {name}/{number} ends"
            )
        bounds[number] = found
    return bounds


def _start(bounds: _Bounds, topic_id: str, cursor: str) -> dict[int, int]:
    """Where a tail after `cursor` begins in each partition."""
    if not cursor:
        return {number: high for number, (_, high) in bounds.items()}
    if cursor == "0":
        return {number: low for number, (low, _) in bounds.items()}
    match = _CURSOR.fullmatch(cursor)
    offsets = _decode(match[2]) if match is not None else None
    if match is None or offsets is None:
        raise MeshError(Kind.INVALID, "CURSOR_INVALID", f"cursor {cursor!r} is not one of this service")
    if match[1] != topic_id or len(offsets) > len(bounds):
        raise _out_of_range("the cursor is of a log that no longer exists")
    offsets += [0] * (len(bounds) - len(offsets))  # partitions that were added since
    for (number, (low, high)), offset in zip(bounds.items(), offsets, strict=True):
        if offset < low:
            raise _out_of_range(f"records behind the cursor were removed from partition {number}")
        if offset > high:
            raise _out_of_range("the cursor is of a log that no longer exists")
    return dict(zip(bounds, offsets, strict=True))


def _encode(offsets: Iterable[int]) -> str:
    data = bytearray()
    for offset in offsets:
        while offset >= 0x80:
            data.append(offset & 0x7F | 0x80)
            offset >>= 7
        data.append(offset)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> list[int] | None:
    """The reverse of `_encode`; None if it is none."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    offsets, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            offsets.append(value)
            value = shift = 0
    return offsets if not shift else None


def _out_of_range(why: str) -> MeshError:
    return MeshError(Kind.OUT_OF_RANGE, "CURSOR_TOO_OLD", f'{why}; start again from "0" or from now on')
