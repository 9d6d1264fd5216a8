"""The contract's own rules (protovalidate), checked on every message that comes in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from google.protobuf.message import Message

from mesh.errors import FieldViolation, Kind, MeshError

T = TypeVar("T", bound=Message)


def check(message: Message) -> None:
    """Raise MeshError(INVALID, INVALID_REQUEST) that names each field which breaks a rule of the contract."""
    import protovalidate  # compiled and slow to load: by the first request, not by every start

    found = protovalidate.collect_violations(message)
    if not found:
        return
    fields = tuple(FieldViolation(_path(item.proto.field), item.proto.message) for item in found)
    first = fields[0]
    raise MeshError(
        Kind.INVALID,
        "INVALID_REQUEST",
        f"{type(message).__name__} breaks the contract: {first.field or 'message'} {first.description}",
        fields=fields,
    )


async def checked(messages: AsyncIterator[T]) -> AsyncIterator[T]:
    """The stream's messages, each checked as it comes."""
    async for message in messages:
        check(message)
        yield message


def _path(field: object) -> str:
    """The path of a field, such as `frame.blobs[2].sha256`."""
    parts: list[str] = []
    for element in getattr(field, "elements", ()):
        name = element.field_name
        parts.append(f".{name}" if parts else name)
        parts.append(_subscript(element))
    return "".join(parts)


def _subscript(element: object) -> str:
    subscript = getattr(element, "subscript", None)
    if subscript is None:
        return ""
    return f"[{getattr(subscript, 'value', subscript)}]"
