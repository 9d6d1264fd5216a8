"""The backend on a real Kafka: ingest, event writer, search indexer, alert and query, with the other stores
embedded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from cli import letters
from mesh.settings import MeshSettings
from mesh.testing import Harness, RunningProcess, watch_loop
from ovr.alpr.v1 import alert_pb2, ingest_pb2, query_pb2
from services.alert import app as alert_app
from services.alert.settings import AlertSettings
from services.ingest import app as ingest_app
from services.ingest import event_writer, search_indexer
from services.ingest.settings import EventWriterSettings, IngestSettings, SearchIndexerSettings
from services.query import app as query_app
from services.query.settings import QuerySettings
from storage.log.kafka import KafkaLog
from storage.log.kafka_client import KafkaAddress
from storage.log.port import PLATE_EVENTS, NewRecord
from tests.builders.engines import needs
from tests.builders.events import event, picture
from tests.builders.kafka import NEEDS, kafka, open_log, registry_address
from tests.builders.published import TRACEPARENT, publish, published, status

pytestmark = [*needs(*NEEDS), pytest.mark.timeout(120)]

RULES = """\
rules:
  - {id: list, name: Wanted, severity: critical, match: exact, patterns: [AB12 CDE], channels: [],
     cooldown: 0}
"""


@dataclass
class Backend:
    """The running services, and the log that they share."""

    mesh: Harness
    address: KafkaAddress
    log: KafkaLog
    fields: dict[str, Any]

    def stub(self, service: str) -> Any:
        """A stub of one of the contract's services, by its short name."""
        return self.mesh.stub(f"ovr.alpr.v1.{service}")

    async def run(self, name: str, main: Any, settings: Any, **more: Any) -> RunningProcess:
        """Start one of the services on this Kafka."""
        return await self.mesh.run(name, main, self.mesh.settings(settings, **self.fields, **more))


@pytest.fixture(params=["protobuf", "avro"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """The whole back of the mesh, writing events in one format and in the other."""
    with kafka(3) as address:
        fields = {
            "kafka": address.servers,
            "kafka_prefix": address.prefix,
            "schema_registry": registry_address(),
            "event_format": request.param,
        }
        async with Harness() as mesh:
            rules = mesh.home / "rules.yaml"
            rules.write_text(RULES)
            found = Backend(mesh, address, await open_log(address), fields)
            await found.run("ingest", ingest_app.main, IngestSettings)
            await found.run("event-writer", event_writer.main, EventWriterSettings)
            await found.run("search-indexer", search_indexer.main, SearchIndexerSettings)
            await found.run("alert", alert_app.main, AlertSettings, rules=rules)
            await found.run("query", query_app.main, QuerySettings)
            yield found
            await found.log.close()


async def until(answer: Callable[[], Awaitable[Any]], seconds: float = 30.0) -> Any:
    """What `answer()` gives as soon as it is something."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not (found := await answer()):
        assert loop.time() < deadline, "did not happen in time"
        await asyncio.sleep(0.05)
    return found


async def test_an_event_is_stored_found_watched_and_alerted_once(backend: Backend) -> None:
    """Published twice, it is one event by every way to ask for it, one alert, and one trace."""
    item, data = picture(b"crop")
    sent = event("AB12CDE", evidence=(item,))
    query, alerts = backend.stub("QueryService"), backend.stub("AlertService")
    watch = query.WatchEvents(query_pb2.WatchEventsRequest())
    await watch.read()
    told = alerts.WatchAlerts(alert_pb2.WatchAlertsRequest())
    await told.read()
    async with watch_loop():
        acks = await publish(
            backend.stub("IngestService"),
            published(sent, 1, [data], TRACEPARENT),
            published(sent, 2, [data], TRACEPARENT),
        )
        assert {ack.result for ack in acks} == {
            ingest_pb2.ACK_RESULT_STORED,
            ingest_pb2.ACK_RESULT_DUPLICATE,
        }

        async def found() -> Any:
            request = query_pb2.SearchEventsRequest(text="AB12CD", mode=query_pb2.SEARCH_MODE_PREFIX)
            return (await query.SearchEvents(request)).hits

        (hit,) = await until(found)
    assert hit.event.event_id == sent.event_id
    seen = await watch.read()
    assert seen.event == hit.event
    alert = await told.read()
    assert alert.alert.event.event_id == sent.event_id
    for call in (watch, told):
        call.cancel()
    resumed = query.WatchEvents(query_pb2.WatchEventsRequest(cursor="0"))
    await resumed.read()
    assert (await resumed.read()).event == hit.event
    resumed.cancel()
    trace = backend.mesh.edges(TRACEPARENT.split("-")[1])
    assert ("ingest:log.append", "event-writer:event_writer.write") in trace
    assert ("ingest:log.append", "search-indexer:search_indexer.index") in trace


async def test_reports_poison_and_lag(backend: Backend) -> None:
    """A report becomes a camera's state; poison is a dead letter of each group and is put back; the lag of
    every group falls to nothing."""
    ingest, query = backend.stub("IngestService"), backend.stub("QueryService")
    await ingest.ReportStatus(status(ingest_pb2.CameraStatus(camera_id="cam-1", state="stalled")))

    async def cameras() -> Any:
        return (await query.ListCameras(query_pb2.ListCamerasRequest())).cameras

    assert (await until(cameras))[0].status.state == "stalled"
    await backend.log.append(PLATE_EVENTS, [NewRecord(b"cam", b"\0poison")])
    sent = [event(camera=f"cam-{number}") for number in range(20)]
    await publish(ingest, *(published(one, number) for number, one in enumerate(sent, 1)))

    async def all_stored() -> bool:
        request = query_pb2.ListEventsRequest(page_size=100)
        return len((await query.ListEvents(request)).events) == len(sent)

    await until(all_stored)

    async def buried() -> Any:
        rows = await letters.rows(backend.log)
        return rows if len(rows) == 3 else None

    rows = await until(buried)
    assert {row["origin"].split()[0] for row in rows.values()} == {"event-writer", "search-indexer", "alert"}
    assert {row["reason"] for row in rows.values()} == {"NOT_AN_EVENT"}
    refused = await letters.replay(backend.log, list(rows)[:1], MeshSettings())
    assert refused == {}

    async def again() -> bool:
        return len(await letters.rows(backend.log)) == 6

    await until(again)
    for running in backend.mesh._processes:
        registry = running.process.telemetry.registry
        labels = {"group": running.process.name, "topic": PLATE_EVENTS}
        if running.process.name in ("event-writer", "search-indexer", "alert"):

            async def caught_up(registry: Any = registry, labels: Any = labels) -> bool:
                return registry.get_sample_value("ovr_consumer_lag_records", labels) == 0

            await until(caught_up)
