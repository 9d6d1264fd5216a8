"""Schemas for a registry, made from the contract's descriptors."""

from __future__ import annotations

import base64

import pytest
from google.protobuf import descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from ovr.alpr.v1 import alert_pb2, event_pb2, ingest_pb2
from tests.builders.events import event
from wire.event import event_to_bytes
from wire.schema import registry_text, self_contained

MESSAGES = [
    event_pb2.PlateEvent.DESCRIPTOR,
    alert_pb2.Alert.DESCRIPTOR,
    ingest_pb2.ReportStatusRequest.DESCRIPTOR,
]


def loaded(message: Descriptor) -> Descriptor:
    """The message as somebody has it who knows nothing but the schema's text."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    file = FileDescriptorProto.FromString(base64.b64decode(registry_text(message)))
    pool.Add(file)
    return pool.FindMessageTypeByName(message.full_name)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_a_schema_needs_nothing_but_googles_own_types(message: Descriptor) -> None:
    """It loads on its own, with the message first: its path within the schema is the shortest."""
    file = self_contained(message)
    assert set(file.dependency) <= {"google/protobuf/timestamp.proto"}
    assert file.message_type[0].name == message.name
    fields = [(field.name, field.number) for field in message.fields]
    assert [(field.name, field.number) for field in loaded(message).fields] == fields


def test_who_has_the_schema_alone_reads_an_event() -> None:
    """An event of ours decodes by the schema's text to the same JSON and the same bytes."""
    sent = event_to_bytes(event())
    theirs = message_factory.GetMessageClass(loaded(event_pb2.PlateEvent.DESCRIPTOR)).FromString(sent)
    assert str(theirs) == str(event_pb2.PlateEvent.FromString(sent))


def test_the_text_is_always_the_same() -> None:
    """A registry finds the schema by its text, so it may not change from process to process."""
    first = registry_text(event_pb2.PlateEvent.DESCRIPTOR)
    assert first == registry_text(event_pb2.PlateEvent.DESCRIPTOR)
