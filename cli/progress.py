"""What a command says while it works: on a terminal one live line, elsewhere a line now and then."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

if TYPE_CHECKING:
    from mesh.supervisor import Change


class Progress:
    """The state of a command that takes long: what it does, how many passes have closed, for how long."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = monotonic()
        self._doing = ""
        self._passes = 0
        self._ready: list[str] = []
        self._live: Live | None = None

    @contextlib.contextmanager
    def show(self, doing: str) -> Iterator[None]:
        """Show the state for the time of the context."""
        if not self._console.is_terminal:
            self.say(doing)
            yield
            return
        # Results go to stdout: only where that is the same terminal may the live line take them over.
        live = Live(console=self._console, transient=True, redirect_stdout=sys.stdout.isatty())
        with live as self._live:
            self.say(doing)
            yield
        self._live = None

    def say(self, doing: str) -> None:
        """Go on to the next thing."""
        self._doing = doing
        if self._live is None:
            self._console.print(f"[dim]{monotonic() - self._started:6.1f} s  {doing}[/]")
        self._update()

    def passed(self) -> None:
        """One more pass has closed."""
        self._passes += 1
        self._update()

    def trouble(self, what: str) -> None:
        """Something goes wrong; it stays on the screen."""
        self._console.print(Text(what, "yellow"))

    def change(self, change: Change) -> None:
        """A process of the mesh has changed its state; what goes wrong stays on the screen."""
        from mesh.supervisor import State

        if change.state is State.READY:
            self._ready.append(change.name)
        elif change.state in (State.EXITED, State.RESTARTING, State.GIVEN_UP):
            self._console.print(f"[yellow]{change.name}: {change.state.value} {change.detail}[/]")
        self._update()

    def _update(self) -> None:
        if self._live is None:
            return
        parts = [self._doing]
        if self._doing.startswith("starting"):
            parts.append(f"ready: {', '.join(self._ready) or 'none yet'}")
        if self._passes:
            parts.append(f"{self._passes} passes")
        self._live.update(Spinner("dots", Text("; ".join(parts), "dim")))
