"""The image store on a real MinIO: what the contract does not see, and what it does when MinIO is away."""

from __future__ import annotations

import asyncio
import io
import os
import time
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest

from mesh.errors import Kind, MeshError
from mesh.telemetry import Telemetry
from mesh.testing import Harness
from ovr.alpr.v1 import query_pb2
from services.ingest.core import Ingest, Picture, Result, Submission
from services.query import app
from services.query.settings import QuerySettings
from storage import opening, s3
from storage.images.buckets import let_in, prepare_pictures
from storage.images.minio import MinioImageStore
from storage.log.port import PLATE_EVENTS
from storage.log.sqlite import SqliteLog
from storage.settings import StorageSettings
from tests.builders import stores
from tests.builders.engines import needs
from tests.builders.events import event, picture
from tests.builders.relay import Relay

pytestmark = needs(*stores.MINIO)


@pytest.fixture
async def settings() -> AsyncIterator[StorageSettings]:
    """Settings that name a bucket of the test's own."""
    async with stores.bucket() as made:
        yield made


@pytest.fixture
async def store(settings: StorageSettings) -> AsyncIterator[MinioImageStore]:
    """A store on that bucket."""
    opened = await opening.open_images(settings)
    yield opened
    await opened.close()


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """A wire to MinIO."""
    host, _, port = os.environ[stores.MINIO[0]].rpartition("/")[2].rpartition(":")
    async with Relay(host, int(port)).running() as wire:
        yield wire


async def test_a_damaged_picture_is_never_given_and_can_be_mended(
    settings: StorageSettings, store: MinioImageStore
) -> None:
    """Bytes that are not the key's are DATA_LOSS; putting the picture again mends it."""
    item, data = picture(b"whole")
    client = s3.connect(settings)
    client.put_object(settings.s3_bucket, item.key, io.BytesIO(b"damaged"), 7)
    with pytest.raises(MeshError) as caught:
        await store.get(item.key)
    assert caught.value.kind is Kind.DATA_LOSS
    await store.put(item.key, data, item.media_type)
    found = await store.get(item.key)
    assert found is not None
    assert found.data == data


async def test_a_link_leads_to_the_picture_for_its_time(settings: StorageSettings) -> None:
    """Anyone with the link gets the picture with its MIME type, until the link is too old; without the
    signature nobody does."""
    public = settings.model_copy(update={"s3_public": settings.s3})
    store = await opening.open_images(public)
    item, data = picture(b"linked")
    await store.put(item.key, data, item.media_type)
    link = await store.link(item.key, 2)
    assert link is not None
    async with httpx.AsyncClient() as client:
        answer = await client.get(link)
        assert (answer.content, answer.headers["content-type"]) == (data, "image/jpeg")
        assert (await client.get(link.partition("?")[0])).status_code == 403
        await asyncio.sleep(2.5)
        assert (await client.get(link)).status_code == 403
    await store.close()


async def test_query_gives_the_link(settings: StorageSettings, tmp_path: Path) -> None:
    """GetEvidence with link_seconds answers with a link that leads to the picture, and is NOT_FOUND for a
    picture that is not there."""
    async with Harness() as harness:
        more = {
            name: getattr(settings, name) for name in ("s3", "s3_bucket", "s3_access_key", "s3_secret_key")
        }
        configured = harness.settings(QuerySettings, **more, s3_public=settings.s3)
        store = await opening.open_images(settings)
        item, data = picture(b"asked for")
        await store.put(item.key, data, item.media_type)
        await store.close()
        await harness.run("query", app.main, configured)
        stub = harness.stub("ovr.alpr.v1.QueryService")
        request = query_pb2.GetEvidenceRequest(key=item.key, link_seconds=60)
        (answer,) = [part async for part in stub.GetEvidence(request)]
        assert (answer.size, answer.chunk) == (0, b"")
        async with httpx.AsyncClient() as client:
            assert (await client.get(answer.link)).content == data
        request.key = picture(b"never stored")[0].key
        with pytest.raises(MeshError) as caught:
            [part async for part in stub.GetEvidence(request)]
        assert caught.value.kind is Kind.NOT_FOUND


async def test_the_services_key_can_do_its_work_and_nothing_else(settings: StorageSettings) -> None:
    """A key made by `ovr storage init` puts, gets, sweeps and is ready, and neither makes nor reads other
    buckets; making it again renews its secret."""
    root = s3.Key.of(settings)
    name = f"test{uuid.uuid4().hex[:8]}"
    admin = s3.connect_admin(settings, root)
    for secret in ("first-long-secret", "second-long-secret"):
        let_in(admin, s3.Key(name, secret), settings.s3_bucket)
    least = settings.model_copy(
        update={"s3_access_key": name, "s3_secret_key": _secret("second-long-secret")}
    )
    try:
        store = await opening.open_images(least)
        item, data = picture(b"least")
        await store.check()
        await store.put(item.key, data, item.media_type)
        assert await store.get(item.key) is not None
        assert await store.delete_older_than(datetime.now(timezone.utc) + timedelta(minutes=1)) == 1
        await store.close()
        for bucket in ("mlflow-artifacts", f"{settings.s3_bucket}-other"):
            with pytest.raises(MeshError, match="AccessDenied"):
                prepare_pictures(s3.connect(least), bucket, 90, encrypted=False)
    finally:
        admin.user_remove(name)
        admin.policy_remove(settings.s3_bucket)


def _secret(text: str) -> object:
    return StorageSettings(s3_secret_key=text).s3_secret_key


async def test_encryption_is_asked_for(settings: StorageSettings) -> None:
    """With the setting each picture is encrypted by S3, which says so; one without keys refuses, and the
    picture does not count as stored."""
    store = await opening.open_images(settings.model_copy(update={"s3_encryption": True}))
    item, data = picture(b"secret")
    refusal = ""
    try:
        await store.put(item.key, data, item.media_type)
    except MeshError as error:
        refusal = str(error)
    if refusal:
        assert "KMS is not configured" in refusal
        assert not await store.exists(item.key)
    else:
        stat = s3.connect(settings).stat_object(settings.s3_bucket, item.key)
        assert stat.metadata is not None
        assert stat.metadata["x-amz-server-side-encryption"] == "AES256"
    await store.close()


async def test_what_the_lifecycle_sees_to_is_not_listed(settings: StorageSettings) -> None:
    """A sweep of what the bucket expires anyway asks for the lifecycle alone; a shorter age is swept."""
    prepare_pictures(s3.connect(settings), settings.s3_bucket, 7, encrypted=False)
    store = await opening.open_images(settings)
    item, data = picture(b"young")
    await store.put(item.key, data, item.media_type)
    now, listed = datetime.now(timezone.utc), []
    client = store._client
    names = client.list_objects
    client.list_objects = lambda *a, **k: listed.append(a) or names(*a, **k)
    assert await store.delete_older_than(now - timedelta(days=7)) == 0
    assert listed == []
    assert await store.delete_older_than(now - timedelta(days=5)) == 0
    assert listed != []
    assert await store.exists(item.key)
    await store.close()


async def test_a_bucket_that_is_not_there_is_named(settings: StorageSettings) -> None:
    """Without its bucket the store is not ready, and says what makes one."""
    store = await opening.open_images(settings.model_copy(update={"s3_bucket": "test-nobody-made-this"}))
    item, data = picture(b"homeless")
    for attempt in (store.check(), store.put(item.key, data, item.media_type)):
        with pytest.raises(MeshError, match="ovr storage init") as caught:
            await attempt
        assert caught.value.kind is Kind.FAILED_PRECONDITION
    await store.close()


@pytest.mark.parametrize("fault", ["cut", "hold"])
async def test_ingest_keeps_the_order_through_an_outage(
    settings: StorageSettings, relay: Relay, tmp_path: Path, fault: str
) -> None:
    """While MinIO is away an event is not taken: nothing of it is on the log, readiness is lost, and the loop
    goes on. Sent again afterwards, it is stored once, with its picture."""
    near = s3.connect(settings, address=f"http://127.0.0.1:{relay.port}")
    store = MinioImageStore(near, settings.s3_bucket, deadline_seconds=1.5)
    log = await SqliteLog.open(tmp_path / "log.db")
    ingest = Ingest(log, store, Telemetry("test"))
    item, data = picture(os.urandom(40_000))
    sent = Submission(event(evidence=(item,)), (Picture(item.sha256, data),), "", lambda: b"")
    await store.check()

    getattr(relay, fault)()
    lag = asyncio.create_task(_lag(1.0))
    began = time.monotonic()
    receipt = await ingest.take(sent)
    assert (receipt.result, receipt.reason) == (Result.RETRY, "IMAGES_UNAVAILABLE")
    assert time.monotonic() - began < 3
    assert await lag < 0.5
    with pytest.raises((MeshError, asyncio.TimeoutError)):
        await asyncio.wait_for(store.check(), 2.0)
    tail = await log.tail(PLATE_EVENTS, "0")
    assert await tail.poll(10, 0) == []

    relay.mend()
    results = [(await ingest.take(sent)).result for _ in range(2)]
    assert results == [Result.STORED, Result.DUPLICATE]
    assert len(await tail.poll(10, 0)) == 1
    found = await store.get(item.key)
    assert found is not None
    assert found.data == data
    await store.check()
    for part in (tail, log, store):
        await part.close()


async def _lag(seconds: float) -> float:
    """The longest that the loop kept anybody waiting."""
    loop, worst = asyncio.get_running_loop(), 0.0
    until = loop.time() + seconds
    while loop.time() < until:
        before = loop.time()
        await asyncio.sleep(0.01)
        worst = max(worst, loop.time() - before - 0.01)
    return worst


async def test_a_wrong_key_is_told_at_once(settings: StorageSettings) -> None:
    """A key that MinIO does not know is not tried again: the store says that it is refused."""
    store = await opening.open_images(settings.model_copy(update={"s3_access_key": "nobody"}))
    item, data = picture(b"refused")
    began = time.monotonic()
    for attempt in (store.check(), store.put(item.key, data, item.media_type)):
        with pytest.raises(MeshError, match="InvalidAccessKeyId") as caught:
            await attempt
        assert caught.value.kind is Kind.FAILED_PRECONDITION
    assert time.monotonic() - began < 5
    await store.close()


async def test_a_short_outage_is_not_seen(settings: StorageSettings, relay: Relay) -> None:
    """Uploads that fall into a second without MinIO are tried again within their deadline and end well."""
    near = s3.connect(settings, address=f"http://127.0.0.1:{relay.port}")
    store = MinioImageStore(near, settings.s3_bucket)
    pictures = [picture(os.urandom(1000)) for _ in range(40)]
    relay.cut()
    puts = asyncio.gather(*(store.put(item.key, data, item.media_type) for item, data in pictures))
    await asyncio.sleep(1.0)
    relay.mend()
    await puts
    assert all([await store.exists(item.key) for item, _ in pictures])
    await store.close()
