"""`ovr search-index`: the search index made anew."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import err, fail

if TYPE_CHECKING:
    from storage.search.rebuild import Rebuilt
    from storage.settings import StorageSettings

app = typer.Typer(no_args_is_help=True, help="The search index.\n\nExample: ovr search-index rebuild")


@app.callback()
def group() -> None:
    """Keeps `rebuild` a command of its own."""


@app.command()
def rebuild(
    patience: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds to wait for events that the index has and the event store has not."
        ),
    ] = 60.0,
    forget: Annotated[
        bool,
        typer.Option(help="Drop what the event store still does not have then, deleted events above all."),
    ] = False,
) -> None:
    """Make the search index anew from the event store. Searches and the search indexer go on meanwhile, and
    nothing that arrives is missed; after an interruption, run it again.

    Example: ovr search-index rebuild
    """
    from mesh.errors import MeshError
    from mesh.settings import load
    from storage.settings import StorageSettings

    settings = load(StorageSettings)
    try:
        done = asyncio.run(_rebuild(settings, patience, forget))
    except MeshError as error:
        fail(f"{error}; the old index is still there, run it again")
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    if done.unknown:
        fail(
            f"{done.unknown} events of the old index are not in the event store, and it was kept: is the"
            " event writer behind? Else they were deleted, and --forget drops them"
        )
    print(f"{done.events} events read, the index is new")


async def _rebuild(settings: StorageSettings, patience: float, forget: bool) -> Rebuilt:
    from contextlib import AsyncExitStack

    from storage import opening
    from storage.search.rebuild import rebuild

    async with AsyncExitStack() as stack:
        events = await opening.open_events(settings)
        stack.push_async_callback(events.close)
        index = await opening.open_search(settings)
        stack.push_async_callback(index.close)
        status = stack.enter_context(err().status("0 events read"))

        def progress(count: int) -> None:
            status.update(f"{count} events read")

        return await rebuild(events, index, patience=patience, forget=forget, progress=progress)
