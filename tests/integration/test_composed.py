"""Core and edge of the compose file on the real engines: every command and variable of their services."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.make_secrets import main as make_secrets
from storage import s3
from storage.log.kafka_client import KafkaAddress
from storage.search.opensearch.client import connect
from synth.clip import ROLES, render_demo_clip
from tests.builders import kafka, stores
from tests.builders.composed import ROOT, SERVICES, Deployment
from tests.builders.engines import needs
from tests.builders.postgres import NEEDS as POSTGRES
from tests.builders.postgres import empty_database

pytestmark = [pytest.mark.timeout(600), *needs(*kafka.NEEDS, *POSTGRES, *stores.MINIO, *stores.OPENSEARCH)]

SEEN_SECONDS = 120.0
MOST_OF = 6  # as in tests/e2e/test_demo.py
ONCE = ("kafka-init", "db-migrate", "minio-init")
CORE = ("ingest", "event-writer", "search-indexer", "query", "alert", "gateway")
EDGE = ("detector", "ocr", "pilot")


def deployment(folder: Path, homes: Path, dsn: str, mark: str) -> Deployment:
    """The compose file with the engines of OVR_TEST_*, under names that begin with `mark`."""
    shutil.copyfile(ROOT / ".env.example", folder / ".env.example")
    shutil.copytree(ROOT / "config", folder / "config")
    make_secrets(folder)
    root_name, root_secret = os.environ[stores.MINIO[1]], os.environ[stores.MINIO[2]]
    (folder / "secrets" / "minio_root_password").unlink()
    (folder / "secrets" / "minio_root_password").write_text(root_secret)
    s3_address = os.environ[stores.MINIO[0]]
    user, _, password = dsn.partition("://")[2].partition("@")[0].partition(":")
    (folder / "secrets" / "postgres_password").unlink()
    (folder / "secrets" / "postgres_password").write_text(password)
    engines = {
        "postgres@": f"{user}@",
        "kafka:29092": os.environ["OVR_TEST_KAFKA"],
        "http://schema-registry:8081": os.environ["OVR_TEST_SCHEMA_REGISTRY"],
        "http://minio:9000": s3_address if "://" in s3_address else f"http://{s3_address}",
        "http://opensearch:9200": os.environ["OVR_TEST_OPENSEARCH"],
        "timescaledb:5432/ovr": dsn.rpartition("@")[2],
    }
    own = {
        "OVR_KAFKA_PREFIX": f"{mark}-",
        "OVR_S3_BUCKET": mark,
        "OVR_S3_ACCESS_KEY": mark,
        "OVR_S3_ROOT": root_name,
        "OVR_S3_ARTIFACTS_KEY": "",
        "OVR_S3_ENCRYPTION": "false",  # test_minio.py has a server with a key store
        "OVR_OPENSEARCH_INDEX": mark,
        "OVR_OTLP_ENDPOINT": "",
        "OVR_GATEWAY_REQUIRE_KEYS": "true",
    }
    return Deployment.make(folder, homes, engines, own)


def remove_topics(mark: str) -> None:
    """Take away what the run left on Kafka."""
    kafka.remove(KafkaAddress(os.environ["OVR_TEST_KAFKA"], f"{mark}-"))


def remove_pictures(mark: str) -> None:
    """Take away what the run left on S3."""
    settings = stores.minio_settings(mark)
    admin = s3.connect_admin(settings, s3.Key.of(settings))
    admin.user_remove(mark)
    admin.policy_remove(mark)
    stores.remove_bucket(s3.connect(settings), mark)


async def remove_index(mark: str) -> None:
    """Take away what the run left on OpenSearch."""
    client = connect(stores.opensearch_settings(mark))
    await client.indices.delete(index=f"{mark}-*", ignore_unavailable=True)
    await client.indices.delete_index_template(name=mark, ignore=404)
    await client.close()


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment whose engines are prepared by the init services, twice, as after a reboot."""
    mark = f"composed{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        base = empty_database()
        dsn = loop.run_until_complete(base.__aenter__())
        stack.callback(lambda: loop.run_until_complete(base.__aexit__(None, None, None)))
        homes = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ovr")))
        found = deployment(tmp_path, homes, dsn, mark)
        stack.callback(remove_topics, mark)
        stack.callback(remove_pictures, mark)
        stack.callback(lambda: loop.run_until_complete(remove_index(mark)))
        for name in (*ONCE, *ONCE):
            found.prepare(name)
        yield found


def test_the_composed_mesh_reads_a_clip(composed: Deployment) -> None:
    """Every service starts as the file says and is well by its own check; the clip's passes are found through
    the gateway, by their time, by their text and with their picture, for who has the key and nobody else."""
    clip = composed.folder / "clip.mp4"
    render_demo_clip(clip)
    cameras = composed.folder / "config" / "cameras.yaml"
    cameras.write_text(f"cameras:\n  - {{id: gate, source: {clip}}}\n")
    key = (composed.folder / "secrets" / "gateway_key").read_text().strip()
    gateway = composed.here("http://gateway:8000", "gateway")
    ours = {name for name, service in SERVICES.items() if service["image"].startswith("${OVR_IMAGE")}
    assert {*CORE, *EDGE, *ONCE} == ours
    with (
        composed.running("detector", "ocr", *CORE),
        composed.running("pilot"),
        httpx.Client(base_url=gateway, headers={"X-API-Key": key}, timeout=30) as client,
    ):
        assert httpx.get(f"{gateway}/v1/events").status_code == 401
        read = wait_for_reads(client)
        texts = {event["plate"]["text"] for event in read}
        assert texts <= {role.text for role in ROLES}
        found = wait_for(lambda: hits(client, read[0]["plate"]["text"]))
        assert read[0]["event_id"] in found
        picture = client.get(f"/v1/evidence/{read[0]['evidence'][0]['key']}")
        assert picture.status_code == 200
        assert picture.headers["content-type"].startswith("image/")
        cameras_seen = wait_for(lambda: client.get("/v1/cameras").json().get("cameras"))
        assert [camera["camera_id"] for camera in cameras_seen] == ["gate"]


def hits(client: httpx.Client, text: str) -> list[str]:
    """Ids of the events that a search for the text finds."""
    answer = client.get("/v1/events:search", params={"text": text, "mode": "SEARCH_MODE_EXACT"})
    assert answer.status_code == 200, answer.text
    return [hit["event"]["event_id"] for hit in answer.json().get("hits", [])]


def wait_for(ask: Any) -> Any:
    """What `ask` gives once it is something, or what it gives when time is up."""
    until = time.monotonic() + SEEN_SECONDS
    while not (found := ask()) and time.monotonic() < until:
        time.sleep(0.5)
    return found


def wait_for_reads(client: httpx.Client) -> list[dict[str, Any]]:
    """The events that were read, once most of the clip's vehicles were."""

    def reads() -> list[dict[str, Any]]:
        events = client.get("/v1/events").json().get("events", [])
        return [event for event in events if event["outcome"] == "OUTCOME_READ"]

    wait_for(lambda: len(reads()) >= MOST_OF)
    found = reads()
    assert len(found) >= MOST_OF
    return found
