"""Addresses of databases, without one."""

from __future__ import annotations

import pytest

from mesh.errors import Kind, MeshError
from storage.postgres import login
from storage.settings import StorageSettings


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ovr@db:5432/alpr",
        "postgres://ovr:p%2Fw@db/alpr?sslmode=verify-full&sslrootcert=/ca.pem",
        "postgresql://ovr@[::1]:5432/alpr",
        "postgresql://ovr@one:5432,two:5433/alpr",
        "postgresql:///alpr?host=/run/postgresql",
    ],
)
def test_addresses_that_the_client_takes_are_taken(address: str) -> None:
    """A host, several, by IPv6 or a socket."""
    assert login(StorageSettings(database=address))["dsn"] == address


@pytest.mark.parametrize(
    "address",
    [
        "db:5432/alpr",
        "mysql://ovr:hidden@db/alpr",
        "postgresql://ovr:hid/den@db/alpr",
        "postgresql://ovr:hid#den@db/alpr",
        "postgresql://ovr:hidden@db:port/alpr",
        "postgresql://ovr:hidden@[db/alpr",
    ],
)
def test_an_address_that_is_none_is_refused_unseen(address: str) -> None:
    """Its words may be parts of a password."""
    with pytest.raises(MeshError) as caught:
        login(StorageSettings(database=address))
    assert caught.value.kind is Kind.FAILED_PRECONDITION
    assert "hid" not in str(caught.value)
