"""What a consumer of Kafka gives, by the brokers that librdkafka itself imitates."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from storage.log.kafka_polling import Messages
from storage.log.port import PLATE_EVENTS_DLQ
from storage.log.registry import SchemaRegistry
from storage.log.values import Values

_TOGETHER_SECONDS = 1.0


@pytest.fixture
def brokers() -> Iterator[Producer]:
    """A producer with a broker of its own."""
    producer = Producer({"bootstrap.servers": "none:1", "test.mock.num.brokers": 1})
    yield producer
    producer.flush(5)


@pytest.fixture
def consumer(brokers: Producer) -> Iterator[Consumer]:
    """One that is told when it stands where nothing is."""
    (broker,) = brokers.list_topics(timeout=10).brokers.values()
    consumer = Consumer(
        {
            "bootstrap.servers": f"{broker.host}:{broker.port}",
            "group.id": "g",
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
        }
    )
    yield consumer
    consumer.close()


def test_an_offset_that_is_gone_is_said_after_what_came_beside_it(
    brokers: Producer, consumer: Consumer
) -> None:
    """librdkafka says it once: it must not be lost among messages of other partitions."""
    for number in range(3):
        brokers.produce(PLATE_EVENTS_DLQ, f"{number}", partition=1)
    brokers.flush(10)
    with SchemaRegistry("http://none") as registry:
        messages = Messages(consumer, Values(registry, "protobuf"), PLATE_EVENTS_DLQ)
        consumer.assign([TopicPartition(PLATE_EVENTS_DLQ, 0, 1000), TopicPartition(PLATE_EVENTS_DLQ, 1, 0)])
        time.sleep(_TOGETHER_SECONDS)  # for both to wait; what comes alone is not so easily lost
        found: list[bytes] = []
        said: list[int] = []
        until = time.monotonic() + 20
        while time.monotonic() < until and (len(found) < 3 or not said):
            try:
                messages.fetch(100, 1)
            except KafkaException as error:
                said.append(error.args[0].code())
            found += [record.value for record, _ in messages.records()]
    assert found == [b"0", b"1", b"2"]
    assert said == [KafkaError._AUTO_OFFSET_RESET]
