"""A search as OpenSearch is asked for it, and its answer as hits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from plates import matching
from plates.confusables import fold
from storage.events.port import EventFilter
from storage.events.sql import from_us, to_us
from storage.paging import Key
from storage.search.patterns import deletions
from storage.search.port import SearchHit, SearchMode, SearchQuery

Json = dict[str, Any]

_EQUAL = 2.0
_NEAR = 1.0
_SINGLES_BEHIND_MANY = 5
_FITS = {
    SearchMode.EXACT: matching.exact,
    SearchMode.PREFIX: matching.prefix,
    SearchMode.WILDCARD: matching.wildcard,
    SearchMode.ONE_EDIT: matching.one_edit,
}
_NEWEST_FIRST: tuple[Json, ...] = ({"best_seen_us": "desc"}, {"event_id": "desc"})


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of OpenSearch, at times more widely than it is meant: `fits` says which texts are."""

    match: Json
    ranked: bool
    fits: Callable[[str], bool]

    def body(self, after: Key | None, size: int) -> Json:
        """A page of at most `size` behind the place (edits, best_seen_us, event_id) `after`."""
        body: Json = {
            "size": size,
            "query": self.match,
            "sort": [*(["_score"] if self.ranked else []), *_NEWEST_FIRST],
            "_source": False,
            "docvalue_fields": ["text"],
            "track_total_hits": False,
        }
        if after is not None:
            edits, *place = after
            body["search_after"] = [_EQUAL - int(edits), *place] if self.ranked else place
        return body

    def hit(self, found: Mapping[str, Any]) -> SearchHit:
        """One of the answer's hits."""
        *score, us, event_id = found["sort"]
        edits = int(_EQUAL - score[0]) if score else 0
        return SearchHit(event_id, found["fields"]["text"][0], from_us(us), edits)


def ask(query: SearchQuery, text: str) -> Question:
    """The question behind a query whose text is normalised."""
    field, wanted = ("folded", fold(text)) if query.confusables else ("text", text)
    ranked = query.mode is SearchMode.ONE_EDIT
    if query.mode is SearchMode.EXACT:
        match: Json = {"term": {field: wanted}}
    elif query.mode is SearchMode.PREFIX:
        match = {"prefix": {field: wanted}}
    elif query.mode is SearchMode.WILDCARD:
        match = _wildcard(field, wanted)
    else:
        match = _one_edit(field, wanted)
    narrow = _filters(query.filter)
    clauses: Json = {"filter": narrow, "must": [match]} if ranked else {"filter": [*narrow, match]}
    fits = partial(_FITS[query.mode], confusables=query.confusables)
    return Question({"bool": clauses}, ranked, lambda found: fits(found, text))


def _one_edit(field: str, wanted: str) -> Json:
    return {
        "dis_max": {
            "queries": [
                {"constant_score": {"filter": {"term": {field: wanted}}, "boost": _EQUAL}},
                {
                    "constant_score": {
                        "filter": {"terms": {"variants": sorted(deletions(fold(wanted)))}},
                        "boost": _NEAR,
                    }
                },
            ]
        }
    }


def _wildcard(field: str, pattern: str) -> Json:
    # "?*" and "*?" are the same; with "*" in front it can be looked up among the ends of texts.
    pattern = re.sub(r"[*?]*\*[*?]*", lambda run: "*" + "?" * run[0].count("?"), pattern)
    if pattern.startswith("*"):
        field, pattern = f"{field}_ends", pattern[1:]
    head, many, tail = pattern.partition("*")
    if tail.count("?") > _SINGLES_BEHIND_MANY:  # each "?" behind a "*" doubles the automaton
        pattern = head + many + re.sub(r"[*?]+", "*", tail)
    return _like(field, pattern)


def _like(field: str, pattern: str) -> Json:
    if re.search(r"[*?]", pattern) is None:
        return {"term": {field: pattern}}
    if re.search(r"[*?]", pattern[:-1]) is None and pattern[-1] == "*":
        return {"prefix": {field: pattern[:-1]}}
    return {"wildcard": {field: {"value": pattern}}}


def _filters(filter: EventFilter) -> list[Json]:
    found: list[Json] = []

    def terms(field: str, values: Sequence[str]) -> None:
        if values:
            found.append({"terms": {field: list(values)}})

    terms("camera_id", filter.camera_ids)
    terms("site_id", filter.site_ids)
    terms("outcome", [outcome.value for outcome in filter.outcomes])
    terms("region", filter.regions)
    bounds = {}
    if filter.start is not None:
        bounds["gte"] = to_us(filter.start)
    if filter.end is not None:
        bounds["lt"] = to_us(filter.end)
    if bounds:
        found.append({"range": {"best_seen_us": bounds}})
    if filter.min_confidence > 0:
        found.append({"range": {"confidence": {"gte": filter.min_confidence}}})
    return found
