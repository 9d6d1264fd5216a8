"""A frame without its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame by its position in the stream and the time it was captured."""

    sequence: int
    captured_at: datetime
    single: bool = False

    @property
    def at(self) -> float:
        """Seconds since 1970."""
        return self.captured_at.timestamp()
