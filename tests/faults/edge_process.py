"""An edge box's back half as a process to be killed: spool and publisher, fed with numbered events.

`python -m tests.faults.edge_process SPOOL INGEST FIRST COUNT` prints a number for each event once the spool
has taken it, then `empty` once ingest has acknowledged everything.
"""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import timedelta
from pathlib import Path

from edge.meters import Stages
from edge.passes.event import Identity
from edge.publish import Publisher, PublishOptions
from edge.spool import Spool
from mesh.client import connect
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import ingest_pb2_grpc
from plates.event import PlateEvent
from tests.builders.events import START, event, event_id, picture
from tests.builders.published import published

FEEDERS = 8


def numbered(number: int) -> tuple[PlateEvent, bytes]:
    """The event of a number, always the same, and its picture's bytes."""
    item, data = picture(b"picture %d" % number)
    at = START + timedelta(seconds=number)
    return event(f"E{number}", id=event_id(random.Random(number)), at=at, evidence=(item,)), data


async def main(directory: Path, ingest: str, first: int, count: int) -> None:
    """Append the events from `first` on, several at once, and publish until the spool is empty."""
    telemetry = Telemetry("edge")
    spool = await Spool.open(directory)
    async with connect(ingest, peer="ingest") as channel:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        options = PublishOptions(window=32, ack_timeout=2.0, retry_first=0.01, retry_longest=0.1)
        identity = Identity("site-1", "node-1", "test")
        publisher = Publisher(spool, stub, identity, telemetry, Stages(telemetry), options)
        run = asyncio.ensure_future(publisher.run())
        waiting = iter(range(first, count))

        async def feed() -> None:
            for number in waiting:
                sent, data = numbered(number)
                await spool.append(published(sent, 0, [data]).event.SerializeToString())
                print(number, flush=True)

        await asyncio.gather(*(feed() for _ in range(FEEDERS)))
        await publisher.emptied(lambda: spool.status().events == 0)
        run.cancel()
    await spool.close()
    print("empty", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
