"""Values as they lie on Kafka: protobuf or Avro behind the id of their schema, as Confluent's serialisers
write them. Above the adapter of the log every value is bare protobuf.

    0 | schema id, 4 bytes, big-endian | protobuf only: which message of the schema | the value
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError

from mesh.errors import Kind, MeshError
from ovr.alpr.v1 import alert_pb2, event_pb2, ingest_pb2
from storage.log.port import ALERTS, PLATE_EVENTS, SYSTEM_METRICS
from storage.log.registry import Schema, SchemaRegistry
from wire import avro
from wire.schema import registry_text

EventFormat = Literal["protobuf", "avro"]
MESSAGES: Mapping[str, Descriptor] = MappingProxyType(
    {
        PLATE_EVENTS: event_pb2.PlateEvent.DESCRIPTOR,
        ALERTS: alert_pb2.Alert.DESCRIPTOR,
        SYSTEM_METRICS: ingest_pb2.ReportStatusRequest.DESCRIPTOR,
    }
)
"""What the values of a topic are; the values of other topics are carried as they are."""
_MAGIC = b"\x00"
_HEADER_BYTES = 5
_FIRST_MESSAGE = b"\x00"
_Read = Callable[[bytes], bytes]


def subject_of(topic: str, format: EventFormat) -> str:
    """The subject that holds the schemas of a topic's values. A registry compares the schemas of one subject,
    and cannot compare those of two formats."""
    return f"{topic}-value" if format == "protobuf" else f"{topic}-avro-value"


def schemas(prefix: str = "") -> dict[str, Schema]:
    """Every schema that this version writes, by its subject; `prefix` is that of the topics."""
    found = {
        subject_of(prefix + topic, "protobuf"): Schema("PROTOBUF", registry_text(message))
        for topic, message in MESSAGES.items()
    }
    shipped = Schema("AVRO", avro.SCHEMA_FILE.read_text())
    return {**found, subject_of(prefix + PLATE_EVENTS, "avro"): shipped}


class Values:
    """Between bare protobuf and what lies on Kafka. Asks the registry once for each schema, and then blocks:
    call it from a thread. Topics are named without their prefix."""

    def __init__(self, registry: SchemaRegistry, event_format: EventFormat, prefix: str = "") -> None:
        self._registry = registry
        self._event_format = event_format
        self._prefix = prefix
        self._avro = avro.AvroEvents.shipped()
        self._writers: dict[str, bytes] = {}
        self._readers: dict[int, _Read] = {}

    def quick(self, topic: str) -> bool:
        """Whether `frame` needs no thread: it has nothing to ask, and no Avro to write, which takes a
        millisecond an event."""
        return topic not in MESSAGES or (topic in self._writers and self._format(topic) == "protobuf")

    def prepare(self, topic: str) -> None:
        """Learn what `frame` needs for a topic. UNAVAILABLE if the registry cannot be asked, or does not
        hold the schema of this version: deployment registers it, services never do."""
        if topic not in MESSAGES or topic in self._writers:
            return
        format = self._format(topic)
        subject = subject_of(self._prefix + topic, format)
        id = self._registry.id_of(subject, schemas(self._prefix)[subject])
        if id is None:
            raise MeshError(
                Kind.UNAVAILABLE,
                "SCHEMA_NOT_REGISTERED",
                f"subject {subject} does not hold this version's schema; `ovr kafka init` registers it",
                retry_after=1.0,
            )
        message = _FIRST_MESSAGE if format == "protobuf" else b""
        self._writers[topic] = _MAGIC + id.to_bytes(4, "big") + message

    def frame(self, topic: str, value: bytes) -> bytes:
        """A value as Kafka is to hold it; one that is framed already, as a dead letter may keep it, stays as
        it is. INVALID if it cannot be written in the format of its topic."""
        if topic not in MESSAGES or value.startswith(_MAGIC):  # no protobuf begins so
            return value
        self.prepare(topic)
        if self._format(topic) == "avro":
            try:
                value = self._avro.encode(value)
            except (DecodeError, ValueError) as error:
                raise MeshError(Kind.INVALID, "NOT_AN_EVENT", f"value is no PlateEvent: {error}") from error
        return self._writers[topic] + value

    def unframe(self, topic: str, data: bytes) -> bytes:
        """A value of Kafka as bare protobuf; what cannot be understood as it is, for whoever decodes it to
        say so. UNAVAILABLE if the registry must be asked and does not answer."""
        if topic not in MESSAGES or len(data) < _HEADER_BYTES or not data.startswith(_MAGIC):
            return data
        read = self._reader(int.from_bytes(data[1:_HEADER_BYTES], "big"))
        try:
            return read(data[_HEADER_BYTES:]) if read is not None else data
        except ValueError:
            return data

    def _format(self, topic: str) -> EventFormat:
        return self._event_format if topic == PLATE_EVENTS else "protobuf"

    def _reader(self, id: int) -> _Read | None:
        if id in self._readers:
            return self._readers[id]
        schema = self._registry.schema(id)
        read: _Read | None = None
        if schema is not None and schema.format == "PROTOBUF":
            read = _behind_indexes
        elif schema is not None and schema.format == "AVRO":
            read = self._avro_reader(schema.text)
        if read is not None:
            self._readers[id] = read
        return read

    def _avro_reader(self, text: str) -> _Read | None:
        try:
            writer = avro.parse(text)
        except ValueError:
            return None
        return lambda data: self._avro.decode(data, writer)


def _behind_indexes(body: bytes) -> bytes:
    """A protobuf value without the path to its message: zigzag varints, how many and which; one 0 stands for
    the first message. The topic already says which message it is."""
    count, at = _varint(body, 0)
    for _ in range(count >> 1):
        _, at = _varint(body, at)
    return body[at:]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 28:
            raise ValueError("no varint")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
