"""A message of the contract as one schema that needs no other: what a Schema Registry is given."""

from __future__ import annotations

import base64

from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

_WELL_KNOWN = "google/protobuf/"


def registry_text(message: Descriptor) -> str:
    """The schema as registries take it from clients: the file's descriptor, serialised, in base64.

    The same message always gives the same text."""
    return base64.b64encode(self_contained(message).SerializeToString(deterministic=True)).decode()


def self_contained(message: Descriptor) -> FileDescriptorProto:
    """A file with `message` first and all that it holds behind it; only Google's well-known types are
    imported. Validation rules are left out: they bind senders, not what can be decoded."""
    parts: dict[str, Descriptor | EnumDescriptor] = {}
    imports: set[str] = set()
    _gather(message, parts, imports)
    file = FileDescriptorProto(
        name=f"{message.full_name}.proto",
        package=message.file.package,
        syntax="proto3",
        dependency=sorted(imports),
    )
    for part in parts.values():
        if isinstance(part, Descriptor):
            _add_message(file, part)
        else:
            part.CopyToProto(file.enum_type.add())
    return file


def _gather(message: Descriptor, parts: dict[str, Descriptor | EnumDescriptor], imports: set[str]) -> None:
    if message.file.name.startswith(_WELL_KNOWN):
        imports.add(message.file.name)
        return
    if message.full_name in parts:
        return
    if message.containing_type is None:  # a nested one, such as a map's entry, comes with its holder
        parts[message.full_name] = message
    for field in message.fields:
        if field.message_type is not None:
            _gather(field.message_type, parts, imports)
        elif field.enum_type is not None:
            parts[field.enum_type.full_name] = field.enum_type


def _add_message(file: FileDescriptorProto, message: Descriptor) -> None:
    proto = DescriptorProto()
    message.CopyToProto(proto)
    _strip(proto)
    file.message_type.append(proto)


def _strip(proto: DescriptorProto) -> None:
    for field in proto.field:
        field.ClearField("options")
        field.ClearField("json_name")
    for oneof in proto.oneof_decl:
        oneof.ClearField("options")
    for nested in proto.nested_type:  # a map's entry keeps the option that makes it one
        _strip(nested)
