"""The command line's composition: a module a command; heavy imports happen inside the commands."""

from __future__ import annotations

import typer

from cli import (
    bench,
    config,
    db,
    demo,
    dlq,
    doctor,
    events,
    kafka,
    keys,
    models,
    read,
    run,
    search_index,
    spool,
    storage,
    up,
)

app = typer.Typer(
    name="ovr",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Reads number plates: which plate passed where and when, at once and provably.",
)
app.command()(read.read)
app.command()(run.run)
app.command()(up.up)
app.command()(demo.demo)
app.command()(events.search)
app.command()(events.watch)
app.command()(doctor.doctor)
app.add_typer(spool.app, name="spool")
app.add_typer(config.app, name="config")
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(db.app, name="db")
app.add_typer(kafka.app, name="kafka")
app.add_typer(dlq.app, name="dlq")
app.add_typer(storage.app, name="storage")
app.add_typer(search_index.app, name="search-index")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run `ovr`."""
    app()
