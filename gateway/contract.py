"""The contract's JSON: protobuf messages to JSON and back, compiled once for each message type.

Field names are the contract's own (`event_id`, not `eventId`), fields without presence are always there, and
everything else is protobuf's JSON mapping: enumerations by name, 64-bit integers as strings, times as RFC
3339. The answer is what `google.protobuf.json_format` gives with these options, which a test holds it to, at
a tenth of its time.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import cache, lru_cache
from typing import Any, TypeVar

import numpy as np
import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.errors import FieldViolation, Kind, MeshError

M = TypeVar("M", bound=Message)
Encoder = Callable[[Any], Any]

TIMESTAMP = Timestamp.DESCRIPTOR.full_name
INTEGERS_AS_STRINGS = frozenset(
    (
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_SFIXED64,
        FieldDescriptor.TYPE_SINT64,
    )
)
DOUBLES = frozenset((FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT))


def to_json(message: Message) -> bytes:
    """The message as the contract's JSON, UTF-8."""
    return orjson.dumps(_encoder(message.DESCRIPTOR)(message), option=orjson.OPT_SERIALIZE_NUMPY)


def from_json(data: bytes, message: type[M]) -> M:
    """The message that `data` stands for; MeshError INVALID saying what is wrong with it."""
    if not data.lstrip().startswith(b"{"):
        raise invalid("BODY_NOT_CONTRACT", f"the body is no {message.DESCRIPTOR.name}: it is no JSON object")
    try:
        return json_format.Parse(data, message())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise invalid("BODY_NOT_CONTRACT", f"the body is no {message.DESCRIPTOR.name}: {error}") from error


def invalid(reason: str, description: str, *, field: str = "") -> MeshError:
    """A request that breaks the contract; with `field`, the error names it."""
    fields = (FieldViolation(field, description),) if field else ()
    text = f"{field}: {description}" if field else description
    return MeshError(Kind.INVALID, reason, text, fields=fields)


def descriptor_of(message: type[Message]) -> Descriptor:
    """The descriptor of a message class, whose stubs promise too little."""
    descriptor: Any = message.DESCRIPTOR
    assert isinstance(descriptor, Descriptor)
    return descriptor


@cache
def _encoder(descriptor: Descriptor) -> Encoder:
    """Message of `descriptor`'s type -> what orjson takes, in the contract's order.

    A message must not contain itself."""
    if descriptor.full_name == TIMESTAMP:
        return timestamp
    fields = [(field.name, field.has_presence, _field_encoder(field)) for field in descriptor.fields]

    def encode(message: Any) -> dict[str, Any]:
        answer = {}
        for name, optional, convert in fields:
            if optional and not message.HasField(name):
                continue
            value = getattr(message, name)
            answer[name] = value if convert is None else convert(value)
        return answer

    return encode


def _field_encoder(field: FieldDescriptor) -> Encoder | None:
    """Value of `field` -> what orjson takes; None where it takes the value itself."""
    if _is_map(field):
        return _map_encoder(field.message_type)
    convert = _single_encoder(field)
    if not field.is_repeated:
        return convert
    if convert is None:
        return list
    single = convert
    return lambda values: [single(value) for value in values]


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _map_encoder(entry: Descriptor | None) -> Encoder:
    assert entry is not None
    convert = _single_encoder(entry.fields_by_name["value"]) or (lambda value: value)
    boolean = entry.fields_by_name["key"].type == FieldDescriptor.TYPE_BOOL
    key = (lambda value: str(value).lower()) if boolean else str
    return lambda items: {key(name): convert(value) for name, value in items.items()}


def _single_encoder(field: FieldDescriptor) -> Encoder | None:
    """One value of `field` -> what orjson takes; None where it takes the value itself."""
    if field.message_type is not None:
        return _encoder(field.message_type)
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda number: names.get(number, number)
    if field.type in INTEGERS_AS_STRINGS:
        return str
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return _float
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _double
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode("ascii")
    return None


def _double(value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _float(value: float) -> Any:
    # as numpy's float32, because orjson then writes the shortest digits that give this single-precision
    # number
    return np.float32(value) if math.isfinite(value) else _double(value)


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def timestamp(moment: Timestamp) -> str:
    """RFC 3339 in UTC with 0, 3, 6 or 9 digits after the second, as protobuf's JSON has it."""
    text, nanos = _second(moment.seconds), moment.nanos
    if not nanos:
        return f"{text}Z"
    if nanos % 1_000_000 == 0:
        return f"{text}.{nanos // 1_000_000:03d}Z"
    return f"{text}.{nanos // 1_000:06d}Z" if nanos % 1_000 == 0 else f"{text}.{nanos:09d}Z"


def parameters(descriptor: Descriptor) -> dict[str, tuple[FieldDescriptor, ...]]:
    """The query parameters a request message takes: name -> path of fields; those of a nested message stand
    beside it.

    A message that is no time is opened up (`filter.camera_ids` is the parameter `camera_ids`); names must
    not clash.
    """
    found: dict[str, tuple[FieldDescriptor, ...]] = {}
    for field in descriptor.fields:
        nested = field.message_type
        inner = (
            {name: (field, *path) for name, path in parameters(nested).items()}
            if nested is not None and nested.full_name != TIMESTAMP and not field.is_repeated
            else {field.name: (field,)}
        )
        if clash := found.keys() & inner.keys():
            raise ValueError(
                f"{descriptor.full_name}: two fields are the query parameter {sorted(clash)[0]!r}"
            )
        found.update(inner)
    return found


def from_query(
    pairs: Iterable[tuple[str, str]], message: type[M], *, fixed: Mapping[str, str] | None = None
) -> M:
    """The request that query parameters stand for; `fixed` are those that the path gives.

    MeshError INVALID naming the parameter for one that is unknown, given twice, or not of its type.
    """
    fixed = fixed or {}
    allowed = parameters(descriptor_of(message))
    values: dict[str, list[str]] = {name: [value] for name, value in fixed.items()}
    for name, value in pairs:
        if name not in allowed or name in fixed:
            known = ", ".join(sorted(allowed.keys() - fixed.keys())) or "none"
            raise invalid("UNKNOWN_PARAMETER", f"is no parameter here; known are: {known}", field=name)
        values.setdefault(name, []).append(value)
    request = message()
    for name, texts in values.items():
        _assign(request, allowed[name], name, texts)
    return request


def _assign(request: Message, path: Sequence[FieldDescriptor], name: str, texts: list[str]) -> None:
    target: Any = request
    for step in path[:-1]:
        target = getattr(target, step.name)
        target.SetInParent()
    field = path[-1]
    if field.is_repeated:
        getattr(target, field.name).extend(_parse(field, name, text) for text in texts)
        return
    if len(texts) > 1:
        raise invalid("PARAMETER_REPEATED", "is given more than once", field=name)
    value = _parse(field, name, texts[0])
    if isinstance(value, Timestamp):
        getattr(target, field.name).CopyFrom(value)
    else:
        setattr(target, field.name, value)


def _parse(field: FieldDescriptor, name: str, text: str) -> Any:
    """One value of a parameter; MeshError INVALID naming it."""
    try:
        return _value(field, text)
    except (ValueError, OverflowError) as error:
        raise invalid("PARAMETER_INVALID", str(error), field=name) from error


def _value(field: FieldDescriptor, text: str) -> Any:
    if field.message_type is not None:
        return _time(text)
    if field.enum_type is not None:
        return enum_number(field.enum_type, text)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if text not in ("true", "false", "1", "0", ""):
            raise ValueError(f"{text!r} is neither true nor false")
        return text in ("true", "1", "")
    if field.type in DOUBLES:
        return _number(text)
    if field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
        return _integer(field, text)
    return text


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None


def _integer(field: FieldDescriptor, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number") from None
    bits = 64 if field.type in INTEGERS_AS_STRINGS else 32
    unsigned = field.cpp_type in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not low <= number <= high:
        raise ValueError(f"{number} is outside {low} to {high}")
    return number


def _time(text: str) -> Timestamp:
    """A time of RFC 3339; ValueError saying what is wrong."""
    moment = Timestamp()
    try:
        # a "+" in a query arrives as a space
        moment.FromJsonString(text.replace(" ", "+"))
    except ValueError as error:
        raise ValueError(f"{text!r} is no time of RFC 3339 such as 2026-11-23T15:00:00Z") from error
    return moment


def enum_prefix(enum: EnumDescriptor) -> str:
    """What the names of an enumeration's values begin with: `SEARCH_MODE_` for SEARCH_MODE_UNSPECIFIED."""
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")


def enum_number(enum: EnumDescriptor, text: str) -> int:
    """The value named `text`: in full (SEARCH_MODE_EXACT) or short (exact); ValueError naming those there
    are."""
    prefix = enum_prefix(enum)
    name = text.strip().upper().replace("-", "_")
    value = enum.values_by_name.get(name) or enum.values_by_name.get(prefix + name)
    if value is None:
        known = ", ".join(item.name.removeprefix(prefix).lower() for item in enum.values if item.number)
        raise ValueError(f"{text!r} is none of {known}")
    return int(value.number)
