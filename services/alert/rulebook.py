"""The rules in force: loaded from the file, and anew when it changes. A broken file keeps the old rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from mesh import names
from mesh.logs import logger
from mesh.settings import ConfigError
from mesh.telemetry import Telemetry
from mesh.waiting import first_of
from services.alert.rules_file import RuleSet

_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class RulesInForce:
    """A rule set, when it was loaded, and what is wrong with the newest file if that is another one."""

    set: RuleSet
    loaded_at: datetime
    errors: tuple[str, ...] = ()


class Rulebook:
    """Gives the rules in force at any moment."""

    def __init__(self, path: Path, load: Callable[[Path], RuleSet], telemetry: Telemetry) -> None:
        """Loads the file; ConfigError if it is wrong, since there are no older rules to keep."""
        self._path = path
        self._load = load
        self._rules = telemetry.gauge(names.ALERT_RULES)
        self._faults = telemetry.gauge(names.ALERT_RULES_FAULTS)
        self._log = logger("alert.rules")
        self._stamp = _stamp(path)
        self.current = RulesInForce(load(path), datetime.now(timezone.utc))
        self._note()

    async def watch(self, stop: asyncio.Event, seconds: float) -> None:
        """Look for a changed file every `seconds` until `stop`."""
        while not stop.is_set():
            await first_of(stop, timeout=seconds)
            await self.refresh()

    async def refresh(self) -> None:
        """Load the file if it has changed since it was last looked at."""
        loop = asyncio.get_running_loop()
        stamp = await loop.run_in_executor(None, _stamp, self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            found = await loop.run_in_executor(None, self._load, self._path)
        except ConfigError as error:
            errors = tuple(str(error).splitlines())
            self.current = RulesInForce(self.current.set, self.current.loaded_at, errors)
            self._log.error("the rules' file is wrong; the old rules stay in force", errors=errors)
        else:
            self.current = RulesInForce(found, datetime.now(timezone.utc))
            self._log.info("rules loaded", rules=len(found.rules), channels=len(found.channels))
        self._note()

    def _note(self) -> None:
        self._rules.set(sum(rule.enabled for rule in self.current.set.rules))
        self._faults.set(len(self.current.errors))


def _stamp(path: Path) -> _Stamp | None:
    """Tells one state of a file from another; None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
