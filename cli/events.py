"""`ovr search` and `ovr watch`: questions about events to the query service."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from cli import peers
from cli.console import fail, json_line, out, pass_line

if TYPE_CHECKING:
    from mesh.client import MeshChannel


class Mode(str, Enum):
    """How a text is matched."""

    EXACT = "exact"
    PREFIX = "prefix"
    WILDCARD = "wildcard"
    ONE_EDIT = "one-edit"


def search(
    text: Annotated[str, typer.Argument(help="A plate, a part of one, or with * and ?")],
    mode: Annotated[Mode | None, typer.Option(help="Default: wildcard with * or ?, else one-edit.")] = None,
    confusables: Annotated[bool, typer.Option(help="O counts as 0, I as 1, and so on.")] = False,
    camera: Annotated[list[str] | None, typer.Option(help="Only this camera; may be given again.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Events at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an event, a line each.")] = False,
) -> None:
    """Find the passes of a plate, best match first, then newest.

    Example: ovr search 'B*123' --camera gate-1
    """
    from ovr.alpr.v1 import query_pb2, query_pb2_grpc
    from wire.event import event_from_wire

    chosen = mode or (Mode.WILDCARD if {"*", "?"} & set(text) else Mode.ONE_EDIT)
    number = query_pb2.SearchMode.Value(f"SEARCH_MODE_{chosen.name}")
    request = query_pb2.SearchEventsRequest(
        text=text,
        mode=number,
        confusables=confusables,
        filter=query_pb2.EventFilter(camera_ids=camera or []),
        page_size=limit,
    )

    async def ask(channel: MeshChannel) -> query_pb2.SearchEventsResponse:
        return await query_pb2_grpc.QueryServiceStub(channel).SearchEvents(request)

    hits = peers.call("query", ask).hits
    for hit in hits:
        if as_json:
            print(json_line(hit))
        else:
            event = event_from_wire(hit.event)
            out().print(f"{event.best_seen_at:%Y-%m-%d}", pass_line(event), event.event_id)
    if not hits:
        fail(f"no pass of {text!r}")


def watch(
    camera: Annotated[list[str] | None, typer.Option(help="Only this camera; may be given again.")] = None,
    cursor: Annotated[str, typer.Option(help="Go on after this cursor; 0: from the oldest kept.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Event and cursor as JSON, a line each.")] = False,
) -> None:
    """Print passes as they close, until Ctrl-C.

    Example: ovr watch --camera gate-1 --json
    """
    from ovr.alpr.v1 import query_pb2, query_pb2_grpc
    from wire.event import event_from_wire

    request = query_pb2.WatchEventsRequest(
        filter=query_pb2.EventFilter(camera_ids=camera or []), cursor=cursor
    )

    async def follow(channel: MeshChannel) -> None:
        async for message in query_pb2_grpc.QueryServiceStub(channel).WatchEvents(request):
            if not message.HasField("event"):
                continue
            if as_json:
                print(json_line(message), flush=True)
            else:
                out().print(pass_line(event_from_wire(message.event)))

    peers.call("query", follow)
