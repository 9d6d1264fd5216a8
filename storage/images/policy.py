"""What a key may do with a bucket; needs no client of S3."""

from __future__ import annotations

from typing import Any


def policy(bucket: str) -> dict[str, Any]:
    """The least that a key needs to work with a bucket, as a policy of S3: no making or removing of buckets,
    no change of their retention."""
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
    return {"Version": "2012-10-17", "Statement": statements}
