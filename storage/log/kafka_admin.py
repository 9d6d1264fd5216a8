"""Makes what the mesh needs on Kafka and in the Schema Registry. Safe to repeat."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from storage.log.kafka_client import MAX_RECORD_BYTES, KafkaAddress, failure
from storage.log.port import PLATE_EVENTS, PLATE_EVENTS_DLQ, TOPICS
from storage.log.registry import SchemaRegistry
from storage.log.values import schemas

_ASK_SECONDS = 30.0
_DAY_MS = 86_400_000
_FEW_PARTITIONS = 3


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """How topics are made. `partitions` of plate-events: as many members of a group can share its work; the
    other topics have few."""

    partitions: int = 12
    replication: int = 1
    retention_days: float = 7.0

    def partitions_of(self, topic: str) -> int:
        """How many a topic gets."""
        if topic == PLATE_EVENTS:
            return self.partitions
        return 1 if topic == PLATE_EVENTS_DLQ else min(self.partitions, _FEW_PARTITIONS)

    def configuration(self, topic: str) -> dict[str, str]:
        """A topic's own settings."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(int(self.retention_days * _DAY_MS)),
            "compression.type": "zstd",
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(max(1, self.replication - 1)),
            "max.message.bytes": str(MAX_RECORD_BYTES if topic == PLATE_EVENTS_DLQ else 4 << 20),
        }


def make_topics(address: KafkaAddress, plan: TopicPlan) -> dict[str, bool]:
    """Make the topics that are not there, and give all of them the plan's settings; which were made, by their
    full name. Partitions and replicas of a topic that is there stay as they are: to change them moves
    data. FAILED_PRECONDITION for properties that the client does not take."""
    try:
        admin = AdminClient(address.client())
    except KafkaException as error:
        raise failure(error) from error
    news = [NewTopic(address.prefix + topic, plan.partitions_of(topic), plan.replication) for topic in TOPICS]
    made = {}
    for name, future in admin.create_topics(news, request_timeout=_ASK_SECONDS).items():
        made[name] = _done(future, but=KafkaError.TOPIC_ALREADY_EXISTS)
    resources = [_resource(address.prefix + topic, plan.configuration(topic)) for topic in TOPICS]
    for future in admin.incremental_alter_configs(resources, request_timeout=_ASK_SECONDS).values():
        _done(future)
    return made


def register_schemas(registry: SchemaRegistry, prefix: str = "") -> dict[str, int]:
    """Register what this version writes, and hold every subject to compatibility BACKWARD; the ids by
    subject. FAILED_PRECONDITION if a schema could not read what was written with the one before."""
    ids = {}
    for subject, schema in schemas(prefix).items():
        ids[subject] = registry.register(subject, schema)
        registry.hold_compatible(subject)
    return ids


def _resource(topic: str, configuration: Mapping[str, str]) -> ConfigResource:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in configuration.items()
    ]
    return ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)


def _done(future: Future[Any], but: int | None = None) -> bool:
    """Whether it was done; False if Kafka answered with the error `but`."""
    try:
        future.result()
    except KafkaException as error:
        if error.args[0].code() != but:
            raise failure(error) from error
        return False
    return True
