"""When a rule holds: windows of the week in a time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(\S+)\s+(\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end`, minutes of the day, on each of `days` (0 is Monday). A window whose end is not
    after its start reaches into the next day."""

    days: frozenset[int]
    start: int
    end: int

    def holds(self, weekday: int, minute: int) -> bool:
        """Whether the window is open at that minute of that day."""
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        before = (weekday - 1) % 7
        return (weekday in self.days and minute >= self.start) or (before in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Open whenever one of its windows is, by the wall clock of `zone`; without windows always.

    `text` says so for people: "mon-fri 22:00-06:00 Europe/Berlin", empty for always.
    """

    windows: tuple[Window, ...] = ()
    zone: tzinfo = timezone.utc
    text: str = ""

    def holds(self, at: datetime) -> bool:
        """Whether the schedule is open at an aware moment."""
        if not self.windows:
            return True
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return any(window.holds(local.weekday(), minute) for window in self.windows)


ALWAYS = Schedule()


def parse_window(text: str) -> Window:
    """A window such as "mon-fri 22:00-06:00", "sat,sun 00:00-24:00" or "daily 08:00-18:30".

    ValueError that says what is wrong.
    """
    match = _WINDOW.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not of the form DAYS HH:MM-HH:MM, for example mon-fri 22:00-06:00")
    start, end = (_minute(match[i], match[i + 1]) for i in (2, 4))
    if start == end:
        raise ValueError(f"{text!r} is empty; a whole day is 00:00-24:00")
    if start == _DAY_MINUTES:
        raise ValueError(f"{text!r} begins at the day's end")
    return Window(_days(match[1]), start, end)


def _minute(hours: str, minutes: str) -> int:
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > _DAY_MINUTES:
        raise ValueError(f"{hours}:{minutes} is no time of a day")
    return minute


def _days(text: str) -> frozenset[int]:
    if text == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError(f"{part!r} is none of {', '.join(DAYS)}, daily, or a range such as mon-fri")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days.update((begin + i) % 7 for i in range((end - begin) % 7 + 1))
    return frozenset(days)
