"""The log on a real Kafka and a real Schema Registry, beyond what every log promises."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from typer.testing import CliRunner

from cli.main import app as ovr
from mesh.errors import Kind, MeshError
from mesh.telemetry import Telemetry
from storage.log.codec import decode_event, encode_event
from storage.log.consumer import Consumer as LogConsumer
from storage.log.kafka import KafkaLog
from storage.log.kafka_admin import TopicPlan, make_topics
from storage.log.kafka_client import KafkaAddress
from storage.log.port import ALERTS, PLATE_EVENTS, PLATE_EVENTS_DLQ, NewRecord, Record
from tests.builders.engines import needs
from tests.builders.events import event
from tests.builders.kafka import NEEDS, kafka, open_log, register, registry_address

pytestmark = [*needs(*NEEDS), pytest.mark.timeout(120)]


@pytest.fixture
def address() -> Iterator[KafkaAddress]:
    """A Kafka of the test's own, with four partitions for events."""
    with kafka(4) as found:
        yield found


@pytest.fixture
async def stack() -> AsyncExitStack:
    """Closes what a test opens."""
    async with AsyncExitStack() as opened:
        yield opened


async def opened(stack: AsyncExitStack, address: KafkaAddress, **options) -> KafkaLog:
    log = await open_log(address, **options)
    stack.push_async_callback(log.close)
    return log


def bare(address: KafkaAddress) -> Producer:
    """A producer that knows nothing of schemas."""
    return Producer({"bootstrap.servers": address.servers})


def on_kafka(address: KafkaAddress, topic: str) -> list[bytes]:
    """The values of a topic's first partition as they lie there."""
    consumer = Consumer({"bootstrap.servers": address.servers, "group.id": "looks"})
    place = TopicPartition(address.prefix + topic, 0, 0)
    _, high = consumer.get_watermark_offsets(place, timeout=5)
    consumer.assign([place])
    found = consumer.consume(high, timeout=10) if high else []
    consumer.close()
    return [message.value() for message in found]


async def read(reader, count: int, seconds: float = 20.0) -> list[Record]:
    """That many records."""
    found: list[Record] = []

    async def read_on() -> None:
        while len(found) < count:
            found.extend(await reader.poll(100, 0.5))

    await asyncio.wait_for(read_on(), seconds)
    return found


def by_camera(number: int) -> list[NewRecord]:
    """Events of many cameras, so that every partition gets some."""
    return [encode_event(event(camera=f"cam-{index}"), "") for index in range(number)]


async def test_topics_are_as_planned_and_init_may_be_repeated(address, monkeypatch):
    """Partitions, days, compression, size and time of append are set; a second init finds everything."""
    monkeypatch.setenv("OVR_KAFKA", address.servers)
    monkeypatch.setenv("OVR_KAFKA_PREFIX", address.prefix)
    monkeypatch.setenv("OVR_SCHEMA_REGISTRY", registry_address())
    done = await asyncio.to_thread(CliRunner().invoke, ovr, ["kafka", "init", "--days", "2"])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("is there") == 4
    assert f"subject {address.prefix}plate-events-value: schema" in done.stdout
    assert f"subject {address.prefix}plate-events-avro-value: schema" in done.stdout
    admin = AdminClient({"bootstrap.servers": address.servers})
    topics = admin.list_topics(timeout=5).topics
    assert len(topics[address.prefix + PLATE_EVENTS].partitions) == 4
    assert len(topics[address.prefix + PLATE_EVENTS_DLQ].partitions) == 1
    asked = ConfigResource(ResourceType.TOPIC, address.prefix + PLATE_EVENTS)
    found = admin.describe_configs([asked])[asked].result()
    assert found["retention.ms"].value == str(2 * 86_400_000)
    assert found["compression.type"].value == "zstd"
    assert found["message.timestamp.type"].value == "LogAppendTime"


async def test_what_is_not_deployed_is_said_and_nothing_is_made(stack):
    """Without topics the log is not ready; without schemas nothing is appended and none is registered."""
    with kafka(1, registered=False) as address:
        log = await opened(stack, address)
        with pytest.raises(MeshError) as caught:
            await log.append(PLATE_EVENTS, by_camera(1))
        assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "SCHEMA_NOT_REGISTERED")
        with pytest.raises(MeshError, match="SCHEMA_NOT_REGISTERED"):
            await log.check()
        register(address)
        await log.append(PLATE_EVENTS, by_camera(1))
        await log.check()
    nowhere = await opened(stack, KafkaAddress(address.servers, f"{address.prefix}none-"))
    with pytest.raises(MeshError, match="TOPIC_MISSING"):
        await nowhere.check()


async def test_a_log_without_kafka_is_unavailable_within_seconds(stack):
    """Nothing listens: check says so, an append fails, both in time for a readiness probe and a retry."""
    log = await opened(stack, KafkaAddress("127.0.0.1:1", "none-"))
    with pytest.raises(MeshError) as caught:
        await asyncio.wait_for(log.check(), 6)
    assert caught.value.kind is Kind.UNAVAILABLE
    with pytest.raises(MeshError) as caught:
        await asyncio.wait_for(log.append(PLATE_EVENTS_DLQ, [NewRecord(b"k", b"v")]), 15)
    assert caught.value.kind is Kind.UNAVAILABLE


async def test_values_lie_on_kafka_as_confluents_clients_write_them(stack):
    """Magic byte, schema id, message path, protobuf; dead letters lie as they came."""
    with kafka(1) as address:
        ids = register(address)
        log = await opened(stack, address)
        sent = by_camera(1)
        await log.append(PLATE_EVENTS, sent)
        await log.append(PLATE_EVENTS_DLQ, [NewRecord(b"k", b"as it came")])
        id = ids[f"{address.prefix}plate-events-value"].to_bytes(4, "big")
        assert on_kafka(address, PLATE_EVENTS) == [b"\0" + id + b"\0" + sent[0].value]
        assert on_kafka(address, PLATE_EVENTS_DLQ) == [b"as it came"]


async def test_both_formats_are_read_whatever_is_written(stack):
    """A topic that holds protobuf and Avro gives the same events to everybody, with headers and keys."""
    with kafka(1) as address:
        plain = await opened(stack, address)
        avro = await opened(stack, address, event_format="avro")
        events = [event(), event(None), event("XY12ABC")]
        for log, one in zip((plain, avro, plain), events, strict=True):
            await log.append(PLATE_EVENTS, [encode_event(one, "")])
        kinds = [value[5:6] == b"\0" for value in on_kafka(address, PLATE_EVENTS)]
        assert kinds == [True, False, True]
        for log in (plain, avro):
            tail = await log.tail(PLATE_EVENTS, "0")
            found = [item.record for item in await tail.poll(10, 10)]
            while len(found) < 3:
                found += [item.record for item in await tail.poll(10, 10)]
            assert [decode_event(record) for record in found] == events
            assert found[1].headers["event-id"] == events[1].event_id


async def test_what_avro_cannot_hold_is_refused_before_anything_is_sent(stack, address):
    """An append with one value that is no event appends none of them."""
    log = await opened(stack, address, event_format="avro")
    with pytest.raises(MeshError) as caught:
        await log.append(PLATE_EVENTS, [*by_camera(3), NewRecord(b"k", b"\xff\xff")])
    assert caught.value.kind is Kind.INVALID
    tail = await log.tail(PLATE_EVENTS, "0")
    assert await tail.poll(10, 1) == []


class Sink:
    """Takes events."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def decode(self, record: Record) -> str:
        return decode_event(record).event_id

    async def write(self, items) -> int:
        self.written += items
        return len(items)


async def test_poison_becomes_dead_letters_and_holds_nothing_up(stack, address):
    """No schema, an unknown schema, a wrong schema, a tombstone, noise: each is kept byte by byte, and every
    event between them is written."""
    log = await opened(stack, address)
    ids = register(address)
    avro_id = ids[f"{address.prefix}plate-events-avro-value"].to_bytes(4, "big")
    poison = [
        b"",
        b"noise",
        b"\0",
        b"\0\xff\xff\xff\xff\0x",
        b"\0" + avro_id + b"\xff\xff\xff",
        b"\0\0\0\0\1",
    ]
    events = by_camera(6)
    producer = bare(address)
    for value, good in zip(poison, events, strict=True):
        producer.produce(address.prefix + PLATE_EVENTS, value or None, b"cam-x")
        producer.flush(10)
        await log.append(PLATE_EVENTS, [good])
    sink = Sink()
    reader = await log.reader(PLATE_EVENTS, "writer")
    consumer = LogConsumer("writer", PLATE_EVENTS, reader, log, sink, Telemetry("test"))
    handled = 0
    while handled < 12:
        handled += await consumer.step()
    assert sorted(sink.written) == sorted(record.headers["event-id"] for record in events)
    assert sorted(on_kafka(address, PLATE_EVENTS_DLQ)) == sorted(poison)


async def test_a_registry_that_is_away_delays_and_loses_nothing(stack, address, monkeypatch):
    """Records whose schema cannot be asked for stay; they come once the registry answers."""
    log = await opened(stack, address)
    await log.append(PLATE_EVENTS, by_camera(5))
    away = await KafkaLog.open(address, "http://127.0.0.1:1")
    stack.push_async_callback(away.close)
    reader = await away.reader(PLATE_EVENTS, "writer")
    with pytest.raises(MeshError, match="REGISTRY_UNAVAILABLE"):
        await read(reader, 1)
    monkeypatch.setattr(away._values, "_registry", log._registry)
    assert len(await read(reader, 5)) == 5


async def test_members_share_the_partitions_and_their_lags_add_up(stack, address):
    """Two members read every record once between them, and each tells of its own partitions."""
    first, second = await opened(stack, address), await opened(stack, address)
    readers = [await first.reader(PLATE_EVENTS, "writer"), await second.reader(PLATE_EVENTS, "writer")]
    await asyncio.gather(*(reader.poll(1, 5) for reader in readers))
    until = asyncio.get_running_loop().time() + 20
    while not all(len(reader._committed) == 2 for reader in readers):
        assert asyncio.get_running_loop().time() < until, "the partitions were not shared"
        await asyncio.gather(*(reader.poll(1, 0.5) for reader in readers))
    await first.append(PLATE_EVENTS, by_camera(40))
    found: list[list[Record]] = [[], []]
    while sum(map(len, found)) < 40:
        for mine, reader in zip(found, readers, strict=True):
            mine += await reader.poll(100, 0.5)
    assert all(found)
    assert len({(r.partition, r.offset) for mine in found for r in mine}) == 40
    assert sum([await reader.lag() for reader in readers]) == 40
    await readers[0].commit(found[0])
    assert await readers[0].lag() == 0
    assert await readers[1].lag() == len(found[1])


async def test_rewinds_at_any_moment_lose_nothing(stack, address):
    """However often a group goes back, before it holds anything, while it reads, after a commit: in the end
    it has read all that was not committed."""
    log = await opened(stack, address)
    await log.append(PLATE_EVENTS, by_camera(40))
    reader = await log.reader(PLATE_EVENTS, "writer")
    await reader.rewind()
    chance, committed = random.Random(5), set()
    for _ in range(40):
        found = await reader.poll(chance.randint(1, 9), chance.choice((0, 0.05, 0.5)))
        if found and chance.random() < 0.2:
            await reader.commit(found)
            committed |= {(record.partition, record.offset) for record in found}
        await reader.rewind()
    rest: set[tuple[int, int]] = set()
    while batch := await reader.poll(100, 2):
        rest |= {(record.partition, record.offset) for record in batch}
    assert committed
    assert len(rest | committed) == 40
    assert not rest & committed
    assert reader.skipped() == 0
    assert await reader.lag() == len(rest)


async def test_a_tail_that_is_given_up_while_it_opens_is_closed(stack, address):
    """A watcher that goes away at any moment of the opening leaves no consumer behind, and the log closes."""
    log = await open_log(address)
    for number in range(10):
        opening = asyncio.create_task(log.tail(PLATE_EVENTS))
        await asyncio.sleep(0.004 * number)
        opening.cancel()
        await asyncio.wait({opening})
        if not opening.cancelled():
            await opening.result().close()
    await asyncio.wait_for(log.close(), 20)
    assert all(one.closed for one in log._reading)


MEMBER = """
import asyncio, sys
from storage.log.kafka import KafkaLog
from storage.log.kafka_client import KafkaAddress

async def main():
    log = await KafkaLog.open(KafkaAddress(sys.argv[1], sys.argv[2]), sys.argv[3])
    reader = await log.reader("plate-events", "writer")
    while True:
        for record in await reader.poll(3, 1):
            print(record.partition, record.offset, flush=True)

asyncio.run(main())
"""


async def test_when_a_member_is_killed_the_other_gets_what_it_had_not_committed(stack, address):
    """A member dies with records in hand; the survivor reads all of them, and commits what it holds."""
    log = await opened(stack, address)
    reader = await log.reader(PLATE_EVENTS, "writer")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", MEMBER, address.servers, address.prefix, registry_address()]
    member = await asyncio.create_subprocess_exec(*argv, env=env, stdout=subprocess.PIPE)
    try:
        until = asyncio.get_running_loop().time() + 30
        await reader.poll(1, 1)
        while len(reader._committed) != 2:
            assert asyncio.get_running_loop().time() < until, "the other member got no partitions"
            await reader.poll(1, 0.5)
        await log.append(PLATE_EVENTS, by_camera(40))
        assert await asyncio.wait_for(member.stdout.readline(), 30)
    finally:
        member.send_signal(signal.SIGKILL)
        await member.wait()
    found: dict[tuple[int, int], Record] = {}
    until = asyncio.get_running_loop().time() + 40
    while len(found) < 40:
        assert asyncio.get_running_loop().time() < until, f"only {len(found)} of 40 came"
        for record in await reader.poll(100, 0.5):
            found[record.partition, record.offset] = record
    await reader.commit(list(found.values()))
    assert await reader.lag() == 0


async def test_a_commit_on_a_partition_that_moved_is_refused_and_the_rest_kept(stack, address):
    """What a member read of partitions that went to another cannot be committed; what it kept is."""
    log, other = await opened(stack, address), await opened(stack, address)
    reader = await log.reader(PLATE_EVENTS, "writer")
    await log.append(PLATE_EVENTS, by_camera(40))
    found = await read(reader, 40)
    second = await other.reader(PLATE_EVENTS, "writer")
    again: list[Record] = []
    until = asyncio.get_running_loop().time() + 20
    while not again:
        assert asyncio.get_running_loop().time() < until, "no partition moved"
        again += await second.poll(100, 0.3)
        assert await reader.poll(100, 0.3) == []
    with pytest.raises(MeshError) as caught:
        await reader.commit(found)
    assert (caught.value.kind, caught.value.reason) == (Kind.FAILED_PRECONDITION, "PARTITION_LOST")
    assert await reader.lag() == 0
    await second.commit(again)


async def test_what_retention_took_is_counted_and_a_tail_behind_it_is_told(stack):
    """A group whose records were removed counts them and goes on; a cursor before them is out of range."""
    with kafka(1) as address:
        log = await opened(stack, address)
        await log.append(PLATE_EVENTS, by_camera(2))
        reader = await log.reader(PLATE_EVENTS, "writer")
        await reader.commit(await read(reader, 2))
        await reader.close()
        tail = await log.tail(PLATE_EVENTS, "0")
        (first, *_) = await tail.poll(10, 10)
        await tail.close()
        await log.append(PLATE_EVENTS, by_camera(5))
        admin = AdminClient({"bootstrap.servers": address.servers})
        place = TopicPartition(address.prefix + PLATE_EVENTS, 0, 5)
        admin.delete_records([place])[place].result()
        reader = await log.reader(PLATE_EVENTS, "writer")
        assert [record.offset for record in await read(reader, 2)] == [5, 6]
        assert reader.skipped() == 3
        with pytest.raises(MeshError) as caught:
            await log.tail(PLATE_EVENTS, first.cursor)
        assert caught.value.kind is Kind.OUT_OF_RANGE


async def test_a_tail_that_retention_overtakes_is_out_of_range(stack):
    """A watcher that was too slow is told so by its next poll."""
    with kafka(1) as address:
        log = await opened(stack, address)
        await log.append(PLATE_EVENTS, by_camera(2))
        tail = await log.tail(PLATE_EVENTS)
        await log.append(PLATE_EVENTS, by_camera(5))
        admin = AdminClient({"bootstrap.servers": address.servers})
        place = TopicPartition(address.prefix + PLATE_EVENTS, 0, 6)
        admin.delete_records([place])[place].result()
        late = await log.tail(PLATE_EVENTS)
        late._consumer.seek(TopicPartition(address.prefix + PLATE_EVENTS, 0, 3))
        with pytest.raises(MeshError) as caught:
            await late.poll(10, 10)
        assert caught.value.kind is Kind.OUT_OF_RANGE
        await tail.close()


async def made_anew(address: KafkaAddress) -> None:
    """Makes the topics, once Kafka has done away with those of their names."""
    until = asyncio.get_running_loop().time() + 20
    while True:
        try:
            if any(make_topics(address, TopicPlan(1)).values()):
                return
        except MeshError:
            assert asyncio.get_running_loop().time() < until, "the topic does not go"
        await asyncio.sleep(0.2)


async def test_a_cursor_of_a_topic_that_was_made_anew_is_out_of_range(stack):
    """Offsets of a topic that no longer exists mean nothing in the one that took its name."""
    with kafka(1) as address:
        log = await opened(stack, address)
        await log.append(ALERTS, [NewRecord(b"k", b"")])
        cursor = (await log.tail(ALERTS)).cursor
        admin = AdminClient({"bootstrap.servers": address.servers})
        admin.delete_topics([address.prefix + ALERTS])[address.prefix + ALERTS].result()
        await made_anew(address)
        other = await opened(stack, address)
        await other.append(ALERTS, [NewRecord(b"k", b"")])
        with pytest.raises(MeshError) as caught:
            await other.tail(ALERTS, cursor)
        assert caught.value.kind is Kind.OUT_OF_RANGE


async def test_a_tail_leaves_out_what_another_process_appended_again(stack, address):
    """The same id twice on Kafka, as after a crash between append and acknowledgement, is given once."""
    log, other = await opened(stack, address), await opened(stack, address)
    (record, last) = by_camera(2)
    await log.append(PLATE_EVENTS, [record])
    (again,) = await other.append(PLATE_EVENTS, [record])
    assert again.new
    await other.append(PLATE_EVENTS, [last])
    tail = await log.tail(PLATE_EVENTS, "0")
    found = []
    while len(found) < 2:
        found += [item.record.headers["event-id"] for item in await tail.poll(10, 5)]
    assert sorted(found) == sorted([record.headers["event-id"], last.headers["event-id"]])
    assert await tail.poll(10, 1) == []
    assert tail.cursor == (await log.tail(PLATE_EVENTS)).cursor


async def test_a_tail_leaves_out_what_the_one_before_it_gave(stack, address):
    """A watcher who goes on from a cursor is not given again an event that was appended twice around it."""
    log, other = await opened(stack, address), await opened(stack, address)
    (record, last) = by_camera(2)
    tail = await log.tail(PLATE_EVENTS, "0")
    await log.append(PLATE_EVENTS, [record])
    (given,) = await tail.poll(10, 5)
    await other.append(PLATE_EVENTS, [record])
    await other.append(PLATE_EVENTS, [last])
    resumed = await log.tail(PLATE_EVENTS, given.cursor)
    found = [item.record.headers["event-id"] for item in await resumed.poll(10, 5)]
    assert found == [last.headers["event-id"]]


async def test_a_producer_that_gave_up_is_replaced(stack, address):
    """After a fatal error what waited fails or arrives, nothing hangs, and the next append works."""
    log = await opened(stack, address)
    await log.append(PLATE_EVENTS, by_camera(1))
    waiting = [asyncio.create_task(log.append(PLATE_EVENTS, by_camera(1))) for _ in range(20)]
    await asyncio.sleep(0)
    log._producer.renew()
    ended = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 20)
    assert all(isinstance(end, list | MeshError) for end in ended)
    await log.append(PLATE_EVENTS, by_camera(1))


async def test_a_record_that_is_too_large_is_invalid(stack, address):
    """Kafka's limit on events is not a fault that passes: the record is refused for good."""
    log = await opened(stack, address)
    with pytest.raises(MeshError) as caught:
        await log.append(PLATE_EVENTS, [NewRecord(b"k", os.urandom(5 << 20))])
    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "RECORD_TOO_LARGE")


async def test_a_dead_letter_with_its_pictures_fits(stack, address):
    """What an edge box may send, up to 64 MiB of pictures that compress or do not, can be kept and read
    again."""
    log = await opened(stack, address)
    values = [os.urandom(64 << 20), os.urandom(1 << 20) * 64]
    tail = await log.tail(PLATE_EVENTS_DLQ, "0")
    for number, value in enumerate(values):
        await log.append(PLATE_EVENTS_DLQ, [NewRecord(b"k", value, id=str(number))])
        found: list = []
        while not found:
            found = await tail.poll(1, 10)
        assert found[0].record.value == value


def test_new_partitions_are_made_only_by_hand() -> None:
    """Init leaves the number of a topic's partitions alone, for a change would part a camera's events."""
    with kafka(2) as address:
        make_topics(address, TopicPlan(6))
        admin = AdminClient({"bootstrap.servers": address.servers})
        topic = address.prefix + PLATE_EVENTS
        assert len(admin.list_topics(topic, timeout=5).topics[topic].partitions) == 2


def test_cursors_of_many_partitions_fit_the_contract() -> None:
    """The contract takes cursors of 256 characters: enough for 32 partitions of a hundred million records."""
    from storage.log.kafka_tail import _decode, _encode

    text = _encode([10**8] * 32)
    assert len(text) + 9 <= 256
    assert _decode(text) == [10**8] * 32
    assert json.dumps(text)
