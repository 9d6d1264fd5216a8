"""Filters and times in SQL, for tables with the columns of `COLUMNS`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from plates.event import PlateEvent
from storage.events.port import EventFilter

COLUMNS = ("event_id", "best_seen_us", "camera_id", "site_id", "outcome", "region", "confidence")
"""What a filter asks for; `region` and `confidence` are NULL for an event without a plate."""

Value = str | int | float | None
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


def columns(event: PlateEvent) -> tuple[Value, ...]:
    """The values of `COLUMNS` for an event."""
    plate = event.plate
    return (
        event.event_id,
        to_us(event.best_seen_at),
        event.camera_id,
        event.site_id,
        event.outcome.value,
        plate.region if plate is not None else None,
        plate.confidence if plate is not None else None,
    )


def conditions(filter: EventFilter) -> tuple[list[str], list[Value]]:
    """The filter as conditions to be joined by AND, and their parameters."""
    where: list[str] = []
    values: list[Value] = []

    def add(condition: str, *parameters: Value) -> None:
        where.append(condition)
        values.extend(parameters)

    if filter.camera_ids:
        add(f"camera_id IN ({marks(filter.camera_ids)})", *filter.camera_ids)
    if filter.site_ids:
        add(f"site_id IN ({marks(filter.site_ids)})", *filter.site_ids)
    if filter.outcomes:
        add(f"outcome IN ({marks(filter.outcomes)})", *(outcome.value for outcome in filter.outcomes))
    if filter.start is not None:
        add("best_seen_us >= ?", to_us(filter.start))
    if filter.end is not None:
        add("best_seen_us < ?", to_us(filter.end))
    if filter.regions:
        some = marks(filter.regions)
        add(f"(region IN ({some}) OR substr(region, 1, 2) IN ({some}))", *filter.regions, *filter.regions)
    if filter.min_confidence > 0:
        add("confidence >= ?", filter.min_confidence)
    return where, values


def where_clause(where: list[str]) -> str:
    """The conditions as a WHERE clause; empty for none."""
    return f" WHERE {' AND '.join(where)}" if where else ""


def marks(values: tuple[object, ...] | list[str]) -> str:
    """As many "?" as values."""
    return ", ".join("?" * len(values))


def to_us(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """The UTC time of `to_us`."""
    return _EPOCH + timedelta(microseconds=microseconds)
