"""The embedded event store: a SQLite file. What is filtered stands in narrow rows, the whole event beside
them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from plates.event import PlateEvent
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
from storage.events.sql import conditions, from_us, marks, to_us, where_clause
from storage.events.stored import event_of, status_of_json, status_to_json
from storage.paging import decode_token, encode_token
from storage.sqlite import Database

MIGRATIONS = (
    """
    CREATE TABLE events (
        number INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL UNIQUE,
        best_seen_us INTEGER NOT NULL,
        camera_id TEXT NOT NULL,
        site_id TEXT NOT NULL,
        outcome TEXT NOT NULL,
        region TEXT,
        confidence REAL,
        vehicle TEXT NOT NULL,
        plate TEXT
    );
    CREATE INDEX events_by_time ON events (best_seen_us, event_id);
    CREATE INDEX events_by_camera ON events (camera_id, best_seen_us, event_id);
    CREATE TABLE payloads (
        number INTEGER PRIMARY KEY REFERENCES events (number) ON DELETE CASCADE,
        payload BLOB NOT NULL
    );
    CREATE TABLE cameras (
        camera_id TEXT PRIMARY KEY,
        site_id TEXT NOT NULL,
        node_id TEXT NOT NULL,
        events INTEGER NOT NULL DEFAULT 0,
        last_event_us INTEGER,
        reported_us INTEGER,
        status BLOB
    ) WITHOUT ROWID;
    """,
)

_BUCKET_US = {Bucket.MINUTE: 60_000_000, Bucket.HOUR: 3_600_000_000, Bucket.DAY: 86_400_000_000}
_GROUP_COLUMNS = {
    GroupBy.CAMERA: "camera_id",
    GroupBy.OUTCOME: "outcome",
    GroupBy.REGION: "ifnull(region, '')",
    GroupBy.VEHICLE: "vehicle",
    GroupBy.PLATE: "ifnull(plate, '')",
}
_DELETE_CHUNK = 500


class SqliteEventStore:
    """`storage.events.port.EventStore` on a file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, path: Path) -> SqliteEventStore:
        """Open or make the store in `path`; its directory is made, too."""
        return cls(await Database.open(path, MIGRATIONS, readers=3))

    async def write(self, events: Sequence[PlateEvent]) -> int:
        """See the port."""
        return await self.write_rows([row_of(event) for event in events])

    async def write_rows(self, rows: Sequence[EventRow]) -> int:
        """See the port."""
        return await self._database.write(lambda connection: sum(_insert(connection, row) for row in rows))

    async def get(self, event_id: str) -> PlateEvent | None:
        """See the port."""
        return (await self.get_many([event_id])).get(event_id)

    async def get_many(self, event_ids: Sequence[str]) -> dict[str, PlateEvent]:
        """See the port."""

        def work(connection: sqlite3.Connection) -> dict[str, PlateEvent]:
            rows = connection.execute(
                "SELECT event_id, payload FROM events JOIN payloads USING (number)"
                f" WHERE event_id IN ({marks(list(event_ids))})",
                tuple(event_ids),
            )
            return {event_id: event_of(event_id, payload) for event_id, payload in rows}

        return await self._database.read(work)

    async def list_events(self, filter: EventFilter, page_size: int, page_token: str = "") -> EventPage:
        """See the port."""
        return await self._page(("events", filter), filter, page_size, page_token, "<", "DESC")

    async def scan(self, filter: EventFilter, page_size: int, page_token: str = "") -> EventPage:
        """See the port."""
        return await self._page(("scan", filter), filter, page_size, page_token, ">", "ASC")

    async def _page(
        self, request: object, filter: EventFilter, size: int, token: str, behind: str, order: str
    ) -> EventPage:
        where, values = conditions(filter)
        after = decode_token(request, token, (int, str))
        if after is not None:
            where.append(f"(best_seen_us, event_id) {behind} (?, ?)")
            values.extend(after)

        def work(connection: sqlite3.Connection) -> list[tuple[int, str, PlateEvent]]:
            rows = connection.execute(
                "SELECT best_seen_us, event_id, payload FROM events JOIN payloads USING (number)"
                f"{where_clause(where)} ORDER BY best_seen_us {order}, event_id {order} LIMIT ?",
                (*values, size + 1),
            )
            return [(us, event_id, event_of(event_id, payload)) for us, event_id, payload in rows]

        found = await self._database.read(work)
        page = found[:size]
        next_token = encode_token(request, page[-1][:2]) if len(found) > size else ""
        return EventPage(tuple(event for _, _, event in page), next_token)

    async def aggregate(
        self, filter: EventFilter, bucket: Bucket, group_by: Sequence[GroupBy], limit: int
    ) -> Aggregate:
        """See the port."""
        where, values = conditions(filter)
        width = _BUCKET_US.get(bucket)
        start = f"best_seen_us / {width} * {width}" if width is not None else "NULL"
        groups = [_GROUP_COLUMNS[group] for group in group_by]
        by = ", ".join(["bucket", *groups])
        order = ", ".join(["bucket", "count(*) DESC", *groups])
        statement = (
            f"SELECT {start} AS bucket, count(*), avg(confidence){''.join(f', {group}' for group in groups)}"
            f" FROM events{where_clause(where)} GROUP BY {by} ORDER BY {order} LIMIT ?"
        )
        rows = await self._database.read(lambda c: c.execute(statement, (*values, limit + 1)).fetchall())
        counts = tuple(
            AggregateRow(
                from_us(bucket_us) if bucket_us is not None else None, tuple(group), count, mean or 0.0
            )
            for bucket_us, count, mean, *group in rows[:limit]
        )
        return Aggregate(counts, truncated=len(rows) > limit)

    async def save_status(self, statuses: Sequence[NodeStatus]) -> None:
        """See the port."""
        rows = [
            (
                camera.camera_id,
                status.site_id,
                status.node_id,
                to_us(status.reported_at),
                status_to_json(camera),
            )
            for status in statuses
            for camera in status.cameras
        ]
        await self._database.write(
            lambda connection: connection.executemany(
                "INSERT INTO cameras (camera_id, site_id, node_id, reported_us, status)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (camera_id) DO UPDATE SET site_id = excluded.site_id,"
                " node_id = excluded.node_id, reported_us = excluded.reported_us, status = excluded.status"
                " WHERE reported_us IS NULL OR reported_us <= excluded.reported_us",
                rows,
            )
        )

    async def list_cameras(self, page_size: int, page_token: str = "") -> CameraPage:
        """See the port."""
        after = decode_token("cameras", page_token, (str,)) or ("",)
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT camera_id, site_id, node_id, status, reported_us, last_event_us, events FROM cameras"
                " WHERE camera_id > ? ORDER BY camera_id LIMIT ?",
                (*after, page_size + 1),
            ).fetchall()
        )
        cameras = tuple(_camera(row) for row in rows[:page_size])
        more = len(rows) > page_size
        return CameraPage(cameras, encode_token("cameras", (cameras[-1].camera_id,)) if more else "")

    async def delete_older_than(self, moment: datetime) -> int:
        """See the port."""
        before = to_us(moment)
        return await self._database.sweep(lambda c: _delete_chunk(c, before))

    async def maintain(self) -> None:
        """See the port; this store needs nothing."""

    async def check(self) -> None:
        """See the port."""
        await self._database.check()

    async def close(self) -> None:
        """See the port."""
        await self._database.close()


def _insert(connection: sqlite3.Connection, row: EventRow) -> int:
    cursor = connection.execute(
        "INSERT OR IGNORE INTO events (event_id, best_seen_us, camera_id, site_id, outcome, region,"
        " confidence, vehicle, plate) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.event_id, to_us(row.best_seen_at), row.camera_id, row.site_id, row.outcome, row.region,
            row.confidence, row.vehicle, row.plate,
        ),
    )  # fmt: skip
    if cursor.rowcount == 0:
        return 0
    connection.execute(
        "INSERT INTO payloads (number, payload) VALUES (?, ?)", (cursor.lastrowid, row.payload)
    )
    connection.execute(
        "INSERT INTO cameras (camera_id, site_id, node_id, events, last_event_us) VALUES (?, ?, ?, 1, ?)"
        " ON CONFLICT (camera_id) DO UPDATE SET events = events + 1,"
        " last_event_us = max(ifnull(last_event_us, 0), excluded.last_event_us)",
        (row.camera_id, row.site_id, row.node_id, to_us(row.closed_at)),
    )
    return 1


def _delete_chunk(connection: sqlite3.Connection, before_us: int) -> int:
    rows = connection.execute(
        "SELECT number, camera_id FROM events WHERE best_seen_us < ? ORDER BY best_seen_us LIMIT ?",
        (before_us, _DELETE_CHUNK),
    ).fetchall()
    connection.executemany("DELETE FROM events WHERE number = ?", [(number,) for number, _ in rows])
    connection.executemany(
        "UPDATE cameras SET events = events - 1 WHERE camera_id = ?", [(camera,) for _, camera in rows]
    )
    return len(rows)


def _camera(row: tuple[str, str, str, bytes | None, int | None, int | None, int]) -> Camera:
    camera_id, site_id, node_id, status, reported_us, last_event_us, events = row
    return Camera(
        camera_id,
        site_id,
        node_id,
        status_of_json(status) if status is not None else None,
        from_us(reported_us) if reported_us is not None else None,
        from_us(last_event_us) if last_event_us is not None else None,
        events,
    )
