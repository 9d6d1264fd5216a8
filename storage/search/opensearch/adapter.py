"""The search index on OpenSearch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from opensearchpy import AsyncOpenSearch

from mesh.errors import Kind, MeshError
from plates.event import PlateEvent
from storage.events.sql import to_us
from storage.paging import Key, decode_token, encode_token
from storage.search.opensearch.client import translated, unavailable
from storage.search.opensearch.documents import bulk, document
from storage.search.opensearch.indices import Indices, Month
from storage.search.opensearch.query import Question, ask
from storage.search.patterns import normalise_query
from storage.search.port import SearchHit, SearchPage, SearchQuery

_BULK_DOCUMENTS = 1000
_BULK_SECONDS = 30.0
_SWEEP_SECONDS = 300.0
_LARGEST_PAGE = 10_000
_COMPARED = 1000
_KNOWN = 409
_NO_ALIAS = 404
_BROKEN = 400


class OpenSearchIndex:
    """`storage.search.port.SearchIndex` on OpenSearch, whose template `ovr storage init` made."""

    def __init__(self, client: AsyncOpenSearch, name: str) -> None:
        self._client = client
        self._name = name
        self._indices = Indices(client, name)

    async def index(self, events: Sequence[PlateEvent]) -> None:
        """See the port; found by searches, too, when this returns."""
        items = [
            (self._indices.alias(event.best_seen_at), item)
            for event in events
            if (item := document(event)) is not None
        ]
        for start in range(0, len(items), _BULK_DOCUMENTS):
            await self._write(items[start : start + _BULK_DOCUMENTS])
        if items:
            with translated():
                months = {alias for alias, _ in items}
                await self._client.indices.refresh(index=",".join(months), ignore_unavailable=True)

    async def _write(self, items: list[tuple[str, dict[str, Any]]]) -> None:
        homeless = await self._bulk(items)
        if homeless:
            await self._indices.ensure({alias for alias, _ in homeless})
            if await self._bulk(homeless):
                raise unavailable("a month was removed while it was written to")

    async def _bulk(self, items: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
        """Write documents; those whose month is not there yet."""
        with translated():
            answer = await self._client.bulk(
                body=bulk(items),
                params={
                    "require_alias": "true",
                    "filter_path": "errors,items.*.status,items.*.error",
                    "request_timeout": _BULK_SECONDS,
                },
            )
        if not answer["errors"]:
            return []
        homeless = []
        for item, result in zip(items, answer["items"], strict=True):
            status = result["create"]["status"]
            if status == _NO_ALIAS:
                homeless.append(item)
            elif status == _BROKEN:
                raise MeshError(Kind.INVALID, "EVENT_NOT_INDEXED", _why(result))
            elif status >= _BROKEN and status != _KNOWN:
                raise unavailable(_why(result))
        return homeless

    async def search(self, query: SearchQuery, page_size: int, page_token: str = "") -> SearchPage:
        """See the port."""
        text = normalise_query(query)
        request = ("search", text, query.mode, query.confusables, query.filter)
        question = ask(query, text)
        hits = await self._hits(question, decode_token(request, page_token, (int, int, str)), page_size + 1)
        page = hits[:page_size]
        more = len(hits) > page_size
        return SearchPage(tuple(page), encode_token(request, _place(page[-1])) if more else "")

    async def _hits(self, question: Question, after: Key | None, wanted: int) -> list[SearchHit]:
        """At least `wanted` hits, or all there are."""
        hits: list[SearchHit] = []
        size = wanted
        while len(hits) < wanted:
            found = await self._ask(question.body(after, size))
            for hit in map(question.hit, found):
                # During a rebuild an event can stand in two generations, both at the same place.
                known = after is not None and _place(hit) == after
                after = _place(hit)
                if not known and question.fits(hit.text):
                    hits.append(hit)
            if len(found) < size:
                break
            size = min(size * 4, _LARGEST_PAGE)
        return hits

    async def _ask(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        with translated():
            answer = await self._client.search(
                index=self._name,
                body=body,
                params={
                    "ignore_unavailable": "true",  # nothing was ever indexed
                    "allow_partial_search_results": "false",
                    "filter_path": "hits.hits.sort,hits.hits.fields",
                },
            )
        found: list[dict[str, Any]] = answer.get("hits", {}).get("hits", [])
        return found

    async def delete_older_than(self, moment: datetime) -> int:
        """See the port: whole months are dropped, the rest of a month goes by query."""
        months = await self._indices.months()
        over = [month for month in months if month.ends_by(moment)]
        gone = await self._count(over)
        await self._indices.drop(over)
        if len(over) == len(months):
            return gone
        with translated():
            answer = await self._client.delete_by_query(
                index=self._name,
                body={"query": {"range": {"best_seen_us": {"lt": to_us(moment)}}}},
                params={
                    "conflicts": "proceed",
                    "refresh": "true",
                    "ignore_unavailable": "true",
                    "request_timeout": _SWEEP_SECONDS,
                },
            )
        return gone + int(answer["deleted"])

    async def _count(self, months: Sequence[Month]) -> int:
        if not months:
            return 0
        with translated():
            names = ",".join(month.name for month in months)
            answer = await self._client.count(index=names, ignore_unavailable=True)
        return int(answer["count"])

    async def renew(self) -> None:
        """See the port."""
        await self._indices.renew()

    async def left_behind(self, limit: int, after: str = "") -> list[str]:
        """See the port."""
        months = await self._indices.old()
        newest = [m.name for m in await self._indices.months() if m not in months]
        missing: list[str] = []
        while months and len(missing) < limit:
            ids = await self._ids([month.name for month in months], after)
            if not ids:
                break
            known = await self._known(newest, ids)
            missing += [event_id for event_id in ids if event_id not in known]
            after = ids[-1]
        return missing[:limit]

    async def _ids(self, names: Sequence[str], after: str) -> list[str]:
        body: dict[str, Any] = {"size": _COMPARED, "sort": [{"event_id": "asc"}], "_source": False}
        if after:
            body["search_after"] = [after]
        with translated():
            answer = await self._client.search(
                index=",".join(names), body=body, params={"allow_partial_search_results": "false"}
            )
        return [hit["_id"] for hit in answer["hits"]["hits"]]

    async def _known(self, names: Sequence[str], ids: Sequence[str]) -> set[str]:
        body = {"size": len(ids), "query": {"ids": {"values": list(ids)}}, "_source": False}
        with translated():
            answer = await self._client.search(
                index=",".join(names), body=body, params={"allow_partial_search_results": "false"}
            )
        return {hit["_id"] for hit in answer["hits"]["hits"]}

    async def finish_renewal(self) -> None:
        """See the port."""
        await self._indices.drop_old()

    async def check(self) -> None:
        """See the port: every month is there as a whole."""
        with translated():
            health = await self._client.cluster.health(index=f"{self._name}-*")
        if health["status"] == "red":
            raise unavailable("a month is not there as a whole")

    async def check_writable(self) -> None:
        """See the port: months can be made, and no disk is so full that OpenSearch has stopped writing."""
        await self.check()
        await self._indices.check_prepared()
        with translated():
            blocked = await self._client.indices.get_settings(
                index=f"{self._name}-*", name="index.blocks.read_only*"
            )
        if any(about["settings"] for about in blocked.values()):
            raise unavailable("a month is read-only: is a disk full?")

    async def close(self) -> None:
        """See the port."""
        await self._client.close()


def _place(hit: SearchHit) -> Key:
    return hit.edits, to_us(hit.best_seen_at), hit.event_id


def _why(result: dict[str, Any]) -> str:
    error = result["create"]["error"]
    return f"{error['type']}: {error['reason']}"
