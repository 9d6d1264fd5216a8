"""What the commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.text import Text

from plates.event import Outcome, PlateEvent

if TYPE_CHECKING:
    from google.protobuf.message import Message

STYLES = {
    Outcome.READ: "bold green",
    Outcome.UNREADABLE: "yellow",
    Outcome.NO_PLATE: "cyan",
    Outcome.REJECTED: "dim",
    Outcome.DROPPED: "bold red",
}


def out() -> Console:
    """Where results go; into a pipe or a file tables are as wide as what they hold."""
    width = None if sys.stdout.isatty() else 1000
    return Console(file=sys.stdout, highlight=False, soft_wrap=True, width=width)


def err() -> Console:
    """Where progress and errors go."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)


def complain(message: str) -> None:
    """Say on stderr what went wrong."""
    err().print(Text.assemble(("error: ", "bold red"), message))


def fail(message: str, code: int = 1) -> NoReturn:
    """Say on stderr what went wrong and leave with `code`."""
    complain(message)
    raise SystemExit(code)


def pass_line(event: PlateEvent) -> Text:
    """A closed pass on one line: when, where, how it ended, what was read, how sure, how long."""
    plate = event.plate
    seconds = (event.last_seen_at - event.first_seen_at).total_seconds()
    line = Text.assemble(
        (f"{event.best_seen_at:%H:%M:%S.%f}"[:-4], "dim"),
        f"  {event.camera_id:<12} ",
        (f"{event.outcome.value:<10}", STYLES[event.outcome]),
    )
    if plate is not None and plate.text:
        style = "bold" if event.outcome is Outcome.READ else "dim"
        line.append(f" {plate.text:<10}", style)
        line.append(f" {plate.confidence:6.1%}  {plate.region:<5}")
    else:
        line.append(f" {'':<10} {'':>6}  {'':<5}")
    line.append(f" {event.vehicle.object_class.value:<10} {seconds:5.1f} s", "dim")
    if event.outcome is not Outcome.READ:
        line.append(f"  {event.reason.value.lower().replace('_', ' ')}", "dim")
    return line


def json_line(message: Message) -> str:
    """A message of the contract as its JSON, on one line: what the gateway gives."""
    from google.protobuf import json_format

    return json_format.MessageToJson(
        message, indent=None, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
