"""`ovr storage`: what the mesh needs on S3 and OpenSearch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import fail

if TYPE_CHECKING:
    from services.ingest.settings import IngestSettings
    from storage.s3 import Key

app = typer.Typer(
    no_args_is_help=True,
    help="S3 (MinIO) of OVR_S3 and OpenSearch of OVR_OPENSEARCH.\n\nExample: ovr storage init",
)


@app.command()
def init(
    root: Annotated[
        str,
        typer.Option(envvar="OVR_S3_ROOT", help="MinIO's root, who then makes the key OVR_S3_ACCESS_KEY."),
    ] = "",
    root_password_file: Annotated[
        Path | None, typer.Option(envvar="OVR_S3_ROOT_PASSWORD_FILE", help="File with the root's password.")
    ] = None,
    artifacts_key: Annotated[
        str,
        typer.Option(
            envvar="OVR_S3_ARTIFACTS_KEY", metavar="NAME=FILE", help="MLflow's key, which root makes, too."
        ),
    ] = "",
) -> None:
    """Make the buckets of pictures and of MLflow's artifacts, the pictures' age of OVR_INGEST_IMAGE_DAYS, and
    the index template. Safe to repeat; what is stored stays. With --root also the keys, each for its bucket
    alone.

    Example: OVR_S3=http://minio:9000 OVR_OPENSEARCH=http://opensearch:9200 ovr storage init
    """
    from mesh.errors import MeshError
    from mesh.settings import load
    from services.ingest.settings import IngestSettings

    settings = load(IngestSettings)
    if not settings.s3 and not settings.opensearch:
        fail("neither OVR_S3 nor OVR_OPENSEARCH is set: files in OVR_HOME need no preparation")
    try:
        if settings.s3:
            _prepare_s3(settings, _key(f"{root}={root_password_file or ''}") if root else None, artifacts_key)
        if settings.opensearch:
            _prepare_opensearch(settings)
    except MeshError as error:
        fail(str(error))


@app.command()
def policy() -> None:
    """Print the least that the services' key needs, as a policy of S3 (JSON), for an S3 that is not MinIO.

    Example: ovr storage policy > policy.json
    """
    import json

    from mesh.settings import load
    from storage.images.policy import policy
    from storage.settings import StorageSettings

    print(json.dumps(policy(load(StorageSettings).s3_bucket), indent=2))


def _prepare_s3(settings: IngestSettings, root: Key | None, artifacts_key: str) -> None:
    from storage import s3
    from storage.images import buckets

    client = s3.connect(settings, key=root)
    days = math.ceil(settings.image_days)
    buckets.prepare_pictures(client, settings.s3_bucket, days, encrypted=settings.s3_encryption)
    print(f"bucket {settings.s3_bucket}: keeps pictures for {days} days")
    buckets.prepare_artifacts(client)
    print(f"bucket {buckets.ARTIFACTS_BUCKET}: is there")
    if root is None:
        return
    admin = s3.connect_admin(settings, root)
    keys = {settings.s3_bucket: s3.Key.of(settings)}
    if artifacts_key:
        keys[buckets.ARTIFACTS_BUCKET] = _key(artifacts_key)
    for bucket, key in keys.items():
        buckets.let_in(admin, key, bucket)
        print(f"key {key.name}: may work with bucket {bucket}")


def _prepare_opensearch(settings: IngestSettings) -> None:
    import asyncio

    from storage.search.opensearch.client import connect
    from storage.search.opensearch.prepare import prepare

    async def run() -> None:
        client = connect(settings)
        try:
            await prepare(client, settings.opensearch_index, settings.opensearch_shards)
        finally:
            await client.close()

    asyncio.run(run())
    print(f"index template {settings.opensearch_index}: is there")


def _key(pair: str) -> Key:
    from mesh.secrets import read_secret
    from storage.s3 import Key

    name, _, file = pair.partition("=")
    try:
        return Key(name, read_secret(Path(file)))
    except ValueError:
        fail(f"{pair}: a name, =, and a file with its secret are needed")
