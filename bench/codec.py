"""Events as JSON, Protobuf and Avro: bytes an event, and the time to write and to read one.

    python -m bench.codec [--events 500] [--seed 1]

Events are shaped as the demo's: two pictures, two models, five texts, two or three alternatives a character
and about twelve reads. JSON is the gateway's, without blanks. Times are the median of several rounds,
microseconds an event, from the contract's message to bytes and back. "In batches" is the size in a hundred
events compressed together, as a topic holds them (by zlib: Python has no zstd before 3.14).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import statistics
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import fastavro
import orjson
from google.protobuf import json_format

from ovr.alpr.v1 import event_pb2
from plates.event import (
    Box,
    CharAlternative,
    Clock,
    Evidence,
    EvidenceKind,
    ModelInfo,
    ObjectClass,
    Outcome,
    Plate,
    PlateEvent,
    Provenance,
    Reason,
    SingleRead,
    TextAlternative,
    Vehicle,
)
from storage.images.port import image_key
from wire.avro import AvroEvents, from_avro, parse, to_avro
from wire.event import event_to_wire

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
ROUNDS = 5
BATCH = 100
PICTURE = 40_000


@dataclass(frozen=True)
class Codec:
    """One way to write an event."""

    name: str
    encode: Callable[[event_pb2.PlateEvent], bytes]
    decode: Callable[[bytes], event_pb2.PlateEvent]


def codecs() -> list[Codec]:
    """JSON first: the others are measured against it."""
    schema = parse(AvroEvents.shipped().text)

    def to_json(event: event_pb2.PlateEvent) -> bytes:
        return orjson.dumps(json_format.MessageToDict(event, preserving_proto_field_name=True))

    def of_json(data: bytes) -> event_pb2.PlateEvent:
        return json_format.ParseDict(orjson.loads(data), event_pb2.PlateEvent())

    def to_bytes(event: event_pb2.PlateEvent) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, to_avro(event))
        return out.getvalue()

    def of_bytes(data: bytes) -> event_pb2.PlateEvent:
        event = event_pb2.PlateEvent()
        from_avro(fastavro.schemaless_reader(io.BytesIO(data), schema, schema), event)
        return event

    return [
        Codec("JSON", to_json, of_json),
        Codec("Protobuf", event_pb2.PlateEvent.SerializeToString, event_pb2.PlateEvent.FromString),
        Codec("Avro", to_bytes, of_bytes),
    ]


def made_up(number: int, chance: random.Random) -> PlateEvent:
    """An event of an edge box."""
    at = START + timedelta(seconds=number * 7, microseconds=chance.randrange(10**6))
    text = "".join(chance.choice(CHARACTERS) for _ in range(7))
    reads = tuple(
        SingleRead(
            number * 40 + index,
            at + timedelta(milliseconds=80 * index),
            text,
            chance.random(),
            Box(*(chance.random() * 500 for _ in range(4))),
            chance.random() * 100,
            1 / 12,
        )
        for index in range(chance.randint(5, 20))
    )
    models = tuple(
        ModelInfo(name, "2026.11", hashlib.sha256(name.encode()).hexdigest(), "openvino")
        for name in ("detector", "reader")
    )
    return PlateEvent(
        event_id=f"0193{chance.getrandbits(16):04x}-{chance.getrandbits(16):04x}-7{chance.getrandbits(12):03x}"
        f"-8{chance.getrandbits(12):03x}-{chance.getrandbits(48):012x}",
        site_id="site-1",
        node_id="node-1",
        camera_id=f"cam-{number % 8}",
        first_seen_at=at - timedelta(seconds=1),
        last_seen_at=at + timedelta(seconds=1),
        best_seen_at=at,
        clock=Clock.STREAM,
        outcome=Outcome.READ,
        reason=Reason.CONFIDENT,
        plate=plate(text, chance),
        vehicle=Vehicle(ObjectClass.CAR, Box(*(chance.random() * 500 for _ in range(4)))),
        evidence=tuple(evidence(kind, chance) for kind in (EvidenceKind.PLATE, EvidenceKind.VEHICLE)),
        provenance=Provenance(models, 40, len(reads), reads, "0.1.0"),
        trace_id=f"{chance.getrandbits(128):032x}",
        closed_at=at + timedelta(seconds=2),
        ingested_at=at + timedelta(seconds=3),
    )


def plate(text: str, chance: random.Random) -> Plate:
    """A fused plate."""
    posterior = tuple(
        tuple(
            CharAlternative(char, chance.random())
            for char in (own, *chance.sample(CHARACTERS, chance.randint(0, 3)))
        )
        for own in text
    )
    texts = tuple(TextAlternative(text[:-1] + chance.choice(CHARACTERS), chance.random()) for _ in range(5))
    return Plate(text, text, "gb", "gb-current", chance.random(), posterior, texts)


def evidence(kind: EvidenceKind, chance: random.Random) -> Evidence:
    """A picture's place."""
    sha256 = hashlib.sha256(chance.randbytes(16)).hexdigest()
    return Evidence(image_key(sha256, "image/jpeg"), sha256, kind, "image/jpeg", 320, 96)


def microseconds(work: Callable[[], object], count: int) -> float:
    """The median time of a round, an event."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) / count * 1e6)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    events = [event_to_wire(made_up(number, chance)) for number in range(arguments.events)]
    print(f"{len(events)} events")
    print(f"{'':10}{'bytes':>8}{'of JSON':>9}{'in batches':>12}{'write us':>10}{'read us':>9}")
    json_bytes = 0.0
    for codec in codecs():
        written = [codec.encode(event) for event in events]
        assert all(codec.decode(data) == event for data, event in zip(written, events, strict=True))
        size = sum(map(len, written)) / len(written)
        json_bytes = json_bytes or size
        batches = [b"".join(written[at : at + BATCH]) for at in range(0, len(written), BATCH)]
        packed = sum(len(zlib.compress(batch)) for batch in batches) / len(written)
        write = microseconds(lambda codec=codec: [codec.encode(event) for event in events], len(events))
        read = microseconds(
            lambda codec=codec, written=written: [codec.decode(data) for data in written], len(events)
        )
        print(f"{codec.name:10}{size:8.0f}{size / json_bytes:9.2f}{packed:12.0f}{write:10.1f}{read:9.1f}")


if __name__ == "__main__":
    main()
