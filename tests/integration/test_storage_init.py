"""`ovr storage init` on real engines, as the deployment runs it."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from storage import opening, s3
from storage.images.buckets import ARTIFACTS_BUCKET
from storage.search.port import SearchMode, SearchQuery
from storage.settings import StorageSettings
from tests.builders import stores
from tests.builders.engines import needs
from tests.builders.events import event, picture

pytestmark = needs(*stores.MINIO, *stores.OPENSEARCH)


@pytest.fixture
async def names() -> AsyncIterator[tuple[StorageSettings, str]]:
    """Settings of a bucket and an index that are made by the test, with a key of their own, and the name of
    another key; all are gone afterwards."""
    async with stores.bucket() as root, stores.index() as search:
        suffix = uuid.uuid4().hex[:8]
        key = StorageSettings(s3_access_key=f"test-ovr-{suffix}", s3_secret_key="long-enough-1")
        yield (
            root.model_copy(
                update={
                    "opensearch": search.opensearch,
                    "opensearch_index": search.opensearch_index,
                    "s3_access_key": key.s3_access_key,
                    "s3_secret_key": key.s3_secret_key,
                }
            ),
            f"test-mlflow-{suffix}",
        )
        admin = s3.connect_admin(root, s3.Key.of(root))
        for name in (key.s3_access_key, f"test-mlflow-{suffix}"):
            admin.user_remove(name)
        admin.policy_remove(root.s3_bucket)


async def test_everything_is_made_and_can_be_made_again(
    names: tuple[StorageSettings, str], tmp_path: Path
) -> None:
    """After `ovr storage init`, once or twice, the services' key works with pictures, MLflow's with its
    bucket alone, and events can be indexed."""
    settings, other = names
    _, root, password = (os.environ[name] for name in stores.MINIO)
    (tmp_path / "root").write_text(password)
    (tmp_path / "mlflow").write_text("long-enough-2\n")
    env = {
        "OVR_HOME": str(tmp_path),
        "OVR_S3": settings.s3,
        "OVR_S3_BUCKET": settings.s3_bucket,
        "OVR_S3_ACCESS_KEY": settings.s3_access_key,
        "OVR_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "OVR_S3_ROOT": root,
        "OVR_S3_ROOT_PASSWORD_FILE": str(tmp_path / "root"),
        "OVR_S3_ARTIFACTS_KEY": f"{other}={tmp_path / 'mlflow'}",
        "OVR_OPENSEARCH": settings.opensearch,
        "OVR_OPENSEARCH_INDEX": settings.opensearch_index,
        "OVR_INGEST_IMAGE_DAYS": "30",
    }
    for _ in range(2):
        done = await asyncio.to_thread(CliRunner(env=env).invoke, app, ["storage", "init"])
        assert done.exit_code == 0, done.output
        assert "keeps pictures for 30 days" in done.output
        assert password not in done.output
    images = await opening.open_images(settings)
    item, data = picture(b"made")
    await images.put(item.key, data, item.media_type)
    await images.close()
    search = await opening.open_search(settings)
    await search.index([event("AAA")])
    assert len((await search.search(SearchQuery("AAA", SearchMode.EXACT), 10)).hits) == 1
    await search.close()
    mlflow = s3.connect(settings, key=s3.Key(other, "long-enough-2"))
    assert mlflow.bucket_exists(ARTIFACTS_BUCKET)
    with pytest.raises(Exception, match="AccessDenied"):
        mlflow.get_object(settings.s3_bucket, item.key)


def test_the_policy_can_be_printed(tmp_path: Path) -> None:
    """`ovr storage policy` prints JSON that names the bucket of the settings and no other."""
    env = {"OVR_HOME": str(tmp_path), "OVR_S3_BUCKET": "somewhere"}
    done = CliRunner(env=env).invoke(app, ["storage", "policy"])
    assert done.exit_code == 0, done.output
    resources = [r for s in json.loads(done.output)["Statement"] for r in s["Resource"]]
    assert resources == ["arn:aws:s3:::somewhere", "arn:aws:s3:::somewhere/*"]
