"""JSON schemas of the contract's messages: types from their descriptors, words from their comments, bounds
from their validation rules. Nothing is written down twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.contract import INTEGERS_AS_STRINGS, TIMESTAMP

Schema = dict[str, Any]

STRING_RULES = {"min_len": "minLength", "max_len": "maxLength", "pattern": "pattern"}
NUMBER_RULES = {
    "gte": "minimum",
    "lte": "maximum",
    "gt": "exclusiveMinimum",
    "lt": "exclusiveMaximum",
}
NUMBERS = ("float", "double", "int32", "uint32", "int64", "uint64")


@lru_cache(maxsize=1)
def comments() -> Mapping[str, str]:
    """The comments of the contracts, by full name; written by `make generate`."""
    loaded: dict[str, str] = orjson.loads(files("ovr.alpr.v1").joinpath("comments.json").read_bytes())
    return loaded


def comment(descriptor: Any) -> str:
    """What the contract says about a message, field, rpc or enumeration."""
    return comments().get(descriptor.full_name, "")


def ref(descriptor: Descriptor | EnumDescriptor) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{descriptor.name}"}


def components(messages: Iterable[Descriptor]) -> dict[str, Schema]:
    """Schemas by short name of the messages and of all that they contain."""
    found: dict[str, Schema] = {}
    waiting: list[Any] = list(messages)
    while waiting:
        descriptor = waiting.pop()
        if descriptor.name in found:
            continue
        if isinstance(descriptor, EnumDescriptor):
            found[descriptor.name] = enum_schema(descriptor)
            continue
        found[descriptor.name] = message_schema(descriptor)
        waiting += [inner for field in descriptor.fields for inner in _inner(field)]
    return dict(sorted(found.items()))


def _inner(field: FieldDescriptor) -> list[Descriptor | EnumDescriptor]:
    """The message or enumeration that a field needs a component for."""
    message = field.message_type
    if message is None:
        return [field.enum_type] if field.enum_type is not None else []
    if message.full_name == TIMESTAMP:
        return []
    if message.GetOptions().map_entry:
        return _inner(message.fields_by_name["value"])
    return [message]


def message_schema(descriptor: Descriptor) -> Schema:
    """An object; fields without presence are always there in answers."""
    schema: Schema = {
        "type": "object",
        "description": comment(descriptor),
        "properties": {field.name: field_schema(field) for field in descriptor.fields},
    }
    if always := [field.name for field in descriptor.fields if not field.has_presence]:
        schema["x-always-present"] = always
    return schema


def enum_schema(descriptor: EnumDescriptor) -> Schema:
    """The names of an enumeration, each with what it means."""
    lines = [f"- `{value.name}`: {comments().get(_value_name(value), '')}" for value in descriptor.values]
    return {
        "type": "string",
        "enum": [value.name for value in descriptor.values],
        "description": "\n".join([comment(descriptor), "", *lines]),
    }


def _value_name(value: Any) -> str:
    # descriptors put an enumeration's values beside it, our comments below it
    return f"{value.type.full_name}.{value.name}"


def field_schema(field: FieldDescriptor) -> Schema:
    """One field, with its comment and bounds."""
    rules = field.GetOptions().Extensions[validate_pb2.field]  # type: ignore[attr-defined]
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        value = message.fields_by_name["value"]
        schema: Schema = {"type": "object", "additionalProperties": single_schema(value, None)}
    elif field.is_repeated:
        schema = {"type": "array", "items": single_schema(field, rules.repeated.items)}
        _bound(schema, rules.repeated, {"min_items": "minItems", "max_items": "maxItems"})
        if rules.repeated.unique:
            schema["uniqueItems"] = True
    else:
        schema = single_schema(field, rules)
    if text := comment(field):
        # beside a $ref a description is allowed since OpenAPI 3.1
        schema["description"] = text
    return schema


def single_schema(field: FieldDescriptor, rules: Any) -> Schema:
    """One value of a field, by its type."""
    if field.message_type is not None:
        timestamp = field.message_type.full_name == TIMESTAMP
        return {"type": "string", "format": "date-time"} if timestamp else ref(field.message_type)
    if field.enum_type is not None:
        return ref(field.enum_type)
    schema = _scalar(field)
    if rules is not None:
        _bounds(schema, rules)
    return schema


def _scalar(field: FieldDescriptor) -> Schema:
    if field.type in INTEGERS_AS_STRINGS:
        unsigned = field.cpp_type == FieldDescriptor.CPPTYPE_UINT64
        return {"type": "string", "format": "uint64" if unsigned else "int64"}
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "format": "byte"}
    kinds: dict[int, Schema] = {
        FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
        FieldDescriptor.CPPTYPE_FLOAT: {"type": "number", "format": "float"},
        FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
        FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
        FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0},
        FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    }
    return dict(kinds[field.cpp_type])


def _bounds(schema: Schema, rules: Any) -> None:
    """The validation rules that JSON schema can say."""
    string = rules.string
    _bound(schema, string, STRING_RULES)
    if string.uuid:
        schema["format"] = "uuid"
    if getattr(string, "in"):
        schema["enum"] = list(getattr(string, "in"))
    for name in NUMBERS:
        if rules.HasField(name):
            _bound(schema, getattr(rules, name), NUMBER_RULES)


def _bound(schema: Schema, rules: Any, names: Mapping[str, str]) -> None:
    for name, keyword in names.items():
        if rules.HasField(name):
            value = getattr(rules, name)
            # single-precision bounds such as 0.1 would be written with sixteen digits
            schema[keyword] = float(f"{value:.7g}") if isinstance(value, float) else value
