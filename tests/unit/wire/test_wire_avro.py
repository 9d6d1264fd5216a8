"""Avro against the contract: every field, losslessly, and whatever else comes as ValueError."""

from __future__ import annotations

import io
import json
from datetime import datetime, timezone
from typing import Any

import fastavro
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from ovr.alpr.v1 import event_pb2
from tests.builders.events import event, picture
from wire.avro import SCHEMA_FILE, AvroEvents, parse, to_avro
from wire.event import event_to_bytes

EVENTS = AvroEvents.shipped()
SCHEMA = parse(EVENTS.text)
TIMESTAMP = "google.protobuf.Timestamp"
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(timezone.utc))
SCALARS = {
    FieldDescriptor.TYPE_STRING: st.text(max_size=8),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32, allow_nan=False),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**63 - 1),
}


@st.composite
def filled(draw: st.DrawFn, message: Message) -> Message:
    """The message with any of its fields set to anything that they can hold."""
    for field in message.DESCRIPTOR.fields:
        if draw(st.booleans()):
            continue
        if field.is_repeated:
            for _ in range(draw(st.integers(0, 2))):
                draw(filled(getattr(message, field.name).add()))
        elif field.message_type is not None and field.message_type.full_name == TIMESTAMP:
            getattr(message, field.name).FromDatetime(draw(MOMENTS))
        elif field.message_type is not None:
            getattr(message, field.name).SetInParent()
            draw(filled(getattr(message, field.name)))
        elif field.enum_type is not None:
            setattr(message, field.name, draw(st.sampled_from([*field.enum_type.values_by_number])))
        else:
            setattr(message, field.name, draw(SCALARS[field.type]))
    return message


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_an_event_holds_comes_back(data: st.DataObject) -> None:
    """Any message of the contract is the same after Avro, absent fields included, times to the
    microsecond."""
    sent = data.draw(filled(event_pb2.PlateEvent()))
    back = EVENTS.decode(EVENTS.encode(sent.SerializeToString()), SCHEMA)
    assert event_pb2.PlateEvent.FromString(back) == sent


def test_the_schema_has_every_field_and_every_value_of_the_contract() -> None:
    """Records, fields, their order and the enums' symbols are those of PlateEvent and what it holds."""
    records: dict[str, Any] = {}

    def gather(schema: Any) -> None:
        if isinstance(schema, list):
            for part in schema:
                gather(part)
        elif isinstance(schema, dict):
            if schema.get("type") in ("record", "enum"):
                records[schema["name"]] = schema
            for part in (schema.get("type"), schema.get("items"), *schema.get("fields", ())):
                gather(part)

    gather(json.loads(SCHEMA_FILE.read_text()))

    def compare(message: Descriptor) -> None:
        record = records[message.name]
        assert [field["name"] for field in record["fields"]] == [field.name for field in message.fields]
        for field in message.fields:
            if field.enum_type is not None:
                symbols = [value.name for value in field.enum_type.values]
                assert records[field.enum_type.name]["symbols"] == symbols
            elif field.message_type is not None and field.message_type.full_name != TIMESTAMP:
                compare(field.message_type)

    compare(event_pb2.PlateEvent.DESCRIPTOR)


def test_every_field_has_a_default_so_that_old_values_stay_readable() -> None:
    """A record written before a field was there is read with the field's default."""
    older = json.loads(SCHEMA_FILE.read_text())
    older["fields"] = [field for field in older["fields"] if field["name"] not in ("trace_id", "closed_at")]
    data = AvroEvents(json.dumps(older)).encode(event_to_bytes(event(trace_id="0" * 32)))
    back = event_pb2.PlateEvent.FromString(EVENTS.decode(data, parse(json.dumps(older))))
    assert back.trace_id == ""
    assert not back.HasField("closed_at")
    assert back.plate.text == "AB12CDE"


def test_an_older_version_reads_what_a_newer_one_wrote() -> None:
    """A field and an enum's symbol that are not known are left out."""
    newer = json.loads(SCHEMA_FILE.read_text())
    newer["fields"].append({"name": "novel", "type": "string", "default": ""})
    clock = next(field for field in newer["fields"] if field["name"] == "clock")
    clock["type"]["symbols"].append("CLOCK_SOURCE_SUNDIAL")
    record = {**to_avro(event_pb2.PlateEvent(event_id="e")), "clock": "CLOCK_SOURCE_SUNDIAL", "novel": "x"}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parse(json.dumps(newer)), record)
    back = event_pb2.PlateEvent.FromString(EVENTS.decode(out.getvalue(), parse(json.dumps(newer))))
    assert (back.event_id, back.clock) == ("e", 0)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8), st.integers(0, 600))
def test_damaged_bytes_are_refused_or_read_never_worse(changes: list[tuple[int, int]], length: int) -> None:
    """Bytes that were changed or cut either still are an event or raise ValueError."""
    data = bytearray(EVENTS.encode(event_to_bytes(event(evidence=(picture(b"p")[0],)))))
    for place, byte in changes:
        data[place % len(data)] = byte
    try:
        EVENTS.decode(bytes(data[:length]), SCHEMA)
    except ValueError:
        return


def test_a_schema_of_something_else_is_refused() -> None:
    """What was written with a schema that is not one of events is no event; what is no schema is said so."""
    with pytest.raises(ValueError):
        EVENTS.decode(b"\x06abc", parse('"string"'))
    with pytest.raises(ValueError):
        parse('{"type": "record"}')
    with pytest.raises(ValueError):
        parse("{")
