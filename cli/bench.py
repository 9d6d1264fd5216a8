"""`ovr bench`: measure on pictures of one's own."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Measure on pictures of your own.")


@app.callback()
def main() -> None:
    """Measure on pictures of your own."""
