"""The connection to S3 that the settings name."""

from __future__ import annotations

from urllib.parse import urlsplit

import urllib3
from minio import Minio

from mesh.errors import Kind, MeshError
from storage.settings import StorageSettings, secret

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
"""Longest silence of S3 within one call."""
_CONNECTIONS = 32


def connect(settings: StorageSettings, address: str = "") -> Minio:
    """A client for `address`, by default that of the settings; nothing is asked yet. FAILED_PRECONDITION for
    an address that is none."""
    parts = urlsplit(address or settings.s3)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
        raise MeshError(
            Kind.FAILED_PRECONDITION,
            "S3_ADDRESS_INVALID",
            f"{address or settings.s3!r} is not http://HOST:PORT or https://HOST:PORT",
        )
    return Minio(
        parts.netloc,
        settings.s3_access_key,
        secret(settings.s3_secret_key, settings.s3_secret_key_file),
        secure=parts.scheme == "https",
        region=settings.s3_region,  # else the client asks for it, even to make a link
        http_client=pool(settings),
    )


def pool(settings: StorageSettings) -> urllib3.PoolManager:
    """Connections that time out and never try again by themselves: the callers do, within their deadlines."""
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        maxsize=_CONNECTIONS,
        retries=False,
        ca_certs=str(settings.s3_ca) if settings.s3_ca is not None else None,
    )
