"""Gives the roles of the migrations their passwords."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64encode

import asyncpg

from mesh.errors import Kind, MeshError
from storage.postgres import translated

ROLES = ("ovr_writer", "ovr_reader", "ovr_alert", "ovr_metabase", "ovr_mlflow", "ovr_monitor")
_ROUNDS = 4096


async def let_in(connection: asyncpg.Connection[asyncpg.Record], role: str, password: str) -> None:
    """Let a role log in with this password. INVALID for a role that is none of ours, and for a password that
    is short or not ASCII."""
    if role not in ROLES:
        raise MeshError(Kind.INVALID, "ROLE_UNKNOWN", f"{role}: is none of {', '.join(ROLES)}")
    if len(password) < 8 or not password.isascii():
        raise MeshError(Kind.INVALID, "PASSWORD_INVALID", f"{role}: needs 8 or more ASCII characters")
    with translated():
        statement = await connection.fetchval(
            "SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)",
            role,
            scram_verifier(password, secrets.token_bytes(16)),
        )
        await connection.execute(statement)


def scram_verifier(password: str, salt: bytes) -> str:
    """What the server keeps of an ASCII password (RFC 5803). Made here, so that the password itself never
    stands in a statement, and with it in the server's log."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${_ROUNDS}:{salt64}${stored64}:{server64}"
