"""Rules: what plates they look for, where and when, and what they say of a sighting."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import re2

from plates import matching
from services.alert.schedule import ALWAYS, Schedule
from storage.alerts.port import MatchKind, Severity

_ALERT_IDS = uuid.UUID("5f0b6a0e-8a0f-5b0e-9b52-3c1d7f8f0a11")
_EXPRESSION_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Sighting:
    """A plate's text (normalised) as a rule sees it: how sure it is, where, and when."""

    text: str
    confidence: float
    camera_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of a sighting: `matched` is its entry that fits, empty if none does."""

    rule_id: str
    fires: bool
    matched: str
    reason: str


class Matcher(Protocol):
    """Finds the entry of a rule that a text fits."""

    def find(self, text: str) -> str | None:
        """The entry, or None."""


class ExactMatcher:
    """Whole texts."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = frozenset(patterns)

    def find(self, text: str) -> str | None:
        """See `Matcher`."""
        return text if text in self._patterns else None


class PrefixMatcher:
    """Beginnings."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(patterns)

    def find(self, text: str) -> str | None:
        """See `Matcher`."""
        return next((pattern for pattern in self._patterns if text.startswith(pattern)), None)


class OneEditMatcher:
    """Whole texts, or one character replaced, missing or too many."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._whole = frozenset(patterns)
        self._by_length: dict[int, list[str]] = {}
        for pattern in patterns:
            self._by_length.setdefault(len(pattern), []).append(pattern)

    def find(self, text: str) -> str | None:
        """See `Matcher`; the whole text before one that is an edit away."""
        if text in self._whole:
            return text
        near = (self._by_length.get(len(text) + step, ()) for step in (0, 1, -1))
        return next((p for patterns in near for p in patterns if matching.one_edit(text, p)), None)


class RegexMatcher:
    """Regular expressions over the whole text, by RE2: time is linear in the text, memory bounded."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """ValueError for a pattern that is no expression of RE2 or needs too much memory."""
        self._compiled = [(pattern, _compile(pattern)) for pattern in patterns]

    def find(self, text: str) -> str | None:
        """See `Matcher`."""
        return next((pattern for pattern, compiled in self._compiled if compiled.fullmatch(text)), None)


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _EXPRESSION_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0] if error.args else "not understood"
        text = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise ValueError(f"{pattern!r} is no regular expression of RE2: {text}") from None


_MATCHERS: Mapping[MatchKind, Callable[[Sequence[str]], Matcher]] = {
    MatchKind.EXACT: ExactMatcher,
    MatchKind.PREFIX: PrefixMatcher,
    MatchKind.ONE_EDIT: OneEditMatcher,
    MatchKind.REGEX: RegexMatcher,
}


def matcher(kind: MatchKind, patterns: Sequence[str]) -> Matcher:
    """The matcher for patterns (normalised, unless expressions). ValueError for a wrong expression."""
    return _MATCHERS[kind](patterns)


@dataclass(frozen=True)
class Rule:
    """A rule in force."""

    rule_id: str
    name: str
    severity: Severity
    match_kind: MatchKind
    patterns: tuple[str, ...]
    matcher: Matcher
    camera_ids: tuple[str, ...] = ()
    schedule: Schedule = ALWAYS
    cooldown: timedelta = timedelta(0)
    channels: tuple[str, ...] = ()
    min_confidence: float = 0.0
    enabled: bool = True

    def judge(self, sighting: Sighting) -> Verdict:
        """Whether the rule fires on the sighting, cooldown aside, and why."""
        if not self.enabled:
            return self._silent("The rule is switched off.")
        if not sighting.text:
            return self._silent("The event has no plate.")
        if self.camera_ids and sighting.camera_id not in self.camera_ids:
            return self._silent(f"Camera {sighting.camera_id or 'unknown'} is none of the rule's cameras.")
        if not self.schedule.holds(sighting.at):
            return self._silent(f"{sighting.at:%Y-%m-%d %H:%M} UTC is outside {self.schedule.text}.")
        if sighting.confidence < self.min_confidence:
            return self._silent(
                f"Confidence {sighting.confidence:.2f} is below the rule's {self.min_confidence:.2f}."
            )
        matched = self.matcher.find(sighting.text)
        if matched is None:
            return self._silent(f"{sighting.text} fits no entry of the rule.")
        return Verdict(
            self.rule_id, True, matched, f"{sighting.text} fits {matched} ({self.match_kind.value})."
        )

    def subject(self, sighting: Sighting, matched: str) -> str:
        """The plate that is meant, for the cooldown: with one edit allowed it is the entry, so that the
        misread twin of a plate does not fire again."""
        return matched if self.match_kind is MatchKind.ONE_EDIT else sighting.text

    def _silent(self, reason: str) -> Verdict:
        return Verdict(self.rule_id, False, "", reason)


def alert_id(rule_id: str, event_id: str) -> str:
    """The id of the alert of a rule on an event: always the same, so that a replay makes no second one."""
    return str(uuid.uuid5(_ALERT_IDS, f"{rule_id}\n{event_id}"))
