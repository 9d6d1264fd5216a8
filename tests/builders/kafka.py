"""A Kafka of a test's own: topics, groups and subjects under a prefix that nobody else has."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
from confluent_kafka.admin import AdminClient

from storage.log.kafka import KafkaLog
from storage.log.kafka_admin import TopicPlan, make_topics, register_schemas
from storage.log.kafka_client import KafkaAddress
from storage.log.port import TOPICS
from storage.log.registry import SchemaRegistry
from storage.log.values import EventFormat, schemas
from tests.builders.engines import Open

NEEDS = ("OVR_TEST_KAFKA", "OVR_TEST_SCHEMA_REGISTRY")


def registry_address() -> str:
    """The real registry's base address."""
    return os.environ["OVR_TEST_SCHEMA_REGISTRY"]


@contextmanager
def kafka(partitions: int = 1, *, registered: bool = True) -> Iterator[KafkaAddress]:
    """Topics and subjects under a prefix of their own; they go at the end."""
    address = KafkaAddress(os.environ["OVR_TEST_KAFKA"], f"t{uuid.uuid4().hex[:8]}-")
    make_topics(address, TopicPlan(partitions))
    if registered:
        register(address)
    try:
        yield address
    finally:
        remove(address)


def register(address: KafkaAddress) -> dict[str, int]:
    """Register this version's schemas under the prefix."""
    with SchemaRegistry(registry_address()) as registry:
        return register_schemas(registry, address.prefix)


def remove(address: KafkaAddress) -> None:
    """Remove what was made under the prefix."""
    admin = AdminClient(address.client())
    for future in admin.delete_topics([address.prefix + topic for topic in TOPICS]).values():
        future.exception()
    with httpx.Client(base_url=registry_address()) as client:
        for subject in schemas(address.prefix):
            client.delete(f"/subjects/{subject}")
            client.delete(f"/subjects/{subject}", params={"permanent": "true"})


async def open_log(address: KafkaAddress, event_format: EventFormat = "protobuf") -> KafkaLog:
    """The log under the prefix."""
    return await KafkaLog.open(address, registry_address(), event_format)


@asynccontextmanager
async def world(home: Path) -> AsyncIterator[Open]:
    """For contract suites: one partition, as the embedded log has."""
    with kafka() as address:
        yield lambda: open_log(address)
