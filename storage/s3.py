"""Connections to the S3 that the settings name."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import urllib3
from minio import Minio
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin

from mesh.errors import Kind, MeshError
from storage.settings import StorageSettings, secret

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
"""Longest silence of S3 within one call."""
_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Key:
    """Who asks S3: the key's name and the key itself."""

    name: str
    secret: str = field(repr=False)

    @classmethod
    def of(cls, settings: StorageSettings) -> Key:
        """The key that the settings name."""
        return cls(settings.s3_access_key, secret(settings.s3_secret_key, settings.s3_secret_key_file))


def connect(settings: StorageSettings, *, key: Key | None = None, address: str = "") -> Minio:
    """A client, by default with the settings' key at their address; nothing is asked yet. FAILED_PRECONDITION
    for an address that is none."""
    parts, key = _parts(address or settings.s3), key or Key.of(settings)
    return Minio(
        parts.netloc,
        key.name,
        key.secret,
        secure=parts.scheme == "https",
        region=settings.s3_region,  # else the client asks for it, even to make a link
        http_client=_pool(settings),
    )


def connect_admin(settings: StorageSettings, key: Key) -> MinioAdmin:
    """A client of MinIO's own interface, for keys and policies. FAILED_PRECONDITION as above."""
    parts = _parts(settings.s3)
    return MinioAdmin(
        endpoint=parts.netloc,
        credentials=StaticProvider(key.name, key.secret),
        region=settings.s3_region,
        secure=parts.scheme == "https",
        http_client=_pool(settings),
    )


def _parts(address: str) -> SplitResult:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
        raise MeshError(
            Kind.FAILED_PRECONDITION,
            "S3_ADDRESS_INVALID",
            f"{address!r} is not http://HOST:PORT or https://HOST:PORT",
        )
    return parts


def _pool(settings: StorageSettings) -> urllib3.PoolManager:
    # It never tries again by itself: the callers do, within their deadlines.
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        maxsize=_CONNECTIONS,
        retries=False,
        ca_certs=str(settings.s3_ca) if settings.s3_ca is not None else None,
    )
