"""`ovr db`: the tables of TimescaleDB or PostgreSQL, and who may log in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table

from cli.console import fail, out

if TYPE_CHECKING:
    from storage.migrations.runner import Migrator

T = TypeVar("T")

app = typer.Typer(
    no_args_is_help=True,
    help="The database of OVR_DATABASE: make its tables, take them back, let roles in."
    "\n\nExample: ovr db migrate",
)


@app.command()
def migrate() -> None:
    """Bring the tables up to date; harmless to repeat. Needs a user that may make tables and roles.

    Example: OVR_DATABASE=postgresql://postgres@db/alpr OVR_DATABASE_PASSWORD_FILE=pw ovr db migrate
    """
    applied = _run(lambda migrator: migrator.migrate())
    for migration in applied:
        print(f"applied {migration.number:04} {migration.name}")
    if not applied:
        print("up to date")


@app.command()
def rollback(
    steps: Annotated[int, typer.Option(min=1, help="How many migrations, newest first.")] = 1,
    yes: Annotated[bool, typer.Option(help="Do not ask: the data in what goes is lost.")] = False,
) -> None:
    """Take the newest migrations back, and with their tables all that is in them.

    Example: ovr db rollback --steps 2 --yes
    """
    if not yes:
        typer.confirm(f"Take back {steps} migrations, with the data in their tables?", abort=True)
    for migration in _run(lambda migrator: migrator.rollback(steps)):
        print(f"took back {migration.number:04} {migration.name}")


@app.command()
def status() -> None:
    """List the migrations; exit code 1 if some were not applied.

    Example: ovr db status
    """
    steps = _run(lambda migrator: migrator.status())
    table = Table("migration", "applied", box=None, pad_edge=False)
    for step in steps:
        applied = f"{step.applied_at:%Y-%m-%d %H:%M:%S}" if step.applied_at else "not applied"
        table.add_row(f"{step.migration.number:04} {step.migration.name}", applied)
    out().print(table)
    if any(step.applied_at is None for step in steps):
        raise SystemExit(1)


@app.command()
def login(
    roles: Annotated[
        list[str], typer.Argument(metavar="ROLE=FILE...", help="A role and its password's file.")
    ],
) -> None:
    """Let roles log in, each with the password in a file; harmless to repeat.

    Example: ovr db login ovr_writer=/run/secrets/writer ovr_reader=/run/secrets/reader
    """
    from mesh.secrets import read_secret
    from storage.migrations.roles import let_in

    passwords: dict[str, str] = {}
    for pair in roles:
        role, _, file = pair.partition("=")
        try:
            passwords[role] = read_secret(Path(file))
        except ValueError:
            fail(f"{pair}: a role, =, and a file with its password are needed")

    async def let_all_in(migrator: Migrator) -> None:
        for role, password in passwords.items():
            await let_in(migrator.connection, role, password)

    _run(let_all_in)
    print(f"{', '.join(passwords)}: may log in")


def _run(work: Callable[[Migrator], Awaitable[T]]) -> T:
    from mesh.errors import MeshError
    from mesh.settings import load
    from storage.settings import StorageSettings

    settings = load(StorageSettings)
    if not settings.database:
        fail("OVR_DATABASE is not set: events and alerts are in SQLite files, which migrate themselves")

    async def run() -> T:
        from storage.migrations.runner import Migrator

        async with Migrator.open(settings) as migrator:
            return await work(migrator)

    try:
        return asyncio.run(run())
    except MeshError as error:
        fail(str(error))
