"""All engines for one deployment: topics, database, bucket and index that nobody else has."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.builders import kafka, postgres, stores

NEEDS = (*kafka.NEEDS, *postgres.NEEDS, *stores.MINIO, *stores.OPENSEARCH)
CONTROL = "OVR_TEST_CONTROL"
"""A command that takes `kill`, `pause`, `resume` or `up` and an engine's name, for outages."""


@asynccontextmanager
async def engines(partitions: int = 3) -> AsyncIterator[dict[str, str]]:
    """The variables by which a process finds them; everything made is removed at the end."""
    async with AsyncExitStack() as stack:
        log = stack.enter_context(kafka.kafka(partitions))
        dsn = await stack.enter_async_context(postgres.database())
        pictures = await stack.enter_async_context(stores.bucket())
        texts = await stack.enter_async_context(stores.index())
        yield {
            "OVR_KAFKA": os.environ["OVR_TEST_KAFKA"],
            "OVR_KAFKA_PREFIX": log.prefix,
            "OVR_SCHEMA_REGISTRY": kafka.registry_address(),
            "OVR_DATABASE": dsn,
            "OVR_S3": pictures.s3,
            "OVR_S3_BUCKET": pictures.s3_bucket,
            "OVR_S3_ACCESS_KEY": pictures.s3_access_key,
            "OVR_S3_SECRET_KEY": pictures.s3_secret_key.get_secret_value(),
            "OVR_OPENSEARCH": texts.opensearch,
            "OVR_OPENSEARCH_INDEX": texts.opensearch_index,
        }
