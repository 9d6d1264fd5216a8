"""The connection to OpenSearch, and what its failures are called here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import OpenSearchException, TransportError

from mesh.errors import Kind, MeshError
from storage.settings import StorageSettings, secret

TIMEOUT_SECONDS = 10.0

_REFUSED = frozenset({400, 404, 405, 409, 413})


def connect(settings: StorageSettings) -> AsyncOpenSearch:
    """A client for all addresses that the settings name; nothing is asked yet."""
    login = None
    if settings.opensearch_user:
        login = (
            settings.opensearch_user,
            secret(settings.opensearch_password, settings.opensearch_password_file),
        )
    return AsyncOpenSearch(
        hosts=[address.strip() for address in settings.opensearch.split(",")],
        http_auth=login,
        ca_certs=str(settings.opensearch_ca) if settings.opensearch_ca is not None else None,
        timeout=TIMEOUT_SECONDS,
        max_retries=2,
        retry_on_status=(),  # what the server says goes to the caller, who knows whether to ask again
        maxsize=32,
    )


@contextmanager
def translated() -> Iterator[None]:
    """Raises MeshError for what the client raises: UNAVAILABLE for what can pass, INTERNAL for a request that
    OpenSearch does not take."""
    try:
        yield
    except TransportError as error:
        raise _mesh_error(error) from error
    except OpenSearchException as error:
        raise unavailable(type(error).__name__) from error


def unavailable(why: str) -> MeshError:
    """The index cannot be reached or written now."""
    return MeshError(Kind.UNAVAILABLE, "SEARCH_UNAVAILABLE", f"search index: {why}")


def _mesh_error(error: TransportError) -> MeshError:
    if isinstance(error, NoConnection):
        return unavailable(f"OpenSearch does not answer, {type(error.info).__name__}")
    if error.status_code in _REFUSED:
        return MeshError(Kind.INTERNAL, "SEARCH_REFUSED", f"search index: {error.status_code} {error.error}")
    return unavailable(f"{error.status_code} {error.error}")
