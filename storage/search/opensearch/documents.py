"""What stands in the index: the template of its months, and an event as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from plates.confusables import fold
from plates.event import PlateEvent
from storage.events.sql import to_us
from storage.search.patterns import deletions

_WORD = {"type": "keyword"}
_DERIVED = {"type": "keyword", "doc_values": False}

PROPERTIES: Mapping[str, Any] = {
    "event_id": {"type": "keyword", "index": False},
    "best_seen_us": {"type": "long"},
    "best_seen_at": {"type": "date"},  # for dashboards: they know no microseconds
    "camera_id": _WORD,
    "site_id": _WORD,
    "outcome": _WORD,
    "region": _WORD,
    "confidence": {"type": "double"},
    "text": _WORD,
    "folded": _WORD,
    "text_ends": _DERIVED,
    "folded_ends": _DERIVED,
    "variants": _DERIVED,
}


def template(name: str, shards: int) -> dict[str, Any]:
    """The index template for the months of the index `name`.

    Documents lie in the order in which pages are asked for, newest first, so that a search that fits much
    ends after a page. Every batch is refreshed by who writes it; the interval is for what others write.
    """
    return {
        "index_patterns": [f"{name}-*"],
        "priority": 200,
        "template": {
            "settings": {
                "number_of_shards": shards,
                "auto_expand_replicas": "0-1",
                "refresh_interval": "5s",
                "sort.field": ["best_seen_us", "event_id"],
                "sort.order": ["desc", "desc"],
            },
            "mappings": {
                "dynamic": "strict",
                "_source": {"excludes": ["text_ends", "folded_ends", "variants"]},
                "properties": PROPERTIES,
            },
        },
    }


def document(event: PlateEvent) -> dict[str, Any] | None:
    """The document of an event; None without a plate text, which is not indexed.

    `region` holds the country beside the state, `text_ends` and `folded_ends` every end of the text, where
    patterns that begin with "*" are looked up, and `variants` the deletions of the folded text, for one-edit
    search.
    """
    plate = event.plate
    if plate is None or not plate.text:
        return None
    folded = fold(plate.text)
    return {
        "event_id": event.event_id,
        "best_seen_us": to_us(event.best_seen_at),
        "best_seen_at": event.best_seen_at,
        "camera_id": event.camera_id,
        "site_id": event.site_id,
        "outcome": event.outcome.value,
        "region": sorted({plate.region, plate.region.partition("-")[0]}),
        "confidence": plate.confidence,
        "text": plate.text,
        "folded": folded,
        "text_ends": _ends(plate.text),
        "folded_ends": _ends(folded),
        "variants": sorted(deletions(folded)),
    }


def bulk(items: Sequence[tuple[str, dict[str, Any]]]) -> bytes:
    """Documents and the alias each is written to, as the body of a bulk request. An id that is known stays as
    it is."""
    lines: list[bytes] = []
    for alias, item in items:
        lines.append(orjson.dumps({"create": {"_index": alias, "_id": item["event_id"]}}))
        lines.append(orjson.dumps(item))
    return b"\n".join(lines) + b"\n"


def _ends(text: str) -> list[str]:
    return [text[start:] for start in range(len(text))]
