"""`ovr dlq`: the dead letters: what could not be handled, why, and once more from the start."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import orjson
import typer
from rich.table import Column, Table

from cli import letters, peers
from cli.console import complain, fail, out

if TYPE_CHECKING:
    from storage.log.port import Log

T = TypeVar("T")
Place = Annotated[str, typer.Argument(help="A dead letter, as `ovr dlq ls` names it: PARTITION/OFFSET.")]
_HEX_ROW = 16
_HEX_BYTES = 4096

app = typer.Typer(
    no_args_is_help=True,
    help="Dead letters: list them, look at one, put it back.\n\nExample: ovr dlq ls",
)


@app.command("ls")
def list_letters(
    everything: Annotated[bool, typer.Option("--all", help="Those that were replayed, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a letter, a line each.")] = False,
) -> None:
    """List the dead letters, oldest first: when, why, who gave up on what, and in which trace.

    Example: ovr dlq ls --json
    """
    found = [row for row in _run(letters.rows).values() if everything or not row["replayed"]]
    if as_json:
        for row in found:
            print(orjson.dumps(row).decode())
        return
    error = Column("error", overflow="fold")
    table = Table("letter", "when", "reason", "kind", "origin", "trace", error, box=None, pad_edge=False)
    for row in found:
        state = " (replayed)" if row["replayed"] else ""
        cells = (row["reason"], row["kind"], row["origin"], row["trace_id"], row["error"])
        table.add_row(row["letter"] + state, row["at"][:19].replace("T", " "), *cells)
    out().print(table)


@app.command()
def show(
    place: Place,
    raw: Annotated[bool, typer.Option(help="Only the original bytes, for a pipe or a file.")] = False,
) -> None:
    """Show one dead letter: its headers, what it holds as JSON if it can be read, and its bytes.

    Example: ovr dlq show 0/17
    """
    found = _run(lambda log: letters.find(log, [place]))
    if place not in found:
        fail(f"no dead letter {place}")
    letter, value = found[place], found[place].record.value
    if raw:
        sys.stdout.buffer.write(value)
        return
    print(orjson.dumps(letters.row(letter), option=orjson.OPT_INDENT_2).decode())
    if decoded := letters.decoded(letter):
        print(decoded)
    for start in range(0, min(len(value), _HEX_BYTES), _HEX_ROW):
        line = value[start : start + _HEX_ROW]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in line)
        print(f"{start:08x}  {line.hex(' '):<{3 * _HEX_ROW}} {text}")
    if len(value) > _HEX_BYTES:
        print(f"... {len(value) - _HEX_BYTES} bytes more: --raw gives all")


@app.command()
def replay(
    places: Annotated[list[str] | None, typer.Argument(help="Dead letters: PARTITION/OFFSET ...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were not replayed yet.")] = False,
    reason: Annotated[str, typer.Option(help="With --all: only those of this reason.")] = "",
) -> None:
    """Put originals back where they came from: onto their topic, or through ingest what ingest refused. A
    letter that was replayed is left alone, so this may be repeated. Mend the cause first.

    Example: ovr dlq replay --all --reason NOT_AN_EVENT
    """
    if bool(places) == everything:
        fail("name dead letters, or give --all")

    rows = _run(letters.rows)
    if unknown := [place for place in places or () if place not in rows]:
        fail(f"no dead letter {', '.join(unknown)}")
    chosen = places or [place for place, row in rows.items() if not reason or row["reason"] == reason]
    wanted = [place for place in chosen if not rows[place]["replayed"]]
    refused = _run(lambda log: letters.replay(log, wanted, peers.settings())) if wanted else {}
    for place, why in refused.items():
        complain(f"{place}: {why}")
    print(f"{len(wanted) - len(refused)} replayed, {len(chosen) - len(wanted)} were before")
    if refused:
        raise SystemExit(1)


def _run(work: Callable[[Log], Awaitable[T]]) -> T:
    """Do it with the log that the settings name; leaves with a sentence if the log does not answer."""
    from mesh.errors import MeshError
    from mesh.settings import load
    from storage.opening import open_log
    from storage.settings import StorageSettings

    settings = load(StorageSettings)

    async def opened() -> T:
        log = await open_log(settings)
        try:
            return await work(log)
        finally:
            await log.close()

    try:
        return asyncio.run(opened())
    except MeshError as error:
        fail(str(error))
