"""Real MinIO and OpenSearch for tests: a bucket and an index of a test's own, gone afterwards."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from minio.deleteobjects import DeleteObject

from storage import opening, s3
from storage.images.buckets import prepare_pictures
from storage.search.opensearch.client import connect
from storage.search.opensearch.prepare import prepare
from storage.settings import StorageSettings
from tests.builders.engines import Open

MINIO = ("OVR_TEST_MINIO", "OVR_TEST_MINIO_ACCESS_KEY", "OVR_TEST_MINIO_SECRET_KEY")
OPENSEARCH = ("OVR_TEST_OPENSEARCH",)


def minio_settings(bucket: str, **more: object) -> StorageSettings:
    """Settings that name the test's MinIO."""
    address, user, key = (os.environ[name] for name in MINIO)
    return StorageSettings(
        s3=address if "://" in address else f"http://{address}",
        s3_bucket=bucket,
        s3_access_key=user,
        s3_secret_key=key,
        **more,
    )


def opensearch_settings(index: str) -> StorageSettings:
    """Settings that name the test's OpenSearch."""
    return StorageSettings(opensearch=os.environ[OPENSEARCH[0]], opensearch_index=index)


@asynccontextmanager
async def bucket(days: int = 90, **more: object) -> AsyncIterator[StorageSettings]:
    """A bucket prepared as `ovr storage init` does it."""
    settings = minio_settings(f"test-{uuid.uuid4().hex[:12]}", **more)
    client = s3.connect(settings)
    await asyncio.to_thread(prepare_pictures, client, settings.s3_bucket, days, encrypted=False)
    try:
        yield settings
    finally:
        await asyncio.to_thread(remove_bucket, client, settings.s3_bucket)


def remove_bucket(client, name: str) -> None:
    """Remove a bucket with all that is in it."""
    names = [DeleteObject(item.object_name) for item in client.list_objects(name, recursive=True)]
    assert list(client.remove_objects(name, names)) == []
    client.remove_bucket(name)


@asynccontextmanager
async def index() -> AsyncIterator[StorageSettings]:
    """An index prepared as `ovr storage init` does it."""
    settings = opensearch_settings(f"test{uuid.uuid4().hex[:12]}")
    client = connect(settings)
    name = settings.opensearch_index
    try:
        await prepare(client, name, settings.opensearch_shards)
        yield settings
    finally:
        await client.indices.delete(index=f"{name}-*", ignore_unavailable=True)
        await client.indices.delete_index_template(name=name, ignore=404)
        await client.close()


@asynccontextmanager
async def image_world(home: Path) -> AsyncIterator[Open]:
    """A store of pictures that a test has for itself."""
    async with bucket() as settings:
        yield lambda: opening.open_images(settings)


@asynccontextmanager
async def search_world(home: Path) -> AsyncIterator[Open]:
    """A search index that a test has for itself."""
    async with index() as settings:
        yield lambda: opening.open_search(settings)
