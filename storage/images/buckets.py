"""Prepares S3 for pictures and models; safe to repeat."""

from __future__ import annotations

import json
from typing import Any

from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import MinioException, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.sseconfig import Rule as EncryptionRule
from minio.sseconfig import SSEConfig
from urllib3.exceptions import HTTPError

from mesh.errors import Kind, MeshError

ARTIFACTS_BUCKET = "mlflow-artifacts"

_OURS_ALREADY = frozenset({"BucketAlreadyOwnedByYou"})


def prepare_pictures(client: Minio, bucket: str, days: int, *, encrypted: bool) -> None:
    """Make the bucket of the pictures, which S3 itself empties of what is older than `days`, encrypted by
    default if asked for. UNAVAILABLE if S3 cannot be reached or does not allow it."""
    age = Rule(ENABLED, rule_filter=Filter(prefix=""), rule_id="age", expiration=Expiration(days=days))
    try:
        _make(client, bucket)
        client.set_bucket_lifecycle(bucket, LifecycleConfig([age]))
        if encrypted:
            client.set_bucket_encryption(bucket, SSEConfig(EncryptionRule.new_sse_s3_rule()))
    except (MinioException, HTTPError) as error:
        raise _failed(bucket, error) from error


def prepare_artifacts(client: Minio) -> None:
    """Make the bucket of MLflow's artifacts, which are kept. UNAVAILABLE as above."""
    try:
        _make(client, ARTIFACTS_BUCKET)
    except (MinioException, HTTPError) as error:
        raise _failed(ARTIFACTS_BUCKET, error) from error


def policy(bucket: str) -> str:
    """The least that a key needs to work with a bucket, as a policy for S3 (JSON): no making or removing of
    buckets, no change of their retention."""
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Action": ["s3:GetBucketLocation", "s3:GetLifecycleConfiguration", "s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{bucket}"],
        },
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": [f"arn:aws:s3:::{bucket}/*"],
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def _make(client: Minio, bucket: str) -> None:
    if client.bucket_exists(bucket):
        return
    try:
        client.make_bucket(bucket)
    except S3Error as error:
        if error.code not in _OURS_ALREADY:
            raise


def _failed(bucket: str, error: Exception) -> MeshError:
    why = f"{error.code}: {error.message}" if isinstance(error, S3Error) else type(error).__name__
    return MeshError(Kind.UNAVAILABLE, "S3_UNAVAILABLE", f"bucket {bucket}: {why}")
