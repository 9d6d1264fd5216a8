"""The embedded alert store: a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from storage.alerts.port import (
    Alert,
    AlertFilter,
    AlertPage,
    Attempt,
    Change,
    Delivery,
    DeliveryState,
    Due,
    Fired,
    Firing,
    MatchKind,
    Severity,
)
from storage.events.sql import Value, from_us, marks, to_us, where_clause
from storage.paging import decode_token, encode_token
from storage.sqlite import Database
from wire.event import event_from_bytes, event_to_bytes

MIGRATIONS = (
    """
    CREATE TABLE alerts (
        alert_id TEXT PRIMARY KEY,
        rule_id TEXT NOT NULL,
        rule_name TEXT NOT NULL,
        severity INTEGER NOT NULL,
        matched TEXT NOT NULL,
        match_kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        seen_us INTEGER NOT NULL,
        fired_us INTEGER NOT NULL,
        acknowledged_us INTEGER,
        acknowledged_by TEXT NOT NULL DEFAULT '',
        note TEXT NOT NULL DEFAULT '',
        traceparent TEXT NOT NULL,
        event BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX alerts_by_time ON alerts (fired_us, alert_id);
    CREATE INDEX alerts_by_subject ON alerts (rule_id, subject, seen_us);
    CREATE TABLE deliveries (
        alert_id TEXT NOT NULL REFERENCES alerts (alert_id) ON DELETE CASCADE,
        channel TEXT NOT NULL,
        position INTEGER NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        last_error TEXT NOT NULL DEFAULT '',
        last_attempt_us INTEGER,
        due_us INTEGER,
        PRIMARY KEY (alert_id, channel)
    ) WITHOUT ROWID;
    CREATE INDEX deliveries_by_due ON deliveries (due_us) WHERE due_us IS NOT NULL;
    CREATE TABLE changes (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        alert_id TEXT NOT NULL REFERENCES alerts (alert_id) ON DELETE CASCADE
    );
    CREATE INDEX changes_by_alert ON changes (alert_id);
    """,
)

_COLUMNS = (
    "alert_id, rule_id, rule_name, severity, event, matched, match_kind, fired_us, acknowledged_us,"
    " acknowledged_by, note"
)
_DELETE_CHUNK = 200


class SqliteAlertStore:
    """`storage.alerts.port.AlertStore` on a file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, path: Path) -> SqliteAlertStore:
        """Open or make the store in `path`; its directory is made, too."""
        return cls(await Database.open(path, MIGRATIONS))

    async def fire(self, firings: Sequence[Firing]) -> list[Fired]:
        """See the port."""
        rows = [(firing, event_to_bytes(firing.alert.event)) for firing in firings]
        return await self._database.write(lambda c: [_fire(c, firing, event) for firing, event in rows])

    async def get(self, alert_id: str) -> Alert | None:
        """See the port."""
        return await self._database.read(lambda c: _alerts(c, [alert_id]).get(alert_id))

    async def list_alerts(self, filter: AlertFilter, page_size: int, page_token: str = "") -> AlertPage:
        """See the port."""
        where, values = _conditions(filter)
        after = decode_token(("alerts", filter), page_token, (int, str))
        if after is not None:
            where.append("(fired_us, alert_id) < (?, ?)")
            values.extend(after)
        statement = (
            f"SELECT fired_us, alert_id FROM alerts{where_clause(where)}"
            " ORDER BY fired_us DESC, alert_id DESC LIMIT ?"
        )

        def work(connection: sqlite3.Connection) -> tuple[list[tuple[int, str]], dict[str, Alert]]:
            keys = connection.execute(statement, (*values, page_size + 1)).fetchall()
            return keys, _alerts(connection, [alert_id for _, alert_id in keys[:page_size]])

        keys, alerts = await self._database.read(work)
        page = keys[:page_size]
        token = encode_token(("alerts", filter), page[-1]) if len(keys) > page_size else ""
        return AlertPage(tuple(alerts[alert_id] for _, alert_id in page), token)

    async def acknowledge(self, alert_id: str, by: str, note: str, at: datetime) -> Alert | None:
        """See the port."""

        def work(connection: sqlite3.Connection) -> Alert | None:
            changed = connection.execute(
                "UPDATE alerts SET acknowledged_us = ?, acknowledged_by = ?, note = ?"
                " WHERE alert_id = ? AND acknowledged_us IS NULL",
                (to_us(at), by, note, alert_id),
            )
            if changed.rowcount:
                _note_change(connection, alert_id)
            return _alerts(connection, [alert_id]).get(alert_id)

        return await self._database.write(work)

    async def claim(self, now: datetime, lease: timedelta, limit: int) -> list[Due]:
        """See the port."""

        def work(connection: sqlite3.Connection) -> list[Due]:
            rows = connection.execute(
                "SELECT alert_id, channel, attempts FROM deliveries"
                " WHERE due_us <= ? ORDER BY due_us LIMIT ?",
                (to_us(now), limit),
            ).fetchall()
            connection.executemany(
                "UPDATE deliveries SET due_us = ? WHERE alert_id = ? AND channel = ?",
                [(to_us(now + lease), alert_id, channel) for alert_id, channel, _ in rows],
            )
            ids = [alert_id for alert_id, _, _ in rows]
            alerts, parents = _alerts(connection, ids), _traceparents(connection, ids)
            return [Due(alerts[a], channel, attempts + 1, parents[a]) for a, channel, attempts in rows]

        return await self._database.write(work)

    async def record(self, attempt: Attempt) -> None:
        """See the port."""
        due = to_us(attempt.retry_at) if attempt.retry_at is not None else None
        values = (attempt.state.value, attempt.error, to_us(attempt.at), due)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE deliveries SET state = ?, last_error = ?, last_attempt_us = ?, due_us = ?,"
                " attempts = attempts + 1 WHERE alert_id = ? AND channel = ?",
                (*values, attempt.alert_id, attempt.channel),
            )
            _note_change(connection, attempt.alert_id)

        await self._database.write(work)

    async def next_due(self) -> datetime | None:
        """See the port."""
        statement = "SELECT min(due_us) FROM deliveries WHERE due_us IS NOT NULL"
        row = await self._database.read(lambda c: c.execute(statement).fetchone())
        return from_us(row[0]) if row[0] is not None else None

    async def pending(self) -> int:
        """See the port."""
        statement = "SELECT count(*) FROM deliveries WHERE due_us IS NOT NULL"
        return int(await self._database.read(lambda c: c.execute(statement).fetchone()[0]))

    async def changes(self, limit: int) -> list[Change]:
        """See the port."""

        def work(connection: sqlite3.Connection) -> list[Change]:
            rows = connection.execute(
                "SELECT sequence, alert_id FROM changes ORDER BY sequence LIMIT ?", (limit,)
            ).fetchall()
            ids = [alert_id for _, alert_id in rows]
            alerts, parents = _alerts(connection, ids), _traceparents(connection, ids)
            return [Change(sequence, alerts[a], parents[a]) for sequence, a in rows]

        return await self._database.read(work)

    async def forget(self, sequence: int) -> None:
        """See the port."""
        statement = "DELETE FROM changes WHERE sequence <= ?"
        await self._database.write(lambda c: c.execute(statement, (sequence,)).close())

    async def delete_older_than(self, moment: datetime) -> int:
        """See the port."""
        statement = (
            "DELETE FROM alerts WHERE alert_id IN (SELECT alert_id FROM alerts WHERE fired_us < ?"
            " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.alert_id = alerts.alert_id"
            " AND due_us IS NOT NULL) LIMIT ?)"
        )

        before = to_us(moment)
        return await self._database.sweep(lambda c: c.execute(statement, (before, _DELETE_CHUNK)).rowcount)

    async def check(self) -> None:
        """See the port."""
        await self._database.check()

    async def close(self) -> None:
        """See the port."""
        await self._database.close()


def _fire(connection: sqlite3.Connection, firing: Firing, event: bytes) -> Fired:
    alert, seen = firing.alert, to_us(firing.alert.event.best_seen_at)
    if connection.execute("SELECT 1 FROM alerts WHERE alert_id = ?", (alert.alert_id,)).fetchone():
        return Fired.KNOWN
    width = int(firing.cooldown / timedelta(microseconds=1))
    held_back = connection.execute(
        "SELECT 1 FROM alerts WHERE rule_id = ? AND subject = ? AND seen_us > ? AND seen_us < ?",
        (alert.rule_id, firing.subject, seen - width, seen + width),
    )
    if held_back.fetchone():
        return Fired.COOLDOWN
    connection.execute(
        "INSERT INTO alerts (alert_id, rule_id, rule_name, severity, matched, match_kind, subject, seen_us,"
        " fired_us, traceparent, event) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            alert.alert_id, alert.rule_id, alert.rule_name, int(alert.severity), alert.matched,
            alert.match_kind.value, firing.subject, seen, to_us(alert.fired_at), firing.traceparent, event,
        ),
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO deliveries (alert_id, channel, position, state, due_us) VALUES (?, ?, ?, ?, ?)",
        [
            (alert.alert_id, delivery.channel, position, DeliveryState.PENDING.value, to_us(alert.fired_at))
            for position, delivery in enumerate(alert.deliveries)
        ],
    )
    _note_change(connection, alert.alert_id)
    return Fired.NEW


def _note_change(connection: sqlite3.Connection, alert_id: str) -> None:
    connection.execute("INSERT INTO changes (alert_id) VALUES (?)", (alert_id,))


def _conditions(filter: AlertFilter) -> tuple[list[str], list[Value]]:
    where: list[str] = []
    values: list[Value] = []
    if filter.rule_ids:
        where.append(f"rule_id IN ({marks(filter.rule_ids)})")
        values.extend(filter.rule_ids)
    if filter.min_severity > Severity.INFO:
        where.append("severity >= ?")
        values.append(int(filter.min_severity))
    if filter.unacknowledged_only:
        where.append("acknowledged_us IS NULL")
    return where, values


def _alerts(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Alert]:
    wanted = list(dict.fromkeys(ids))
    deliveries: dict[str, list[Delivery]] = {alert_id: [] for alert_id in wanted}
    for alert_id, channel, state, attempts, error, at in connection.execute(
        "SELECT alert_id, channel, state, attempts, last_error, last_attempt_us FROM deliveries"
        f" WHERE alert_id IN ({marks(wanted)}) ORDER BY position",
        wanted,
    ):
        attempted = from_us(at) if at is not None else None
        deliveries[alert_id].append(Delivery(channel, DeliveryState(state), attempts, error, attempted))
    rows = connection.execute(f"SELECT {_COLUMNS} FROM alerts WHERE alert_id IN ({marks(wanted)})", wanted)
    return {row[0]: _alert(row, deliveries[row[0]]) for row in rows}


def _alert(row: tuple[Any, ...], deliveries: Sequence[Delivery]) -> Alert:
    alert_id, rule_id, rule_name, severity, event, matched, kind, fired, seen, by, note = row
    return Alert(
        alert_id=alert_id,
        rule_id=rule_id,
        rule_name=rule_name,
        severity=Severity(severity),
        event=event_from_bytes(event),
        matched=matched,
        match_kind=MatchKind(kind),
        fired_at=from_us(fired),
        acknowledged_at=from_us(seen) if seen is not None else None,
        acknowledged_by=by,
        note=note,
        deliveries=tuple(deliveries),
    )


def _traceparents(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, str]:
    wanted = list(dict.fromkeys(ids))
    rows = connection.execute(
        f"SELECT alert_id, traceparent FROM alerts WHERE alert_id IN ({marks(wanted)})", wanted
    )
    return dict(rows.fetchall())
