"""Prepares OpenSearch for the index; safe to repeat."""

from __future__ import annotations

from opensearchpy import AsyncOpenSearch

from storage.search.opensearch.client import translated
from storage.search.opensearch.documents import template


async def prepare(client: AsyncOpenSearch, name: str, shards: int) -> None:
    """Make or renew the index template of `name`; months that are there stay as they are. UNAVAILABLE if
    OpenSearch cannot be reached."""
    with translated():
        await client.indices.put_index_template(name=name, body=template(name, shards))
