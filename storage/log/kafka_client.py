"""What every client of Kafka here has in common: how it is configured, and what its errors mean."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from mesh.errors import Kind, MeshError
from storage.settings import StorageSettings, read_secret

MAX_RECORD_BYTES = 80 << 20
"""Largest record: a dead letter holds what an edge box sent, with its pictures (up to 8 of 8 MiB)."""
_REGISTRY_PREFIX = "schema.registry."
_RETRY_SECONDS = 1.0
_LIBRARY_LOG = "librdkafka"


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Where Kafka is and how to speak to it. `prefix` stands before every topic, group and subject, so that
    several installations can share a cluster. `properties` are librdkafka's, for security above all."""

    servers: str
    prefix: str = ""
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)

    def client(self, **own: Any) -> dict[str, Any]:
        """The configuration of a client, with `own` options, their dots written as underscores."""
        return {
            "bootstrap.servers": self.servers,
            "client.id": "ovr",
            "socket.timeout.ms": 10_000,
            "receive.message.max.bytes": 4 * MAX_RECORD_BYTES,  # and the room that decompression may try
            "reconnect.backoff.max.ms": 2_000,
            "logger": logging.getLogger(_LIBRARY_LOG),
            **{key: text for key, text in self.properties.items() if not key.startswith(_REGISTRY_PREFIX)},
            **{key.replace("_", "."): value for key, value in own.items()},
        }


def address_of(settings: StorageSettings) -> KafkaAddress:
    """Where the settings say Kafka is. FAILED_PRECONDITION for a file of properties that cannot be read."""
    file = settings.kafka_properties
    properties = _read_properties(file) if file is not None else {}
    return KafkaAddress(settings.kafka, settings.kafka_prefix, properties)


def _read_properties(path: Path) -> dict[str, str]:
    """A properties file as Kafka's own tools take it: a KEY=VALUE a line, # before comments."""
    found: dict[str, str] = {}
    for number, line in enumerate(read_secret(path).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not equals:
            raise MeshError(Kind.FAILED_PRECONDITION, "PROPERTIES_INVALID", f"{path}:{number}: not KEY=VALUE")
        found[key.strip()] = value.strip()
    return found


def failure(error: KafkaError | KafkaException | BufferError) -> MeshError:
    """What an error of the client means here."""
    if isinstance(error, KafkaException):
        error = error.args[0]
    if isinstance(error, KafkaError) and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return MeshError(Kind.INVALID, "RECORD_TOO_LARGE", f"Kafka does not take it: {error.str()}")
    if isinstance(error, KafkaError) and error.code() == KafkaError._INVALID_ARG:
        return MeshError(Kind.FAILED_PRECONDITION, "PROPERTIES_INVALID", f"Kafka's client: {error.str()}")
    text = f"{error.name()}: {error.str()}" if isinstance(error, KafkaError) else str(error)
    return MeshError(Kind.UNAVAILABLE, "LOG_UNAVAILABLE", f"Kafka: {text}", retry_after=_RETRY_SECONDS)
