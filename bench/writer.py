"""Rows a second from the log into the event store's table, by the event writer's own consumer, against raw
COPY of the same rows: `python -m bench.writer --database DSN`.

Both fill tables of the same kind, with the same indexes, in databases of their own on the same server, in
turns; the raw side has its rows ready and sends each turn as one COPY, without a log, decoding, duplicates or
counts. Prints the ratio of the medians; the aim is 0.8 or more. The log is SQLite, or Kafka by OVR_KAFKA.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import uuid6

from mesh.settings import load
from mesh.telemetry import Telemetry
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
from services.ingest.event_writer import event_consumer
from services.ingest.settings import EventWriterSettings
from storage import opening
from storage.events.postgres import PostgresEventStore
from storage.events.postgres_sql import COLUMNS
from storage.events.row import EventRow, row_of
from storage.log.codec import encode_event
from storage.log.port import PLATE_EVENTS
from storage.migrations.runner import Migrator

AIM = 0.8
CAMERAS = 16
APPEND = 500


def pass_of(number: int, start: datetime) -> PlateEvent:
    """A pass as edge boxes send it: eight reads, three alternatives a character, two pictures."""
    at = start + timedelta(milliseconds=40 * number)
    text = f"B{number % 9973:04}XY"
    posterior = tuple(
        (CharAlternative(c, 0.93), CharAlternative("8", 0.04), CharAlternative("Q", 0.01)) for c in text
    )
    alternatives = tuple(TextAlternative(text[:6] + c, 0.02) for c in "VWZK")
    reads = tuple(
        SingleRead(n, at + timedelta(milliseconds=40 * n), text, 0.81, Box(410, 220, 118, 31), 0.6, 1.0)
        for n in range(8)
    )
    pictures = tuple(
        Evidence(
            f"{kind}{number:062x}.jpg", f"{kind}{number:062x}", EvidenceKind.PLATE, "image/jpeg", 118, 31
        )
        for kind in ("aa", "bb")
    )
    models = (
        ModelInfo("yolo11n-plate", "0.4.0", "0" * 64, "openvino"),
        ModelInfo("plate-reader", "0.3.0", "1" * 64, "openvino"),
    )
    return PlateEvent(
        event_id=str(uuid6.uuid7()),
        site_id="site-1",
        node_id="node-1",
        camera_id=f"camera-{number % CAMERAS}",
        first_seen_at=at - timedelta(seconds=1),
        last_seen_at=at + timedelta(seconds=1),
        best_seen_at=at,
        clock=Clock.STREAM,
        outcome=Outcome.READ,
        reason=Reason.CONFIDENT,
        plate=Plate(text, text, "de", "de-current", 0.97, posterior, alternatives),
        vehicle=Vehicle(ObjectClass.CAR, Box(300, 100, 400, 300)),
        evidence=pictures,
        provenance=Provenance(models, 40, 8, reads, "bench"),
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        closed_at=at + timedelta(seconds=2),
    )


@asynccontextmanager
async def database(server: str) -> AsyncIterator[str]:
    """The address of a new database with all tables; dropped afterwards."""
    name = f"ovr_bench_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(server)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        dsn = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        async with Migrator.open(EventWriterSettings(database=dsn)) as migrator:
            await migrator.migrate()
        yield dsn
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.close()


class Raw:
    """COPY of rows that are ready."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def rate(self, rows: Sequence[EventRow]) -> float:
        """Rows a second."""
        records = [tuple(getattr(row, column) for column in COLUMNS) for row in rows]
        began = time.perf_counter()
        await self._connection.copy_records_to_table("plate_events", records=records, columns=COLUMNS)
        return len(rows) / (time.perf_counter() - began)


async def main(server: str, rows: int, rounds: int, batch: int) -> float:
    """Measure in turns and print."""
    start = datetime.now(timezone.utc) - timedelta(minutes=30)
    events = [pass_of(number, start) for number in range(rows * rounds)]
    turns = [events[n * rows : (n + 1) * rows] for n in range(rounds)]
    written: list[float] = []
    copied: list[float] = []
    with tempfile.TemporaryDirectory(prefix="ovr-bench-") as home:
        async with database(server) as ours, database(server) as theirs:
            base = load(EventWriterSettings)
            settings = base.model_copy(update={"home": Path(home), "database": ours, "max_batch": batch})
            log = await opening.open_log(settings)
            store = await PostgresEventStore.open(settings)
            reader = await log.reader(PLATE_EVENTS, f"bench-{secrets.token_hex(4)}")
            consumer = event_consumer(settings, reader, log, store, Telemetry("bench"))
            connection = await asyncpg.connect(theirs)
            raw = Raw(connection)
            await connection.execute("SELECT plate_events_prepare($1)", [start])
            for number, turn in enumerate(turns):
                for at in range(0, rows, APPEND):
                    await log.append(PLATE_EVENTS, [encode_event(e, "") for e in turn[at : at + APPEND]])
                ready = [row_of(event) for event in turn]
                if number % 2:
                    copied.append(await raw.rate(ready))
                began = time.perf_counter()
                done = 0
                while done < rows:
                    done += await consumer.step()
                written.append(rows / (time.perf_counter() - began))
                if not number % 2:
                    copied.append(await raw.rate(ready))
            await connection.close()
            await reader.close()
            await store.close()
            await log.close()
    ours_rate, raw_rate = statistics.median(written), statistics.median(copied)
    kind = "Kafka" if settings.kafka else "SQLite"
    print(
        f"log ({kind}) to table {ours_rate:.0f}, raw COPY {raw_rate:.0f} rows a second: medians of {rounds}"
    )
    print(f"turns of {rows} rows, batches of {batch}; about {len(row_of(events[0]).payload)} bytes an event")
    print(f"ratio {ours_rate / raw_rate:.2f} (aim {AIM:.2f} or more)")
    return ours_rate / raw_rate


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--database", default=os.environ.get("OVR_TEST_POSTGRES", ""), help="may make databases"
    )
    parser.add_argument("--rows", type=int, default=8000, help="rows a turn")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=2000, help="records handled with one commit")
    given = parser.parse_args()
    reached = asyncio.run(main(given.database, given.rows, given.rounds, given.batch))
    sys.exit(0 if reached >= AIM else 1)
