"""The schema on a real server: forward and back, what its parts may do, and what dashboards see."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from mesh.errors import Kind, MeshError
from storage.alerts.port import (
    Alert,
    AlertFilter,
    Attempt,
    Delivery,
    DeliveryState,
    Fired,
    Firing,
    MatchKind,
    Severity,
)
from storage.alerts.postgres import PostgresAlertStore
from storage.events.port import CameraStatus, EventFilter, NodeStatus
from storage.events.postgres import PostgresEventStore
from storage.migrations.roles import let_in
from storage.migrations.runner import Flavour, Migrator, migrations
from tests.builders import postgres
from tests.builders.engines import needs
from tests.builders.events import event
from tests.builders.postgres import execute, fetch_one, settings_of

pytestmark = needs(*postgres.NEEDS)

OURS = """
SELECT string_agg(format('%s.%s', nspname, relname), ' ' ORDER BY nspname, relname) FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname IN ('public', 'analytics', 'mlflow') AND relname <> 'schema_migrations'
    AND relname <> 'schema_migrations_pkey'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
"""


@pytest.fixture
async def dsn() -> AsyncIterator[str]:
    """A database with all its tables."""
    async with postgres.database() as address:
        yield address


async def test_up_down_and_up_again() -> None:
    """Back from the newest version leaves nothing behind, and forward again makes the same as before."""
    async with postgres.empty_database() as dsn, Migrator.open(settings_of(dsn)) as migrator:
        every = migrations(migrator.flavour)
        assert await migrator.migrate() == every
        assert await migrator.migrate() == []
        made = await fetch_one(dsn, OURS)
        assert "public.plate_events" in made
        assert await migrator.rollback(1) == every[-1:]
        assert [step.applied_at is None for step in await migrator.status()] == [False] * (len(every) - 1) + [
            True
        ]
        assert await migrator.rollback(1000) == every[-2::-1]
        assert await fetch_one(dsn, OURS) is None
        assert await migrator.migrate() == every
        assert await fetch_one(dsn, OURS) == made


async def test_two_at_once_make_it_once() -> None:
    """Of two migrations that start together one does the work and the other finds it done."""
    async with postgres.empty_database() as dsn:

        async def migrate() -> int:
            async with Migrator.open(settings_of(dsn)) as migrator:
                return len(await migrator.migrate())

        done = await asyncio.gather(migrate(), migrate())
        assert sorted(done)[0] == 0
        assert sorted(done)[1] > 0


async def test_a_later_version_is_left_alone(dsn: str) -> None:
    """A database that a later version has migrated is refused, not damaged."""
    await execute(dsn, "INSERT INTO schema_migrations VALUES (9999, 'later', 'native')")
    async with Migrator.open(settings_of(dsn)) as migrator:
        with pytest.raises(MeshError) as caught:
            await migrator.migrate()
    assert caught.value.reason == "STORE_TOO_NEW"


async def test_tables_that_are_not_there_are_told_from_a_server_that_is_away() -> None:
    """A store on a database that was not migrated says so."""
    async with postgres.empty_database() as dsn:
        store = await PostgresEventStore.open(settings_of(dsn))
        with pytest.raises(MeshError) as caught:
            await store.check()
        await store.close()
    assert (caught.value.kind, caught.value.reason) == (Kind.FAILED_PRECONDITION, "STORE_NOT_MIGRATED")


async def test_the_other_kind_of_server_is_at_least_understood() -> None:
    """The migrations of the flavour that this server is not are SQL all the same: it stumbles over what only
    the extension knows, never over the grammar."""
    async with postgres.empty_database() as dsn:
        async with Migrator.open(settings_of(dsn)) as migrator:
            other = Flavour.TIMESCALE if migrator.flavour is Flavour.NATIVE else Flavour.NATIVE
        for migration in migrations(other):
            for script in (migration.up, migration.down):
                try:
                    await execute(dsn, f"BEGIN; {script}; ROLLBACK")
                except asyncpg.PostgresSyntaxError as error:  # 42601, which is raised before anything is run
                    pytest.fail(f"{migration.number:04} {migration.name}: {error}")
                except asyncpg.PostgresError:
                    continue


async def login(dsn: str, role: str) -> str:
    """The address for a role that may log in from now on."""
    connection = await asyncpg.connect(dsn)
    await let_in(connection, role, "only for tests")
    await connection.close()
    parts = urlsplit(dsn)
    netloc = f"{role}:only%20for%20tests@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=netloc))


async def refused(dsn: str, statement: str) -> bool:
    """Whether the statement is refused for want of a right."""
    try:
        await execute(dsn, statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False


async def test_the_writer_can_write_and_nothing_else(dsn: str) -> None:
    """The event writer's role does all that the event writer does; it changes no event, and sees no alert and
    no secret."""
    writer = await login(dsn, "ovr_writer")
    store = await PostgresEventStore.open(settings_of(writer))
    one = event()
    status = NodeStatus("site-1", "node-1", one.best_seen_at, (CameraStatus("cam-1", "streaming"),))
    assert await store.write([one, event(at=one.best_seen_at - timedelta(days=1))]) == 2
    await store.save_status([status])
    await store.maintain()
    await store.check()
    assert await store.delete_older_than(one.best_seen_at) == 1
    await store.close()
    for statement in (
        "DELETE FROM plate_events",
        "UPDATE plate_events SET plate = 'X'",
        "TRUNCATE cameras",
        "SELECT * FROM alerts",
        "SELECT * FROM analytics.secret",
        "CREATE TABLE public.mine ()",
        "DROP TABLE cameras",
        "CREATE TEMPORARY TABLE mine ()",
    ):
        assert await refused(writer, statement), statement


async def test_the_reader_can_only_read(dsn: str) -> None:
    """Query's role reads events and cameras; it writes nothing and has no part in alerts."""
    reader = await login(dsn, "ovr_reader")
    store = await PostgresEventStore.open(settings_of(reader))
    assert (await store.list_events(EventFilter(), 10)).events == ()
    assert (await store.list_cameras(10)).cameras == ()
    await store.check()
    with pytest.raises(MeshError) as caught:
        await store.write([event()])
    await store.close()
    assert caught.value.kind is Kind.UNAVAILABLE
    for statement in (
        "INSERT INTO cameras VALUES ('c', 's', 'n')",
        "SELECT plate_events_delete_before(now(), 1)",
        "SELECT * FROM alerts",
        "SELECT * FROM analytics.secret",
    ):
        assert await refused(reader, statement), statement


async def test_the_alert_role_keeps_alerts_and_nothing_else(dsn: str) -> None:
    """The alert service's role does all that the alert service does, and sees no event store."""
    role = await login(dsn, "ovr_alert")
    store = await PostgresAlertStore.open(settings_of(role))
    one = event()
    alert = Alert(
        "00000000-0000-5000-8000-000000000001", "r1", "Rule", Severity.INFO, one, "AB12CDE", MatchKind.EXACT,
        one.best_seen_at, deliveries=(Delivery("mail"),),
    )  # fmt: skip
    assert await store.fire([Firing(alert, "AB12CDE")]) == [Fired.NEW]
    (due,) = await store.claim(one.best_seen_at, timedelta(seconds=5), 10)
    await store.record(Attempt(due.alert.alert_id, "mail", DeliveryState.DELIVERED, "", one.best_seen_at))
    assert await store.acknowledge(alert.alert_id, "ann", "", one.best_seen_at) is not None
    changes = await store.changes(10)
    await store.forget(changes[-1].sequence)
    await store.check()
    assert len((await store.list_alerts(AlertFilter(), 10)).alerts) == 1
    assert await store.delete_older_than(one.best_seen_at + timedelta(days=1)) == 1
    await store.close()
    for table in ("plate_events", "cameras", "analytics.secret"):
        assert await refused(role, f"SELECT * FROM {table}"), table


async def test_dashboards_see_pseudonyms_and_no_plate(dsn: str) -> None:
    """Metabase's role reads counts and pseudonyms, the same for the same plate; not the plates, nor the
    secret that would tell them."""
    metabase = await login(dsn, "ovr_metabase")
    store = await PostgresEventStore.open(settings_of(dsn))
    now = datetime.now(timezone.utc)
    texts = ["AB12CDE", "AB12CDE", "XY99ZZZ", None]
    await store.write([event(text, at=now - timedelta(minutes=n)) for n, text in enumerate(texts)])
    await store.maintain()
    await store.close()
    passes = "SELECT array_agg(plate_pseudonym ORDER BY best_seen_at DESC) FROM analytics.passes"
    one, same, other, none = await fetch_one(metabase, passes)
    assert one == same != other
    assert none is None
    assert len(one) == 16
    assert await fetch_one(metabase, "SELECT max(passes) FROM analytics.top_plates") == 2
    assert await fetch_one(metabase, "SELECT sum(passes) FROM analytics.passes_by_hour") == 4
    assert await fetch_one(metabase, "SELECT sum(passes) FROM analytics.passes_by_day") == 4
    assert await fetch_one(metabase, "SELECT sum(read) / sum(passes) FROM analytics.read_rate") == 0.75
    assert await fetch_one(metabase, "SELECT count(*) FROM analytics.alerts_by_day") == 0
    for table in ("plate_events", "cameras", "alerts", "analytics.secret", "schema_migrations"):
        assert await refused(metabase, f"SELECT * FROM {table}"), table


async def test_mlflow_has_a_schema_of_its_own(dsn: str) -> None:
    """MLflow's role makes its tables in its schema without naming it, and sees nothing of ours."""
    mlflow = await login(dsn, "ovr_mlflow")
    await execute(mlflow, "CREATE TABLE experiments (id integer)")
    assert await fetch_one(dsn, "SELECT to_regclass('mlflow.experiments')::text") == "mlflow.experiments"
    assert await refused(mlflow, "SELECT * FROM public.plate_events")
    assert await refused(mlflow, "CREATE TABLE public.mine ()")


async def test_a_password_is_never_a_short_or_foreign_one(dsn: str) -> None:
    """Roles that are not ours, and passwords that are too short, are refused."""
    connection = await asyncpg.connect(dsn)
    for role, password in (("postgres", "long enough"), ("ovr_reader", "short")):
        with pytest.raises(MeshError) as caught:
            await let_in(connection, role, password)
        assert caught.value.kind is Kind.INVALID
    await connection.close()


async def test_ovr_db_does_it_by_command() -> None:
    """The command migrates, says what is there, lets a role in by the password in a file, takes migrations
    back, and says by its exit code that some are missing."""
    async with postgres.empty_database() as dsn:

        async def ovr(*words: str) -> tuple[int | None, str]:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "cli", "db", *words),
                env={**os.environ, "OVR_DATABASE": dsn},
                stdout=asyncio.subprocess.PIPE,
            )
            said, _ = await process.communicate()
            return process.returncode, said.decode()

        assert (await ovr("status"))[0] == 1
        code, said = await ovr("migrate")
        assert code == 0
        assert "applied 0001 roles" in said
        assert await ovr("migrate") == (0, "up to date\n")
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("only for tests\n")
            file.flush()
            assert (await ovr("login", f"ovr_reader={file.name}"))[0] == 0
        parts = urlsplit(dsn)
        reader = parts._replace(netloc=f"ovr_reader:only%20for%20tests@{parts.hostname}:{parts.port}")
        assert await fetch_one(urlunsplit(reader), "SELECT count(*) FROM plate_events") == 0
        code, said = await ovr("rollback", "--yes")
        assert (code, said) == (0, "took back 0009 mlflow\n")
        code, said = await ovr("status")
        assert code == 1
        assert "not applied" in said
