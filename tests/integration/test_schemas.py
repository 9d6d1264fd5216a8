"""Schemas in a real Schema Registry: a change that could not read what lies on the log is refused."""

from __future__ import annotations

import base64
import json
import subprocess
import uuid
from collections.abc import Iterator

import httpx
import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from mesh.errors import Kind, MeshError
from ovr.alpr.v1 import event_pb2
from storage.log.registry import Schema, SchemaRegistry, open_registry
from storage.log.values import schemas
from tests.builders.engines import needs
from tests.builders.kafka import registry_address
from wire.avro import SCHEMA_FILE
from wire.schema import self_contained

pytestmark = needs("OVR_TEST_SCHEMA_REGISTRY")
AVRO = Schema("AVRO", SCHEMA_FILE.read_text())


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    """The real registry."""
    with open_registry(registry_address(), {}) as found:
        yield found


@pytest.fixture
def subject() -> Iterator[str]:
    """A subject of the test's own."""
    name = f"t{uuid.uuid4().hex[:8]}/value"
    yield name
    with httpx.Client(base_url=registry_address()) as client:
        path = f"/subjects/{name.replace('/', '%2F')}"
        client.delete(path)
        client.delete(path, params={"permanent": "true"})


def before() -> str | None:
    """The Avro schema of the commit before; None where there is none."""
    argv = ["git", "show", f"HEAD~1:schemas/{SCHEMA_FILE.name}"]
    shown = subprocess.run(argv, cwd=SCHEMA_FILE.parent, capture_output=True, text=True, check=False)
    return shown.stdout if shown.returncode == 0 else None


def test_this_avro_schema_reads_what_the_commit_before_wrote(registry: SchemaRegistry, subject: str) -> None:
    """Whoever changes the schema so that it cannot learns it here; `buf breaking` says the same of
    protobuf."""
    older = before()
    if older is None:
        pytest.skip("the commit before has no Avro schema")
    registry.register(subject, Schema("AVRO", older))
    registry.hold_compatible(subject)
    registry.register(subject, AVRO)


def test_registering_again_gives_the_same_id(registry: SchemaRegistry, subject: str) -> None:
    """A deployment that is repeated changes nothing, and a service finds the id by the schema alone."""
    assert registry.id_of(subject, AVRO) is None
    id = registry.register(subject, AVRO)
    assert registry.register(subject, AVRO) == registry.id_of(subject, AVRO) == id
    found = registry.schema(id)
    assert found is not None
    assert (found.format, json.loads(found.text)) == ("AVRO", json.loads(AVRO.text))


def test_an_id_that_nobody_gave_has_no_schema(registry: SchemaRegistry) -> None:
    """What cannot be found is None, not an error."""
    assert registry.schema(2**31 - 1) is None


def without_default() -> Schema:
    """A new field that older events lack and that has no default."""
    schema = json.loads(AVRO.text)
    schema["fields"].append({"name": "novel", "type": "string"})
    return Schema("AVRO", json.dumps(schema))


def with_default() -> Schema:
    """A new field with a default."""
    schema = json.loads(AVRO.text)
    schema["fields"].append({"name": "novel", "type": "string", "default": ""})
    return Schema("AVRO", json.dumps(schema))


def protobuf(type: int | None, number: int) -> Schema:
    """The contract's event with a first field of another type, or with one field more."""
    file = self_contained(event_pb2.PlateEvent.DESCRIPTOR)
    if type is not None:
        file.message_type[0].field[0].type = type  # type: ignore[assignment]
    else:
        label, kind = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.TYPE_STRING
        file.message_type[0].field.add(name="novel", number=number, label=label, type=kind)
    return Schema("PROTOBUF", base64.b64encode(file.SerializeToString()).decode())


def plain() -> Schema:
    """The contract's event."""
    return schemas()["plate-events-value"]


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        (AVRO, with_default(), True),
        (AVRO, without_default(), False),
        (plain(), protobuf(None, 999), True),
        (plain(), protobuf(FieldDescriptorProto.TYPE_INT32, 0), False),
    ],
    ids=["avro-adds", "avro-breaks", "protobuf-adds", "protobuf-breaks"],
)
def test_the_registry_takes_what_fits_and_refuses_what_breaks(
    registry: SchemaRegistry, subject: str, first: Schema, second: Schema, fits: bool
) -> None:
    """A field may be added with a default; one that older values lack, or whose type changed, stops the
    deployment."""
    registry.register(subject, first)
    registry.hold_compatible(subject)
    if fits:
        assert registry.register(subject, second) != registry.id_of(subject, first)
        return
    with pytest.raises(MeshError) as caught:
        registry.register(subject, second)
    assert (caught.value.kind, caught.value.reason) == (Kind.FAILED_PRECONDITION, "SCHEMA_INCOMPATIBLE")


def test_a_registry_that_is_not_there_is_unavailable() -> None:
    """Nothing listens: the error says so and that a retry may help."""
    with open_registry("http://127.0.0.1:1", {}) as nowhere, pytest.raises(MeshError) as caught:
        nowhere.schema(1)
    assert (caught.value.kind, caught.value.retry_after) == (Kind.UNAVAILABLE, 1.0)
