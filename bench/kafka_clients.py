"""The log's own way to Kafka against confluent-kafka's asyncio clients, on a real broker.

    python -m bench.kafka_clients KAFKA [--records 4000] [--at-once 64]

`KAFKA` is HOST:PORT; topics of their own are made and removed. Writing: tasks append records of 1.9 kB one by
one, each waiting for its acknowledgement, as ingest does. The asyncio producer carries no headers, which the
log needs, and so has less to send. Reading: batches of up to 256, made records of the log by both. Prints
records a second, the median time of one append, milliseconds, and the ratio to the asyncio clients.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable

from confluent_kafka.admin import AdminClient
from confluent_kafka.aio import AIOConsumer, AIOProducer

from storage.log.kafka_admin import TopicPlan, make_topics
from storage.log.kafka_client import KafkaAddress
from storage.log.kafka_polling import Messages
from storage.log.kafka_producer import KafkaProducer
from storage.log.kafka_reader import KafkaLogReader
from storage.log.port import PLATE_EVENTS_DLQ, TOPICS, NewRecord, Start
from storage.log.registry import SchemaRegistry
from storage.log.values import Values

VALUE = os.urandom(1900)
BATCH = 256
Append = Callable[[int], Awaitable[object]]


async def appended(append: Append, records: int, at_once: int) -> tuple[float, float]:
    """Records a second, and the median of an append in milliseconds."""
    numbers, times = iter(range(records)), []

    async def work() -> None:
        for number in numbers:
            begin = time.perf_counter()
            await append(number)
            times.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return records / (time.perf_counter() - begin), statistics.median(times) * 1000


async def ours_write(address: KafkaAddress, topic: str, records: int, at_once: int) -> tuple[float, float]:
    """librdkafka's own threads, delivery reports to the loop."""
    producer = KafkaProducer(address)

    async def append(number: int) -> None:
        record = NewRecord(b"%d" % (number % 16), VALUE, {"event-id": str(number)}, id=str(number))
        await producer.delivered([producer.send(topic, record, VALUE)])

    try:
        return await appended(append, records, at_once)
    finally:
        await producer.close()


async def theirs_write(address: KafkaAddress, topic: str, records: int, at_once: int) -> tuple[float, float]:
    """AIOProducer, which buffers until it has as many as are written at once, or for 2 ms."""
    configuration = address.client(enable_idempotence=True, acks="all", compression_type="zstd", linger_ms=2)
    producer = AIOProducer(configuration, batch_size=at_once, buffer_timeout=0.002)

    async def append(number: int) -> None:
        await (await producer.produce(topic, VALUE, b"%d" % (number % 16)))

    try:
        return await appended(append, records, at_once)
    finally:
        await producer.close()


async def ours_read(address: KafkaAddress, records: int) -> float:
    """The log's reader."""
    values = Values(SchemaRegistry("http://127.0.0.1:1"), "protobuf", address.prefix)
    reader = await KafkaLogReader.open(address, values, PLATE_EVENTS_DLQ, "ours", Start.OLDEST)
    found, begin = len(await reader.poll(BATCH, 30)), time.perf_counter()
    first = found
    while found < records:
        found += len(await reader.poll(BATCH, 5))
    rate = (found - first) / (time.perf_counter() - begin)
    await reader.close()
    return rate


async def theirs_read(address: KafkaAddress, topic: str, records: int) -> float:
    """AIOConsumer.consume, which waits for a full batch or its timeout."""
    configuration = address.client(
        group_id=f"{address.prefix}theirs", auto_offset_reset="earliest", enable_auto_commit=False
    )
    consumer = AIOConsumer(configuration)
    values = Values(SchemaRegistry("http://127.0.0.1:1"), "protobuf", address.prefix)
    messages = Messages(consumer._consumer, values, PLATE_EVENTS_DLQ)
    await consumer.subscribe([topic])
    found = 0
    while not found:
        found = len(await consumer.consume(BATCH, 0.25))
    first, begin = found, time.perf_counter()
    while found < records:
        batch = await consumer.consume(min(BATCH, records - found), 0.25)
        found += len([messages.record(message) for message in batch])
    rate = (found - first) / (time.perf_counter() - begin)
    await consumer.close()
    return rate


async def measure(address: KafkaAddress, records: int, at_once: int) -> None:
    """All of it, the two ways in turn."""
    topic = address.prefix + PLATE_EVENTS_DLQ
    for tasks in (1, at_once):
        count = records if tasks > 1 else records // 10
        ours = await ours_write(address, topic, count, tasks)
        theirs = await theirs_write(address, topic, count, tasks)
        print(
            f"write, {tasks:3} at once: ours {ours[0]:7.0f}/s, {ours[1]:6.2f} ms;"
            f" asyncio {theirs[0]:7.0f}/s, {theirs[1]:6.2f} ms; ratio {ours[0] / theirs[0]:.2f}"
        )
    read, other = await ours_read(address, records), await theirs_read(address, topic, records)
    print(f"read in batches:    ours {read:7.0f}/s; asyncio {other:7.0f}/s; ratio {read / other:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("kafka")
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--at-once", type=int, default=64)
    arguments = parser.parse_args()
    address = KafkaAddress(arguments.kafka, f"bench{uuid.uuid4().hex[:8]}-")
    make_topics(address, TopicPlan())
    try:
        asyncio.run(measure(address, arguments.records, arguments.at_once))
    finally:
        admin = AdminClient(address.client())
        for future in admin.delete_topics([address.prefix + topic for topic in TOPICS]).values():
            future.result()


if __name__ == "__main__":
    main()
