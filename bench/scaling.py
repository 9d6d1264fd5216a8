"""What a camera and a million events cost, and what that comes to for 10, 1,000 and 100,000 cameras.

    python -m bench.scaling [--days 7] [--json FILE]

Measures the time of our own processes on the processor, not the clock, so that other work on the machine
matters little: a frame looked at by the motion gate, searched, a crop read, an event taken by ingest, written
and indexed, on the stores that the environment names (OVR_KAFKA, OVR_DATABASE ...; embedded without). Then a
model: what stands in `Traffic` is assumed, the rest is arithmetic on what was measured. Last a simulation of
the log's partitions: cameras of very different traffic are hashed onto them as Kafka does, and the busiest
one's consumer is away for ten minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import hashlib
import json
import math
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import uuid6
from numpy.typing import NDArray

from bench.mesh_overhead import frames
from edge.motion import MotionGate
from edge.tuning import MotionTuning
from gateway.examples import event as example
from mesh.telemetry import Telemetry
from plates.event import Evidence, EvidenceKind, PlateEvent
from services.ingest.core import Ingest, Picture, Submission
from storage import opening
from storage.images.port import image_key
from storage.log.codec import encode_event
from storage.settings import StorageSettings
from synth.plate import render_plate
from vision.models import ModelChoice, open_detector, open_reader
from wire.event import event_from_wire

FLEETS = (10, 1_000, 100_000)
EVENTS = 2_000
BATCH = 256
BATCHES = 10


@dataclass(frozen=True)
class Traffic:
    """What is assumed of a camera: change it to what yours see."""

    fps: float = 10.0
    passes_a_day: float = 5_000.0
    seconds_a_pass: float = 4.0  # for which the motion gate is open
    reads_a_pass: float = 6.0
    peak: float = 3.0  # the busiest hour against the mean one
    utilisation: float = 0.7  # of what a process can do, in the busiest hour


@dataclass(frozen=True)
class Costs:
    """Measured: processor milliseconds each, bytes each."""

    gate_ms: float
    detect_ms: float
    read_ms: float
    ingest_ms: float
    write_ms: float
    index_ms: float
    event_bytes: float
    picture_bytes: float


async def cpu_ms(work: Callable[[int], Awaitable[None]], count: int) -> float:
    """Processor milliseconds of one of `count` calls, in all threads."""
    await work(0)
    started = time.process_time()
    for number in range(1, count + 1):
        await work(number)
    return 1e3 * (time.process_time() - started) / count


def passing() -> tuple[PlateEvent, bytes]:
    """An event of now with a picture of a plate's usual size."""
    rng = np.random.default_rng()
    noise = cv2.GaussianBlur(rng.integers(0, 255, (60, 240, 3), dtype=np.uint8), (5, 5), 0)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    sha256 = hashlib.sha256(data).hexdigest()
    item = Evidence(image_key(sha256, "image/jpeg"), sha256, EvidenceKind.PLATE, "image/jpeg", 240, 60)
    made = event_from_wire(example())
    now = datetime.now(timezone.utc)
    return dataclasses.replace(made, event_id=str(uuid6.uuid7()), best_seen_at=now, evidence=(item,)), data


async def vision_costs() -> tuple[float, float, float]:
    """Gate, search and read."""
    seen = [frame.pixels for frame in frames(8)]
    choice = ModelChoice(threads=1)
    detector, reader, gate = open_detector(choice), open_reader(choice), MotionGate(MotionTuning())
    rng = np.random.default_rng(1)
    crops = [render_plate(None, None, rng).image for _ in range(20)]

    async def look(number: int) -> None:
        gate.opens(seen[number % len(seen)], number / 10)

    async def search(number: int) -> None:
        detector.detect([seen[number % len(seen)]])

    async def read(number: int) -> None:
        reader.read([crops[number % len(crops)]])

    return await cpu_ms(look, 200), await cpu_ms(search, 20), await cpu_ms(read, 50)


async def store_costs(settings: StorageSettings) -> tuple[float, float, float, float, float]:
    """Ingest, write and index, milliseconds an event; bytes of an event and of its picture."""
    log, images = await opening.open_log(settings), await opening.open_images(settings)
    events, search = await opening.open_events(settings), await opening.open_search(settings)
    ingest = Ingest(log, images, Telemetry("bench"))
    made = [passing() for _ in range(EVENTS)]
    try:

        async def take(batch: int) -> None:
            part = made[batch * 64 % EVENTS : batch * 64 % EVENTS + 64]
            sent = (Submission(e, (Picture(e.evidence[0].sha256, d),), "", bytes) for e, d in part)
            await asyncio.gather(*(ingest.take(one) for one in sent))

        # made before, so that making them is not in the measured time
        batches = [[passing_again(event) for event, _ in made[:BATCH]] for _ in range(2 * (1 + BATCHES))]

        async def write(_: int) -> None:
            await events.write(batches.pop())

        async def index(_: int) -> None:
            await search.index(batches.pop())

        taken = await cpu_ms(take, 20) / 64
        written = await cpu_ms(write, BATCHES) / BATCH
        indexed = await cpu_ms(index, BATCHES) / BATCH
    finally:
        for store in (log, images, events, search):
            await store.close()
    size = len(encode_event(made[0][0], "").value)
    return taken, written, indexed, size, float(np.mean([len(data) for _, data in made]))


def passing_again(event: PlateEvent) -> PlateEvent:
    """The same pass as a new event."""
    return dataclasses.replace(event, event_id=str(uuid6.uuid7()))


def fleet(cameras: int, costs: Costs, traffic: Traffic, days: float) -> dict[str, float]:
    """What so many cameras need: cores in the busiest hour, disk, network."""
    passes = cameras * traffic.passes_a_day / 86_400 * traffic.peak  # a second
    open_share = min(1.0, traffic.passes_a_day * traffic.peak * traffic.seconds_a_pass / 86_400)
    busy = 1e-3 / traffic.utilisation
    searched = cameras * traffic.fps * open_share
    daily = cameras * traffic.passes_a_day
    return {
        "events_a_second": passes,
        "edge_gate_cores": cameras * traffic.fps * costs.gate_ms * busy,
        "detector_cores": searched * costs.detect_ms * busy,
        "ocr_cores": passes * traffic.reads_a_pass * costs.read_ms * busy,
        "ingest_cores": passes * costs.ingest_ms * busy,
        "event_writer_cores": passes * costs.write_ms * busy,
        "search_indexer_cores": passes * costs.index_ms * busy,
        "log_gb": daily * costs.event_bytes * days / 1e9,
        "pictures_gb_a_day": daily * costs.picture_bytes / 1e9,
        "uplink_mbit_a_camera": passes / cameras * (costs.event_bytes + costs.picture_bytes) * 8 / 1e6,
    }


def murmur2(data: bytes) -> int:
    """Kafka's hash of a key, as its Java client has it: which partition a camera's events go to."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    value = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        value = (value * multiplier & mask) ^ word
    if tail := data[whole:]:
        value = (value ^ int.from_bytes(tail, "little")) * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    return (value ^ value >> 15) & 0x7FFFFFFF


def partition_load(cameras: int, partitions: int, seed: int = 1) -> NDArray[np.float64]:
    """Share of all traffic on each partition, when a camera's traffic is log-normal (a factor of three either
    way for two cameras in three)."""
    weights = np.random.default_rng(seed).lognormal(0.0, math.log(3), cameras)
    owner = np.array([murmur2(f"site-{n // 8}/cam-{n}".encode()) % partitions for n in range(cameras)])
    return np.bincount(owner, weights, partitions) / weights.sum()


def catch_up(rate: float, capacity: float, outage: float) -> float:
    """Seconds a consumer needs to be level again after so many seconds away, events coming at `rate`."""
    return rate * outage / (capacity - rate) if capacity > rate else math.inf


def partitions_for(events_a_second: float, consumer_rate: float) -> int:
    """Partitions of the log, so that the slowest consumer of each is at half of what it can do on average."""
    return max(6, math.ceil(events_a_second / consumer_rate / 0.5))


def main() -> None:
    """Measure, then print a table for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=float, default=7.0, help="for which the log is kept")
    parser.add_argument(
        "--consumer-rate",
        type=float,
        default=2_900.0,
        help="events a second of the slowest consumer: bench.writer and bench.search measure it",
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    traffic = Traffic()
    with tempfile.TemporaryDirectory(prefix="ovr-") as home:
        gate, detect, read = asyncio.run(vision_costs())
        stores = asyncio.run(store_costs(StorageSettings(home=Path(home))))
    costs = Costs(gate, detect, read, *stores)
    found: dict[str, object] = {"costs": dataclasses.asdict(costs), "traffic": dataclasses.asdict(traffic)}
    print("measured:", ", ".join(f"{name} {value:.3g}" for name, value in dataclasses.asdict(costs).items()))
    million = 1e6 * 1e-3 / 3600
    for name in ("ingest_ms", "write_ms", "index_ms"):
        print(f"a million events, {name}: {getattr(costs, name) * million:.2f} core hours")
    for cameras in FLEETS:
        need = fleet(cameras, costs, traffic, given.days)
        partitions = partitions_for(need["events_a_second"], given.consumer_rate)
        load = partition_load(cameras, partitions)
        need["partitions"] = partitions
        need["busiest_partition_to_mean"] = float(load.max() * partitions)
        rate = need["events_a_second"] * float(load.max())
        need["busiest_catches_up_after_10_min_s"] = catch_up(rate, given.consumer_rate, 600)
        found[str(cameras)] = need
        print(f"{cameras:,} cameras:", ", ".join(f"{name} {value:.4g}" for name, value in need.items()))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
