"""The event store on PostgreSQL, with TimescaleDB or without: what differs between the two stands in
`storage/migrations`, behind functions of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Literal
from uuid import UUID

import asyncpg

from mesh.errors import MeshError
from plates.event import PlateEvent
from storage.events import postgres_sql as sql
from storage.events.port import (
    Aggregate,
    AggregateRow,
    Bucket,
    Camera,
    CameraPage,
    EventFilter,
    EventPage,
    GroupBy,
    NodeStatus,
)
from storage.events.row import EventRow, row_of
from storage.events.sql import from_us, to_us
from storage.events.stored import event_of, status_of_json, status_to_json
from storage.paging import decode_token, encode_token
from storage.postgres import Postgres, uuid_of
from storage.settings import StorageSettings

_DELETE_CHUNK = 5000
# TimescaleDB 2.13 dies of a COPY into a compressed chunk (its issue 6540), and compresses after two weeks.
_COPIED = timedelta(days=10)


class PostgresEventStore:
    """`storage.events.port.EventStore` on a database that `ovr db migrate` has brought up to date."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        self._prepared: set[tuple[int, int]] = set()
        # Whether the last batch had events that are stored already, as a replay has: the next may have, too.
        self._meets_known = False

    @classmethod
    async def open(cls, settings: StorageSettings) -> PostgresEventStore:
        """The store of the settings' database; connects when it is used."""
        return cls(await Postgres.open(settings))

    async def write(self, events: Sequence[PlateEvent]) -> int:
        """See the port."""
        return await self.write_rows([row_of(event) for event in events])

    async def write_rows(self, rows: Sequence[EventRow]) -> int:
        """See the port."""
        if not rows:
            return 0
        await self._prepare(rows)
        # In one order everywhere, so that two writers of the same events never wait for each other.
        ordered = sorted(rows, key=lambda row: row.event_id)
        young = min(row.best_seen_at for row in rows) > datetime.now(timezone.utc) - _COPIED
        new = await self._copy(ordered) if young and not self._meets_known else None
        if new is None:
            new = int(await self._database.fetch_one(sql.WRITE, *zip(*ordered, strict=True)))
            self._meets_known = new < len(rows)
        return new

    async def _copy(self, rows: Sequence[EventRow]) -> int | None:
        # Several times as fast as WRITE, which answers where this gives None: for an event that is stored
        # already or comes twice, and for a value that no column can hold.
        try:
            async with self._database.transaction() as connection:
                await connection.copy_records_to_table("plate_events", records=rows, columns=sql.COLUMNS)
                await connection.execute(sql.COUNT, *zip(*_counted(rows), strict=True))
        except (ValueError, OverflowError):
            return None
        except MeshError as error:
            if not isinstance(error.__cause__, asyncpg.UniqueViolationError):
                raise
            return None
        return len(rows)

    async def _prepare(self, rows: Sequence[EventRow]) -> None:
        # Not a condition of writing: without a partition of its own a week is kept in the default one.
        new = {row.best_seen_at.isocalendar()[:2] for row in rows} - self._prepared
        if new:
            moments = [row.best_seen_at for row in rows]
            await self._database.fetch("SELECT plate_events_prepare($1::timestamptz[])", moments)
            self._prepared |= new

    async def get(self, event_id: str) -> PlateEvent | None:
        """See the port."""
        return (await self.get_many([event_id])).get(event_id)

    async def get_many(self, event_ids: Sequence[str]) -> dict[str, PlateEvent]:
        """See the port. Looks into the time that the ids tell first, and only for what is not there
        everywhere: an event of a recorded file or of a wrong clock is as good as any other."""
        wanted = {id: event_id for event_id in event_ids if (id := uuid_of(event_id)) is not None}
        span = sql.made_about(list(wanted))
        found = await self._lookup(sql.GET_WITHIN, list(wanted), *span) if span is not None else {}
        rest = [id for id in wanted if id not in found]
        if rest:
            found |= await self._lookup(sql.GET, rest)
        return {wanted[id]: event for id, event in found.items()}

    async def _lookup(self, statement: str, ids: list[UUID], *span: datetime) -> dict[UUID, PlateEvent]:
        rows = await self._database.fetch(statement, ids, *span)
        return {id: event_of(str(id), payload) for id, payload in rows}

    async def list_events(self, filter: EventFilter, page_size: int, page_token: str = "") -> EventPage:
        """See the port."""
        return await self._page("events", filter, page_size, page_token)

    async def scan(self, filter: EventFilter, page_size: int, page_token: str = "") -> EventPage:
        """See the port."""
        return await self._page("scan", filter, page_size, page_token)

    async def _page(
        self, kind: Literal["events", "scan"], filter: EventFilter, size: int, token: str
    ) -> EventPage:
        request = (kind, filter)
        behind, order = ("<", "DESC") if kind == "events" else (">", "ASC")
        conditions = sql.conditions(filter)
        after = decode_token(request, token, (int, str))
        if after is not None:
            moment, id = from_us(int(after[0])), uuid_of(str(after[1]))
            # the first says the same once more, in words that leave out whole partitions
            conditions.add(f"best_seen_at {behind}= {{}}", moment)
            conditions.add(f"(best_seen_at, event_id) {behind} ({{}}, {{}})", moment, id)
        statement = (
            f"SELECT best_seen_at, event_id, payload FROM plate_events{conditions.where()}"
            f" ORDER BY best_seen_at {order}, event_id {order} LIMIT {conditions.parameter(size + 1)}"
        )
        rows = await self._database.fetch(statement, *conditions.values)
        events = tuple(event_of(str(id), payload) for _, id, payload in rows[:size])
        if len(rows) <= size:
            return EventPage(events, "")
        moment, id, _ = rows[size - 1]
        return EventPage(events, encode_token(request, (to_us(moment), str(id))))

    async def aggregate(
        self, filter: EventFilter, bucket: Bucket, group_by: Sequence[GroupBy], limit: int
    ) -> Aggregate:
        """See the port. Counts rows: the views of `analytics` lag behind, and may be asked instead where that
        does not matter."""
        conditions = sql.conditions(filter)
        width = sql.BUCKETS.get(bucket)
        start = f"date_trunc('{width}', best_seen_at, 'UTC')" if width else "NULL::timestamptz"
        groups = [sql.GROUPS[group] for group in group_by]
        numbers = [str(number) for number in range(4, 4 + len(groups))]
        statement = (
            f"SELECT {', '.join([start, 'count(*)', 'avg(confidence)', *groups])} FROM plate_events"
            f"{conditions.where()} GROUP BY {', '.join(['1', *numbers])}"
            f" ORDER BY {', '.join(['1', '2 DESC', *numbers])} LIMIT {conditions.parameter(limit + 1)}"
        )
        rows = await self._database.fetch(statement, *conditions.values)
        counts = tuple(
            AggregateRow(moment, tuple(group), count, mean or 0.0)
            for moment, count, mean, *group in rows[:limit]
        )
        return Aggregate(counts, truncated=len(rows) > limit)

    async def save_status(self, statuses: Sequence[NodeStatus]) -> None:
        """See the port."""
        newest = {
            camera.camera_id: (
                camera.camera_id,
                status.site_id,
                status.node_id,
                status.reported_at,
                status_to_json(camera).decode(),
            )
            for status in sorted(statuses, key=lambda status: status.reported_at)
            for camera in status.cameras
        }
        rows = [row for _, row in sorted(newest.items())]
        if rows:
            await self._database.fetch(sql.SAVE_STATUS, *zip(*rows, strict=True))

    async def list_cameras(self, page_size: int, page_token: str = "") -> CameraPage:
        """See the port."""
        after = decode_token("cameras", page_token, (str,)) or ("",)
        rows = await self._database.fetch(sql.CAMERAS, *after, page_size + 1)
        cameras = tuple(_camera(row) for row in rows[:page_size])
        more = len(rows) > page_size
        return CameraPage(cameras, encode_token("cameras", (cameras[-1].camera_id,)) if more else "")

    async def delete_older_than(self, moment: datetime) -> int:
        """See the port."""
        total = 0
        statement = "SELECT plate_events_delete_before($1, $2)"
        while gone := int(await self._database.sweep(statement, moment, _DELETE_CHUNK)):
            total += gone
        return total

    async def maintain(self) -> None:
        """See the port."""
        await self._database.sweep("SELECT plate_events_refresh()")

    async def check(self) -> None:
        """See the port."""
        await self._database.check("plate_events")

    async def close(self) -> None:
        """See the port."""
        await self._database.close()


def _counted(rows: Sequence[EventRow]) -> list[tuple[object, ...]]:
    # camera, site and node of its newest event, number of events, time of the last; in order of camera
    of_camera: dict[str, list[EventRow]] = {}
    for row in rows:
        of_camera.setdefault(row.camera_id, []).append(row)
    newest = {camera: max(some, key=lambda row: row.closed_at) for camera, some in of_camera.items()}
    return [
        (camera, row.site_id, row.node_id, len(of_camera[camera]), row.closed_at)
        for camera, row in sorted(newest.items())
    ]


def _camera(row: asyncpg.Record) -> Camera:
    camera_id, site_id, node_id, status, reported_at, last_event_at, events = row
    return Camera(
        camera_id,
        site_id,
        node_id,
        status_of_json(status) if status is not None else None,
        reported_at,
        last_event_at,
        events,
    )
