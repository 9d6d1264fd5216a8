"""MinIO and OpenSearch behind TLS, with an authority that only the settings name."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mesh.errors import Kind, MeshError
from storage import opening
from storage.search.port import SearchMode, SearchQuery
from tests.builders import stores
from tests.builders.engines import needs
from tests.builders.events import event, picture
from tests.builders.relay import Relay
from tests.mesh.runtime.mesh_parts import Authority

pytestmark = needs(*stores.MINIO, *stores.OPENSEARCH)


@asynccontextmanager
async def behind_tls(address: str, authority: Authority) -> AsyncIterator[str]:
    """The engine at `address` behind a certificate of the authority; its new address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("engine"))
    parts = urlsplit(address if "://" in address else f"http://{address}")
    async with Relay(parts.hostname or "", parts.port or 80, tls=context).running() as wire:
        yield f"https://localhost:{wire.port}"


@pytest.fixture
def authorities(tmp_path: Path) -> tuple[Authority, Path]:
    """The authority of the engine, and the certificate of another."""
    return Authority(tmp_path), Authority(tmp_path, "stranger").ca


async def refused(store: Any) -> None:
    """The store is not ready, and says so."""
    with pytest.raises(MeshError) as caught:
        await store.check()
    assert caught.value.kind is Kind.UNAVAILABLE
    await store.close()


async def test_pictures_go_over_tls(authorities: tuple[Authority, Path]) -> None:
    """Pictures come and go over TLS when the settings name the authority; with another's nothing is sent."""
    ours, stranger = authorities
    async with stores.bucket() as settings, behind_tls(os.environ[stores.MINIO[0]], ours) as address:
        near = settings.model_copy(update={"s3": address, "s3_ca": ours.ca})
        store = await opening.open_images(near)
        item, data = picture(b"over tls")
        await store.put(item.key, data, item.media_type)
        found = await store.get(item.key)
        assert found is not None
        assert found.data == data
        await store.close()
        await refused(await opening.open_images(near.model_copy(update={"s3_ca": stranger})))


async def test_search_goes_over_tls(authorities: tuple[Authority, Path]) -> None:
    """The index is written and searched over TLS, with a user and password; with another's authority
    nothing is sent."""
    ours, stranger = authorities
    async with stores.index() as settings, behind_tls(os.environ[stores.OPENSEARCH[0]], ours) as address:
        near = settings.model_copy(
            update={"opensearch": address, "opensearch_ca": ours.ca, "opensearch_user": "ovr"}
        )
        index = await opening.open_search(near)
        await index.index([event("AAA")])
        assert len((await index.search(SearchQuery("AAA", SearchMode.EXACT), 10)).hits) == 1
        await index.close()
        await refused(await opening.open_search(near.model_copy(update={"opensearch_ca": stranger})))
