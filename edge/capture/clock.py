"""When a picture was captured: the source's own positions, anchored to the wall clock. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from plates.event import Clock

# A live stream whose times run away from the wall clock by more than this is anchored anew.
_MAX_DRIFT_S = 2.0
_STEP = timedelta(microseconds=1000)


@dataclass(slots=True)
class CaptureClock:
    """Turns positions into times that never run backwards."""

    clock: Clock
    _anchor: datetime | None = None
    _first: float = 0.0
    _last: datetime | None = None

    def reopen(self) -> None:
        """The source was opened anew: its positions start somewhere else. A recording goes on where it
        ended."""
        self._anchor = None

    def time(self, position: float | None, now: datetime) -> datetime:
        """When the picture at `position` (seconds) was captured, UTC. `now` is the wall clock at its
        arrival."""
        moment = self._moment(position, now)
        if self._last is not None and moment <= self._last:
            moment = self._last + _STEP
        self._last = moment
        return moment

    def _moment(self, position: float | None, now: datetime) -> datetime:
        if position is None or self.clock is Clock.WALL:
            return now
        if self._anchor is None:
            self._anchor, self._first = now, position
            if self.clock is Clock.FILE and self._last is not None and self._last > now:
                self._anchor = self._last + timedelta(seconds=1)
        moment = self._anchor + timedelta(seconds=position - self._first)
        if self.clock is Clock.STREAM and abs((moment - now).total_seconds()) > _MAX_DRIFT_S:
            self._anchor, self._first, moment = now, position, now
        return moment


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(timezone.utc)
