"""The statements of the event store on PostgreSQL, and filters as its conditions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from uuid import UUID

from storage.events.port import Bucket, EventFilter, GroupBy
from storage.events.row import EventRow
from storage.postgres import Conditions

COLUMNS = EventRow._fields
WRITE = f"""
WITH new AS (
    INSERT INTO plate_events ({", ".join(COLUMNS)})
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
        $7::text[], $8::text[], $9::text[], $10::text[], $11::float8[], $12::bytea[])
    ON CONFLICT (event_id, best_seen_at) DO NOTHING
    RETURNING camera_id, site_id, node_id, closed_at
), counted AS (
    INSERT INTO cameras (camera_id, site_id, node_id, events, last_event_at)
    SELECT camera_id, min(site_id), min(node_id), count(*), max(closed_at) FROM new
    GROUP BY camera_id ORDER BY camera_id
    ON CONFLICT (camera_id) DO UPDATE SET events = cameras.events + excluded.events,
        last_event_at = greatest(cameras.last_event_at, excluded.last_event_at)
)
SELECT count(*) FROM new
"""
"""Stores what is new of rows, given as columns, and counts it for the cameras; gives how many were new. Who
sorts the rows by id never waits in a circle with another writer."""

COUNT = """
INSERT INTO cameras (camera_id, site_id, node_id, events, last_event_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[])
ON CONFLICT (camera_id) DO UPDATE SET events = cameras.events + excluded.events,
    last_event_at = greatest(cameras.last_event_at, excluded.last_event_at)
"""
"""Counts new events for their cameras, given in order of id."""

GET = "SELECT event_id, payload FROM plate_events WHERE event_id = ANY($1)"
GET_WITHIN = f"{GET} AND best_seen_at BETWEEN $2 AND $3"

SAVE_STATUS = """
INSERT INTO cameras (camera_id, site_id, node_id, reported_at, status)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::json[])
ON CONFLICT (camera_id) DO UPDATE SET site_id = excluded.site_id, node_id = excluded.node_id,
    reported_at = excluded.reported_at, status = excluded.status
    WHERE cameras.reported_at IS NULL OR cameras.reported_at <= excluded.reported_at
"""

CAMERAS = """
SELECT camera_id, site_id, node_id, status, reported_at, last_event_at, events FROM cameras
WHERE camera_id > $1 ORDER BY camera_id LIMIT $2
"""

BUCKETS = {Bucket.MINUTE: "minute", Bucket.HOUR: "hour", Bucket.DAY: "day"}
GROUPS = {
    GroupBy.CAMERA: "camera_id",
    GroupBy.OUTCOME: "outcome",
    GroupBy.REGION: "coalesce(region, '')",
    GroupBy.VEHICLE: "vehicle",
    GroupBy.PLATE: "coalesce(plate, '')",
}

_CLOCKS_APART = timedelta(days=1)


def conditions(filter: EventFilter) -> Conditions:
    """The filter as conditions on plate_events."""
    wanted = Conditions()
    if filter.camera_ids:
        wanted.add("camera_id = ANY({})", filter.camera_ids)
    if filter.site_ids:
        wanted.add("site_id = ANY({})", filter.site_ids)
    if filter.outcomes:
        wanted.add("outcome = ANY({})", [outcome.value for outcome in filter.outcomes])
    if filter.start is not None:
        wanted.add("best_seen_at >= {}", filter.start)
    if filter.end is not None:
        wanted.add("best_seen_at < {}", filter.end)
    if filter.regions:
        wanted.add("(region = ANY({0}) OR split_part(region, '-', 1) = ANY({0}))", filter.regions)
    if filter.min_confidence > 0:
        wanted.add("confidence >= {}", filter.min_confidence)
    return wanted


def made_about(ids: Sequence[UUID]) -> tuple[datetime, datetime] | None:
    """From when to when the events of these ids were seen, if the edge's clocks are right to a day; None if
    an id does not say. A UUIDv7 begins with its milliseconds since 1970."""
    if not ids or any(id.version != 7 for id in ids):
        return None
    moments = [id.int >> 80 for id in ids]
    try:
        first, last = (datetime.fromtimestamp(ms / 1000, timezone.utc) for ms in (min(moments), max(moments)))
        return first - _CLOCKS_APART, last + _CLOCKS_APART
    except (OverflowError, ValueError):
        return None
