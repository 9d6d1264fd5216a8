"""What every source of frames offers. Sources block: each is used by one thread of its own, except
`close`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from edge.frame import Pixels
from plates.event import Clock


class SourceError(Exception):
    """A source cannot be opened or has broken off; the message names it (never with its password) and says
    why.

    `permanent` ones stay as they are however often they are tried again: a file that is no video.
    """

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture. `position` in seconds by the source's own clock, None if it has none."""

    pixels: Pixels
    position: float | None
    single: bool = False


class Source(Protocol):
    """Where pictures come from."""

    @property
    def name(self) -> str:
        """What it is, for people; without a password."""

    @property
    def live(self) -> bool:
        """Whether pictures come by themselves, so that those not taken in time are lost."""

    @property
    def clock(self) -> Clock:
        """Which clock positions are read from."""

    @property
    def damaged(self) -> int:
        """Pictures, or packets of a stream, that could not be decoded since the start."""

    def pictures(self) -> Iterator[Picture]:
        """Opens the source and gives its pictures; ends when they end. SourceError if it cannot or breaks
        off.

        May be called again after it has ended or failed: the source is then opened anew.
        """

    def close(self) -> None:
        """Lets go of everything, and makes a `pictures` that runs in another thread end soon. May be
        repeated."""
