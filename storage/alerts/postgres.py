"""The alert store on PostgreSQL. Several alert processes may share it: each delivery is claimed by one, and
firings of the same rule and subject wait for each other, so that a cooldown holds across processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

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
from storage.events.sql import from_us, to_us
from storage.events.stored import event_of
from storage.paging import decode_token, encode_token
from storage.postgres import Conditions, Postgres, uuid_of
from storage.settings import StorageSettings
from wire.event import event_to_bytes

if TYPE_CHECKING:
    from storage.postgres import Connection

_ALERTS = """
SELECT alert_id, rule_id, rule_name, severity, event, matched, match_kind, fired_at, acknowledged_at,
    acknowledged_by, note, traceparent
FROM alerts WHERE alert_id = ANY($1::uuid[])
"""
_DELIVERIES = """
SELECT alert_id, channel, state, attempts, last_error, last_attempt_at FROM alert_deliveries
WHERE alert_id = ANY($1::uuid[]) ORDER BY position
"""
_HELD_BACK = """
SELECT 1 FROM alerts WHERE rule_id = $1 AND subject = $2 AND seen_at > $3 AND seen_at < $4 LIMIT 1
"""
_FIRE = """
INSERT INTO alerts (alert_id, rule_id, rule_name, severity, matched, match_kind, subject, seen_at, fired_at,
    traceparent, event)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_DELIVER = """
INSERT INTO alert_deliveries (alert_id, channel, position, state, due_at) VALUES ($1, $2, $3, $4, $5)
"""
_CLAIM = """
WITH due AS (
    SELECT alert_id, channel, due_at FROM alert_deliveries WHERE due_at <= $1
    ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE alert_deliveries AS delivery SET due_at = $2 FROM due
    WHERE delivery.alert_id = due.alert_id AND delivery.channel = due.channel
    RETURNING delivery.alert_id, delivery.channel, delivery.attempts, due.due_at AS was_due_at
)
SELECT alert_id, channel, attempts FROM claimed ORDER BY was_due_at, alert_id, channel
"""
_RECORD = """
UPDATE alert_deliveries SET state = $1, last_error = $2, last_attempt_at = $3, due_at = $4,
    attempts = attempts + 1
WHERE alert_id = $5 AND channel = $6
"""
_DELETE = """
DELETE FROM alerts WHERE alert_id IN (
    SELECT alert_id FROM alerts WHERE fired_at < $1 AND NOT EXISTS (
        SELECT FROM alert_deliveries WHERE alert_deliveries.alert_id = alerts.alert_id AND due_at IS NOT NULL
    ) LIMIT $2
)
"""
_DELETE_CHUNK = 500
_MICROSECOND = timedelta(microseconds=1)


class PostgresAlertStore:
    """`storage.alerts.port.AlertStore` on a database that `ovr db migrate` has brought up to date."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    @classmethod
    async def open(cls, settings: StorageSettings) -> PostgresAlertStore:
        """The store of the settings' database; connects when it is used."""
        return cls(await Postgres.open(settings))

    async def fire(self, firings: Sequence[Firing]) -> list[Fired]:
        """See the port."""
        if not firings:
            return []
        rows = [(firing, event_to_bytes(firing.alert.event)) for firing in firings]
        subjects = {f"{firing.alert.rule_id} {firing.subject}" for firing in firings}
        async with self._database.transaction() as connection:
            # one after the other and in order, so that two processes never wait for each other
            await connection.execute(
                "SELECT pg_advisory_xact_lock(key) FROM"
                " (SELECT DISTINCT hashtextextended(subject, 0) AS key FROM unnest($1::text[]) AS subject"
                " ORDER BY 1) AS keys",
                list(subjects),
            )
            results = [await _fire(connection, firing, event) for firing, event in rows]
            new = [f.alert.alert_id for f, r in zip(firings, results, strict=True) if r is Fired.NEW]
            await _note_changes(connection, new)
        return results

    async def get(self, alert_id: str) -> Alert | None:
        """See the port."""
        async with self._database.connection() as connection:
            return (await _alerts(connection, [alert_id])).get(alert_id)

    async def list_alerts(self, filter: AlertFilter, page_size: int, page_token: str = "") -> AlertPage:
        """See the port."""
        conditions = _conditions(filter)
        after = decode_token(("alerts", filter), page_token, (int, str))
        if after is not None:
            conditions.add("(fired_at, alert_id) < ({}, {})", from_us(int(after[0])), uuid_of(str(after[1])))
        statement = (
            f"SELECT fired_at, alert_id FROM alerts{conditions.where()}"
            f" ORDER BY fired_at DESC, alert_id DESC LIMIT {conditions.parameter(page_size + 1)}"
        )
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement, *conditions.values)
            keys = [(to_us(fired_at), str(alert_id)) for fired_at, alert_id in rows]
            alerts = await _alerts(connection, [alert_id for _, alert_id in keys[:page_size]])
        token = encode_token(("alerts", filter), keys[page_size - 1]) if len(keys) > page_size else ""
        return AlertPage(tuple(alerts.values()), token)

    async def acknowledge(self, alert_id: str, by: str, note: str, at: datetime) -> Alert | None:
        """See the port."""
        async with self._database.transaction() as connection:
            changed = await connection.fetchval(
                "UPDATE alerts SET acknowledged_at = $1, acknowledged_by = $2, note = $3"
                " WHERE alert_id = $4 AND acknowledged_at IS NULL RETURNING true",
                at, by, note, uuid_of(alert_id),
            )  # fmt: skip
            if changed:
                await _note_changes(connection, [alert_id])
            return (await _alerts(connection, [alert_id])).get(alert_id)

    async def claim(self, now: datetime, lease: timedelta, limit: int) -> list[Due]:
        """See the port."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_CLAIM, now, now + lease, limit)
            alerts, parents = await _with_traceparents(connection, [str(row[0]) for row in rows])
        return [
            Due(alerts[name], channel, attempts + 1, parents[name])
            for id, channel, attempts in rows
            if (name := str(id)) in alerts
        ]

    async def record(self, attempt: Attempt) -> None:
        """See the port."""
        values = (attempt.state.value, attempt.error, attempt.at, attempt.retry_at)
        async with self._database.transaction() as connection:
            await connection.execute(_RECORD, *values, uuid_of(attempt.alert_id), attempt.channel)
            await _note_changes(connection, [attempt.alert_id])

    async def next_due(self) -> datetime | None:
        """See the port."""
        due: datetime | None = await self._database.fetch_one("SELECT min(due_at) FROM alert_deliveries")
        return due

    async def pending(self) -> int:
        """See the port."""
        statement = "SELECT count(*) FROM alert_deliveries WHERE due_at IS NOT NULL"
        return int(await self._database.fetch_one(statement))

    async def changes(self, limit: int) -> list[Change]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT sequence, alert_id FROM alert_changes ORDER BY sequence LIMIT $1", limit
            )
            alerts, parents = await _with_traceparents(connection, [str(row[1]) for row in rows])
        # one that retention has removed since has nobody to be told of
        return [
            Change(sequence, alerts[name], parents[name])
            for sequence, id in rows
            if (name := str(id)) in alerts
        ]

    async def forget(self, sequence: int) -> None:
        """See the port."""
        await self._database.fetch("DELETE FROM alert_changes WHERE sequence <= $1", sequence)

    async def delete_older_than(self, moment: datetime) -> int:
        """See the port."""
        statement = f"WITH gone AS ({_DELETE} RETURNING 1) SELECT count(*) FROM gone"
        total = 0
        while gone := int(await self._database.fetch_one(statement, moment, _DELETE_CHUNK)):
            total += gone
        return total

    async def check(self) -> None:
        """See the port."""
        await self._database.check("alerts", writable=True)

    async def close(self) -> None:
        """See the port."""
        await self._database.close()


async def _fire(connection: Connection, firing: Firing, event: bytes) -> Fired:
    alert, seen = firing.alert, firing.alert.event.best_seen_at
    id = uuid_of(alert.alert_id)
    if await connection.fetchval("SELECT 1 FROM alerts WHERE alert_id = $1", id):
        return Fired.KNOWN
    begin, end = seen - firing.cooldown, seen + firing.cooldown
    if await connection.fetchval(_HELD_BACK, alert.rule_id, firing.subject, begin, end):
        return Fired.COOLDOWN
    await connection.execute(
        _FIRE, id, alert.rule_id, alert.rule_name, int(alert.severity), alert.matched, alert.match_kind.value,
        firing.subject, seen, alert.fired_at, firing.traceparent, event,
    )  # fmt: skip
    if alert.deliveries:
        pending = DeliveryState.PENDING.value
        await connection.executemany(
            _DELIVER,
            [(id, d.channel, place, pending, alert.fired_at) for place, d in enumerate(alert.deliveries)],
        )
    return Fired.NEW


async def _note_changes(connection: Connection, ids: Sequence[str]) -> None:
    # Last in its transaction: the lock makes changes visible in the order of their numbers.
    if ids:
        await connection.execute("LOCK TABLE alert_changes IN SHARE ROW EXCLUSIVE MODE")
        await connection.execute(
            "INSERT INTO alert_changes (alert_id) SELECT * FROM unnest($1::uuid[])", list(map(uuid_of, ids))
        )


def _conditions(filter: AlertFilter) -> Conditions:
    conditions = Conditions()
    if filter.rule_ids:
        conditions.add("rule_id = ANY({})", filter.rule_ids)
    if filter.min_severity > Severity.INFO:
        conditions.add("severity >= {}", int(filter.min_severity))
    if filter.unacknowledged_only:
        conditions.add("acknowledged_at IS NULL")
    return conditions


async def _alerts(connection: Connection, ids: Iterable[str]) -> dict[str, Alert]:
    return (await _with_traceparents(connection, ids))[0]


async def _with_traceparents(
    connection: Connection, ids: Iterable[str]
) -> tuple[dict[str, Alert], dict[str, str]]:
    # The alerts in the order of `ids`, and where the trace of each goes on.
    wanted = {name: id for name in ids if (id := uuid_of(name)) is not None}
    if not wanted:
        return {}, {}
    rows = {str(row["alert_id"]): row for row in await connection.fetch(_ALERTS, list(wanted.values()))}
    deliveries: dict[str, list[Delivery]] = {name: [] for name in wanted}
    for id, channel, state, attempts, error, at in await connection.fetch(_DELIVERIES, list(wanted.values())):
        deliveries[str(id)].append(Delivery(channel, DeliveryState(state), attempts, error, at))
    known = [name for name in wanted if name in rows]
    alerts = {name: _alert(name, rows[name], deliveries[name]) for name in known}
    return alerts, {name: rows[name]["traceparent"] for name in known}


def _alert(alert_id: str, row: asyncpg.Record, deliveries: Sequence[Delivery]) -> Alert:
    return Alert(
        alert_id=alert_id,
        rule_id=row["rule_id"],
        rule_name=row["rule_name"],
        severity=Severity(row["severity"]),
        event=event_of(f"of alert {alert_id}", row["event"]),
        matched=row["matched"],
        match_kind=MatchKind(row["match_kind"]),
        fired_at=row["fired_at"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_by=row["acknowledged_by"],
        note=row["note"],
        deliveries=tuple(deliveries),
    )
