"""Page tokens: where the next page starts, bound to the request they were made for."""

from __future__ import annotations

import base64
import binascii
import hashlib

import orjson

from mesh.errors import FieldViolation, Kind, MeshError

Key = tuple[int | str, ...]


def encode_token(request: object, key: Key) -> str:
    """A token for the page after `key`; `request` is any value whose repr says all that the pages depend
    on."""
    return base64.urlsafe_b64encode(orjson.dumps([_digest(request), *key])).decode().rstrip("=")


def decode_token(request: object, token: str, kinds: tuple[type, ...]) -> Key | None:
    """The key in `token`, None for the empty one. INVALID if it is damaged, its key is not of `kinds`, or it
    was made for another request."""
    if not token:
        return None
    try:
        digest, *key = orjson.loads(base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        raise _invalid("is not a token of this service") from None
    if digest != _digest(request):
        raise _invalid("belongs to another request")
    if len(key) != len(kinds) or not all(isinstance(k, t) for k, t in zip(key, kinds, strict=True)):
        raise _invalid("is not a token of this service")
    return tuple(key)


def _digest(request: object) -> str:
    return hashlib.sha256(repr(request).encode()).hexdigest()[:16]


def _invalid(what: str) -> MeshError:
    return MeshError(
        Kind.INVALID,
        "PAGE_TOKEN_INVALID",
        f"page_token {what}",
        fields=(FieldViolation("page_token", what),),
    )
