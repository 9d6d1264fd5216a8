"""The contract's JSON: what the gateway writes and reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import contract, examples
from gateway.rpcs import RPCS
from mesh.errors import MeshError
from ovr.alpr.v1 import alert_pb2, event_pb2, gateway_pb2, ingest_pb2, query_pb2

NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    # protobuf's own reader refuses the very largest single-precision number
    FieldDescriptor.CPPTYPE_FLOAT: st.one_of(
        st.floats(-(2.0**100), 2.0**100, width=32),
        st.sampled_from([float("inf"), float("-inf"), float("nan")]),
    ),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}


def single(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    """Values of one field."""
    if field.message_type is not None:
        return messages(field.message_type._concrete_class, depth - 1)
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return st.binary(max_size=4) if field.type == FieldDescriptor.TYPE_BYTES else st.text(max_size=4)
    return NUMBERS[field.cpp_type]


@st.composite
def messages(draw: Any, kind: type[Message], depth: int = 4) -> Message:
    """Messages of a type with any fields set."""
    message: Any = kind()
    if kind.DESCRIPTOR.full_name == contract.TIMESTAMP:
        message.seconds = draw(st.integers(0, 2**32))
        message.nanos = draw(st.sampled_from((0, 5_000_000, 123_000, 7, 999_999_999)))
        return message
    for field in kind.DESCRIPTOR.fields:
        if depth == 0 or not draw(st.booleans()):
            continue
        if contract._is_map(field):
            getattr(message, field.name).update(draw(st.dictionaries(st.text(max_size=3), st.integers(0, 9))))
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(single(field, depth), max_size=2)))
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(draw(single(field, depth)))
        else:
            setattr(message, field.name, draw(single(field, depth)))
    return message


ANY = st.one_of(
    messages(kind)
    for kind in (
        event_pb2.PlateEvent,
        query_pb2.ListCamerasResponse,
        query_pb2.ExplainEventResponse,
        alert_pb2.Alert,
        gateway_pb2.ReadImageResponse,
        ingest_pb2.ReportStatusRequest,
    )
)


@settings(deadline=None, max_examples=60)
@given(ANY)
def test_json_is_protobufs_json(message: Message) -> None:
    """What is written is, value for value, what protobuf's own JSON writes with the same options."""
    expected = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    assert json.loads(contract.to_json(message)) == expected


@settings(deadline=None, max_examples=30)
@given(messages(event_pb2.PlateEvent))
def test_json_is_read_back(message: Message) -> None:
    """A message survives the way to JSON and back, but for the payload of a NaN."""
    assert contract.to_json(contract.from_json(contract.to_json(message), type(message))) == contract.to_json(
        message
    )


def test_fields_keep_the_contracts_order() -> None:
    """JSON lists fields as the contract does, so that people find their way."""
    names = list(json.loads(contract.to_json(examples.event())))
    assert names == [field.name for field in event_pb2.PlateEvent.DESCRIPTOR.fields]


def test_numbers_are_short() -> None:
    """A single-precision number is written with its own digits, not those of its double."""
    assert b'"confidence":0.93' in contract.to_json(examples.plate())


def test_nested_messages_become_parameters() -> None:
    """The filter's fields stand beside those of the request."""
    assert set(contract.parameters(query_pb2.ListEventsRequest.DESCRIPTOR)) == {
        *("camera_ids", "from", "to", "outcomes", "regions", "min_confidence", "site_ids"),
        *("page_size", "page_token"),
    }


@pytest.mark.parametrize("rpc", [rpc for rpc in RPCS if rpc.verb == "GET"], ids=lambda rpc: rpc.rpc.name)
def test_no_two_parameters_clash(rpc: Any) -> None:
    """Every request that is asked by GET can be said in a query."""
    contract.parameters(rpc.rpc.input_type)


def test_query_becomes_a_request() -> None:
    """Lists repeat, enumerations may be short or full, times are RFC 3339 with any offset."""
    pairs = [
        ("camera_ids", "a"),
        ("camera_ids", "b"),
        ("outcomes", "read"),
        ("outcomes", "OUTCOME_NO_PLATE"),
        ("from", "2026-03-01T13:00:00+01:00"),
        ("min_confidence", "0.5"),
        ("page_size", "7"),
    ]
    request = contract.from_query(pairs, query_pb2.ListEventsRequest)
    assert list(request.filter.camera_ids) == ["a", "b"]
    assert list(request.filter.outcomes) == [event_pb2.OUTCOME_READ, event_pb2.OUTCOME_NO_PLATE]
    assert getattr(request.filter, "from").ToJsonString() == "2026-03-01T12:00:00Z"
    assert (request.filter.min_confidence, request.page_size) == (0.5, 7)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("page_size", "many"), "no whole number"),
        (("page_size", "-1"), "outside 0"),
        (("page_size", "4294967296"), "outside 0"),
        (("min_confidence", "high"), "no number"),
        (("outcomes", "READABLE"), "is none of read"),
        (("from", "yesterday"), "no time of RFC 3339"),
        (("nonsense", "1"), "is no parameter here"),
    ],
)
def test_a_wrong_parameter_is_named(pair: tuple[str, str], words: str) -> None:
    """What is wrong with a query is said with the parameter's name."""
    with pytest.raises(MeshError, match=words) as caught:
        contract.from_query([pair], query_pb2.ListEventsRequest)
    assert caught.value.fields[0].field == pair[0]


def test_a_single_parameter_given_twice_is_refused() -> None:
    """Which of two values is meant is not guessed."""
    with pytest.raises(MeshError, match="more than once"):
        contract.from_query([("page_size", "1"), ("page_size", "2")], query_pb2.ListEventsRequest)


def test_what_the_path_gives_cannot_be_given_again() -> None:
    """A query cannot ask for another event than the path."""
    fixed = {"event_id": "1"}
    with pytest.raises(MeshError, match="is no parameter here"):
        contract.from_query([("event_id", "2")], query_pb2.GetEventRequest, fixed=fixed)


@pytest.mark.parametrize("flag", [("true", True), ("1", True), ("", True), ("false", False), ("0", False)])
def test_flags(flag: tuple[str, bool]) -> None:
    """A flag may stand alone."""
    pairs = [("text", "A"), ("mode", "exact"), ("confusables", flag[0])]
    assert contract.from_query(pairs, query_pb2.SearchEventsRequest).confusables is flag[1]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"nonsense": 1}', b'{"text": 5}', b"\xff\xfe"])
def test_a_body_that_is_none_is_refused(body: bytes) -> None:
    """Broken JSON, unknown fields and wrong types are the caller's fault, and said so."""
    with pytest.raises(MeshError, match="is no TestRuleRequest"):
        contract.from_json(body, alert_pb2.TestRuleRequest)
