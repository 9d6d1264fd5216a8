"""`ovr spool`: what waits on this edge box to be acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from cli import peers
from cli.console import complain, fail, out

if TYPE_CHECKING:
    from mesh.settings import MeshSettings

app = typer.Typer(
    no_args_is_help=True, help="The edge's spool: list, verify, drain.\n\nExample: ovr spool ls"
)
Directory = Annotated[
    Path | None, typer.Argument(help="A spool; by default every one in the data directory.")
]


@app.command("ls")
def list_spools(directory: Directory = None) -> None:
    """List the segments: how many events they hold and how many still wait. Works while the pilot runs.

    Example: ovr spool ls
    """
    from edge.spool.tools import ls

    columns = (Column("segment", overflow="fold"), "records", "waiting", "bytes", "oldest")
    table = Table(*columns, box=None, pad_edge=False)
    for spool in _spools(directory):
        for segment in ls(spool):
            oldest = f"{segment.oldest:%Y-%m-%d %H:%M:%S}" if segment.oldest else ""
            cells = (segment.records, segment.waiting, segment.bytes)
            table.add_row(str(segment.path), *map(str, cells), oldest)
    out().print(table)


@app.command()
def verify(directory: Directory = None) -> None:
    """Check every byte; exit code 1 if something is damaged. Works while the pilot runs.

    Example: ovr spool verify
    """
    from edge.spool.tools import verify

    whole = True
    for spool in _spools(directory):
        found = verify(spool)
        state = "whole" if found.whole else f"{len(found.problems)} problems, {found.lost} events lost"
        print(f"{spool}: {found.records} records, {found.waiting} waiting, {state}")
        for problem in found.problems:
            complain(str(problem))
        whole &= found.whole
    if not whole:
        raise SystemExit(1)


@app.command()
def drain(
    directory: Directory = None,
    timeout: Annotated[float, typer.Option(min=0, help="Give up after this many seconds.")] = 60.0,
) -> None:
    """Publish what waits, for example of a camera that is no more. Not while its pilot runs.

    Example: ovr spool drain --timeout 300
    """
    from mesh.errors import MeshError

    settings = peers.settings()
    for spool in _spools(directory):
        try:
            left = asyncio.run(_drain(settings, spool, timeout))
        except MeshError as error:
            fail(f"{spool}: {error}")
        if left:
            fail(f"{spool}: {left} events still wait; is ingest up? `ovr up` starts it")
        print(f"{spool}: empty")


def _spools(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        if not directory.is_dir():
            fail(f"{directory}: there is no such directory")
        yield directory
        return
    base = peers.settings().home / "spool"
    if base.is_dir():
        yield from sorted(path for path in base.iterdir() if path.is_dir())


async def _drain(settings: MeshSettings, directory: Path, timeout: float) -> int:
    """Publish a spool; the number of events that still wait in the end."""
    from edge.meters import Stages
    from edge.passes.event import Identity
    from edge.publish import Publisher
    from edge.spool import Spool
    from mesh.client import connect
    from mesh.telemetry import Telemetry
    from ovr.alpr.v1 import ingest_pb2_grpc

    telemetry = Telemetry("spool")
    spool = await Spool.open(directory)
    try:
        async with connect(settings.target("ingest"), peer="ingest", settings=settings) as channel:
            stub = ingest_pb2_grpc.IngestServiceStub(channel)
            identity = Identity(settings.site_id, directory.name, "")
            publisher = Publisher(spool, stub, identity, telemetry, Stages(telemetry))
            run = asyncio.ensure_future(publisher.run())
            emptied = asyncio.ensure_future(publisher.emptied(lambda: spool.status().events == 0))
            await asyncio.wait([run, emptied], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            run.cancel()
            emptied.cancel()
        return spool.status().events
    finally:
        await spool.close()
