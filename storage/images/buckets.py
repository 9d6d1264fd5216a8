"""Prepares S3 for pictures and models; safe to repeat."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import MinioException, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.minioadmin import MinioAdmin
from minio.sseconfig import Rule as EncryptionRule
from minio.sseconfig import SSEConfig
from urllib3.exceptions import HTTPError

from mesh.errors import Kind, MeshError
from storage.images.policy import policy
from storage.s3 import Key

ARTIFACTS_BUCKET = "mlflow-artifacts"

_OURS_ALREADY = frozenset({"BucketAlreadyOwnedByYou"})


def prepare_pictures(client: Minio, bucket: str, days: int, *, encrypted: bool) -> None:
    """Make the bucket of the pictures, which S3 itself empties of what is older than `days`, encrypted by
    default if asked for. UNAVAILABLE if S3 cannot be reached or does not allow it."""
    age = Rule(ENABLED, rule_filter=Filter(prefix=""), rule_id="age", expiration=Expiration(days=days))
    with _translated(f"bucket {bucket}"):
        _make(client, bucket)
        client.set_bucket_lifecycle(bucket, LifecycleConfig([age]))
        if encrypted:
            client.set_bucket_encryption(bucket, SSEConfig(EncryptionRule.new_sse_s3_rule()))


def prepare_artifacts(client: Minio) -> None:
    """Make the bucket of MLflow's artifacts, which are kept. UNAVAILABLE as above."""
    with _translated(f"bucket {ARTIFACTS_BUCKET}"):
        _make(client, ARTIFACTS_BUCKET)


def let_in(admin: MinioAdmin, key: Key, bucket: str) -> None:
    """Let a key work with a bucket and nothing else; it has the secret given from now on. For MinIO.
    UNAVAILABLE as above."""
    with _translated(f"key {key.name}"):
        admin.policy_add(bucket, policy=policy(bucket))
        admin.user_add(key.name, key.secret)
        admin.policy_set(bucket, user=key.name)


def _make(client: Minio, bucket: str) -> None:
    if client.bucket_exists(bucket):
        return
    try:
        client.make_bucket(bucket)
    except S3Error as error:
        if error.code not in _OURS_ALREADY:
            raise


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        raise _unavailable(f"{what}: {error.code}: {error.message}") from error
    except (MinioException, HTTPError) as error:
        raise _unavailable(f"{what}: {error}") from error


def _unavailable(why: str) -> MeshError:
    return MeshError(Kind.UNAVAILABLE, "S3_UNAVAILABLE", why)
