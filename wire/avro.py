"""`PlateEvent` as Avro: the contract's message, field for field, by `schemas/plate_event.avsc`."""

from __future__ import annotations

import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import fastavro
from fastavro.read import SchemaResolutionError
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ovr.alpr.v1 import event_pb2

SCHEMA_FILE = Path(__file__).resolve().parent.parent / "schemas" / "plate_event.avsc"
Schema: TypeAlias = Any  # what fastavro makes of a schema
_TIMESTAMP = "google.protobuf.Timestamp"
_MAX_LONG = 2**63 - 1


def parse(text: str) -> Schema:
    """A schema that can be read and written with; ValueError if it is none."""
    try:
        return fastavro.parse_schema(json.loads(text))
    except (fastavro.schema.SchemaParseException, fastavro.schema.UnknownType) as error:
        raise ValueError(f"no Avro schema: {error}") from error


class AvroEvents:
    """Events between serialised protobuf and Avro."""

    def __init__(self, text: str) -> None:
        """`text` is the schema of this version."""
        self.text = text
        self._schema = parse(text)

    @classmethod
    def shipped(cls) -> AvroEvents:
        """By the schema that this version ships."""
        return cls(SCHEMA_FILE.read_text())

    def encode(self, event: bytes) -> bytes:
        """A serialised PlateEvent as Avro, without its schema; DecodeError or ValueError if it is none or has
        a value that this version does not know."""
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._schema, to_avro(event_pb2.PlateEvent.FromString(event)))
        return out.getvalue()

    def decode(self, data: bytes, writer: Schema) -> bytes:
        """The serialised PlateEvent of what was written with the schema `writer`; ValueError if `data` is not
        of that schema, or the schema not of events."""
        try:
            record = fastavro.schemaless_reader(io.BytesIO(data), writer, self._schema)
        except (EOFError, IndexError, OverflowError, ValueError, SchemaResolutionError) as error:
            raise ValueError(f"not of its Avro schema: {type(error).__name__}") from error
        if not isinstance(record, dict):
            raise ValueError("the Avro schema is not one of events")
        event = event_pb2.PlateEvent()
        from_avro(record, event)
        return event.SerializeToString()


def to_avro(message: Message) -> dict[str, Any]:
    """A message as the record that fastavro writes; times as microseconds since 1970."""
    return {field.name: _value(message, field) for field in message.DESCRIPTOR.fields}


def _value(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_single(item, field) for item in value]
    if field.message_type is not None and not message.HasField(field.name):
        return None
    return _single(value, field)


def _single(value: Any, field: Any) -> Any:
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        if known is None:
            raise ValueError(f"{field.name}: value {value} is not known to this version")
        return known.name
    if field.message_type is None:
        if field.type == FieldDescriptor.TYPE_UINT64 and value > _MAX_LONG:
            raise ValueError(f"{field.name}: {value} does not fit into Avro's long")
        return value
    if field.message_type.full_name == _TIMESTAMP:
        return value.ToMicroseconds()
    return to_avro(value)


def from_avro(record: dict[str, Any], message: Message) -> None:
    """Fill an empty message from a record that fastavro read; what is null stays absent."""
    for field in message.DESCRIPTOR.fields:
        value = record[field.name]
        if field.is_repeated:
            for item in value:
                from_avro(item, getattr(message, field.name).add())
        elif field.message_type is not None:
            if value is not None:
                _fill(getattr(message, field.name), value)
        elif field.enum_type is not None:
            setattr(message, field.name, field.enum_type.values_by_name[value].number)
        else:
            setattr(message, field.name, value)


def _fill(message: Any, value: dict[str, Any] | datetime) -> None:
    message.SetInParent()
    if isinstance(value, datetime):
        message.FromDatetime(value)
    else:
        from_avro(value, message)
