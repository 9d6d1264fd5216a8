"""`ovr spool`: what waits on this edge box to be acknowledged."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="The edge's spool: list, verify, drain.")


@app.callback()
def main() -> None:
    """The edge's spool."""
