"""The image store: evidence by the hash of its content.

The embedded adapter is `storage.images.directory`, that of S3 `storage.images.minio`. Every method raises
`mesh.errors.MeshError` with kind UNAVAILABLE when the store cannot be reached or written now, and INVALID for
a key that is not of the form "sha256/<first two digits>/<sha256>.jpg" (or .png).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mesh.errors import Kind, MeshError


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture's bytes and MIME type."""

    data: bytes
    media_type: str


class ImageStore(Protocol):
    """Keeps pictures. What is stored under a key always has the hash the key names."""

    async def put(self, key: str, data: bytes, media_type: str) -> None:
        """Store `data`, durable when this returns. Storing it again only makes it younger. INVALID if the
        hash of `data` is not the key's or `media_type` not that of its ending."""

    async def get(self, key: str) -> StoredImage | None:
        """The picture, or None. DATA_LOSS if the stored bytes no longer have the key's hash."""

    async def exists(self, key: str) -> bool:
        """Whether a picture is stored under `key`."""

    async def link(self, key: str, seconds: int) -> str | None:
        """An address that anyone can fetch the picture from for `seconds`; None if the store gives none.
        Whether there is such a picture is not asked."""

    async def delete_older_than(self, moment: datetime) -> int:
        """Delete what was last put before `moment`; how many."""

    async def check(self) -> None:
        """Return if the store can be written now, for readiness."""

    async def close(self) -> None:
        """Give everything back."""


PICTURES = "sha256/"
"""What every key begins with."""

_KEY = re.compile(r"sha256/([0-9a-f]{2})/(\1[0-9a-f]{62})\.(jpg|png)")
_MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png"}
_ENDINGS = {media_type: ending for ending, media_type in _MEDIA_TYPES.items()}


def image_key(sha256: str, media_type: str) -> str:
    """The key of a picture; ValueError for a MIME type that is not stored."""
    if media_type not in _ENDINGS:
        raise ValueError(f"media type {media_type!r} is none of {', '.join(_ENDINGS)}")
    return f"sha256/{sha256[:2]}/{sha256}.{_ENDINGS[media_type]}"


def parse_image_key(key: str) -> tuple[str, str]:
    """The hash and the MIME type that a key names; INVALID if it is none."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise MeshError(Kind.INVALID, "IMAGE_KEY_INVALID", f"{key!r} is no key of a picture")
    return match[2], _MEDIA_TYPES[match[3]]


def check_picture(key: str, data: bytes, media_type: str) -> None:
    """INVALID unless `key` is that of `data` and `media_type`."""
    sha256, expected = parse_image_key(key)
    if media_type != expected:
        raise MeshError(
            Kind.INVALID, "MEDIA_TYPE_MISMATCH", f"{key}: media type is {media_type!r}, not {expected!r}"
        )
    if hashlib.sha256(data).hexdigest() != sha256:
        raise MeshError(Kind.INVALID, "HASH_MISMATCH", f"the picture's hash is not the key's, {sha256}")
