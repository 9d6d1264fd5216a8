"""How the clients of Kafka and of the Schema Registry are configured, without either."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from mesh.errors import Kind, MeshError
from storage.log.kafka_client import address_of, failure
from storage.log.registry import Schema, open_registry
from storage.opening import open_log
from storage.settings import StorageSettings
from tests.builders.receivers import http_receiver

SCHEMA = Schema("AVRO", '"string"')


def settings(tmp_path: Path, properties: str) -> StorageSettings:
    """Settings with a file of properties."""
    file = tmp_path / "kafka.properties"
    file.write_text(properties)
    return StorageSettings(kafka="k:1", schema_registry="http://r:2", kafka_properties=file)


def test_properties_reach_the_client_and_leave_what_the_log_promises(tmp_path: Path) -> None:
    """Security comes from the file; what the log needs for its promises cannot be taken back by it; the
    registry's properties are not Kafka's."""
    text = "# who we are\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n\nacks=0\nschema.registry.x=y\n"
    client = address_of(settings(tmp_path, text)).client(acks="all")
    assert client["bootstrap.servers"] == "k:1"
    assert (client["security.protocol"], client["sasl.password"], client["acks"]) == (
        "SASL_SSL",
        "a=b",
        "all",
    )
    assert "schema.registry.x" not in client


def test_a_wrong_file_of_properties_is_named_with_its_line(tmp_path: Path) -> None:
    """What is no KEY=VALUE, and a file that is not there, say where; no value is shown."""
    with pytest.raises(MeshError, match=r"kafka\.properties:2: not KEY=VALUE") as caught:
        address_of(settings(tmp_path, "a=b\nsecret"))
    assert caught.value.kind is Kind.FAILED_PRECONDITION
    assert "secret" not in str(caught.value)
    gone = StorageSettings(kafka="k:1", schema_registry="http://r:2", kafka_properties=tmp_path / "none")
    with pytest.raises(MeshError, match="none"):
        address_of(gone)


@pytest.mark.parametrize(
    "line", ["no.such.property=1", "security.protocol=odd", "schema.registry.ssl.ca.location=/none.pem"]
)
async def test_properties_that_no_client_takes_are_said(tmp_path: Path, line: str) -> None:
    """A name, a value or a file that is wrong is said in a sentence when the log is opened."""
    with pytest.raises(MeshError) as caught:
        await open_log(settings(tmp_path, line))
    assert (caught.value.kind, caught.value.reason) == (Kind.FAILED_PRECONDITION, "PROPERTIES_INVALID")


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """Where Kafka is can be logged; how one logs in cannot."""
    assert "hidden" not in repr(address_of(settings(tmp_path, "sasl.password=hidden")))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)), Kind.INVALID),
        (KafkaError(KafkaError._MSG_TIMED_OUT), Kind.UNAVAILABLE),
        (KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION)), Kind.UNAVAILABLE),
        (BufferError("queue full"), Kind.UNAVAILABLE),
    ],
)
def test_errors_of_the_client_have_a_kind(
    error: KafkaError | KafkaException | BufferError, kind: Kind
) -> None:
    """A record that is too large will never fit; everything else may pass."""
    found = failure(error)
    assert found.kind is kind
    assert (found.retry_after is not None) == (kind is Kind.UNAVAILABLE)


def test_the_registry_is_asked_with_the_login_of_the_properties() -> None:
    """USER:PASSWORD becomes the request's authorisation, and the subject is one part of the path."""
    with http_receiver() as receiver:
        receiver.answer(200, b'{"id": 7}')
        properties = {"schema.registry.basic.auth.user.info": "ovr:s:cret"}
        with open_registry(receiver.url, properties) as registry:
            assert registry.id_of("a/b", SCHEMA) == 7
    (post,) = receiver.posts
    assert post.path == "/subjects/a%2Fb"
    assert post.headers["authorization"] == "Basic " + base64.b64encode(b"ovr:s:cret").decode()


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"{}"), (401, b"{}"), (200, b"<html>"), (200, b"[]"), (503, b"")]
)
def test_answers_that_are_none_are_unavailable(status: int, body: bytes) -> None:
    """A registry that fails, refuses or is another server altogether delays; it never makes dead letters."""
    with http_receiver() as receiver:
        receiver.answer(status, body)
        with open_registry(receiver.url, {}) as registry, pytest.raises(MeshError) as caught:
            registry.id_of("s", SCHEMA)
    assert caught.value.kind is Kind.UNAVAILABLE
