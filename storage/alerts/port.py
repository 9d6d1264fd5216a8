"""The alert store: which rules fired, who acknowledged it, and what became of telling people.

The embedded adapter is `storage.alerts.sqlite`. Every method raises `mesh.errors.MeshError` with kind
UNAVAILABLE when the store cannot be reached or written now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, IntEnum
from typing import Protocol

from plates.event import PlateEvent


class Severity(IntEnum):
    """How grave an alert is; higher is graver."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3


class MatchKind(str, Enum):
    """How a rule matches a plate."""

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"
    ONE_EDIT = "one_edit"


class DeliveryState(str, Enum):
    """What became of telling somebody."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Telling somebody over one channel; `last_error` holds no secret."""

    channel: str
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    last_error: str = ""
    last_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that fired on an event. `matched` is the rule's entry that matched."""

    alert_id: str
    rule_id: str
    rule_name: str
    severity: Severity
    event: PlateEvent
    matched: str
    match_kind: MatchKind
    fired_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    note: str = ""
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert to be stored. Another one of the same rule and `subject` (the plate meant) within `cooldown`
    of its event holds it back. `traceparent` is where the trace goes on."""

    alert: Alert
    subject: str
    cooldown: timedelta = timedelta(0)
    traceparent: str = ""


class Fired(Enum):
    """What became of a firing."""

    NEW = "new"
    KNOWN = "known"
    COOLDOWN = "cooldown"


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are meant; empty means any."""

    rule_ids: tuple[str, ...] = ()
    min_severity: Severity = Severity.INFO
    unacknowledged_only: bool = False


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Alerts, newest first, and the token of the next page; empty after the last."""

    alerts: tuple[Alert, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery to be tried now, the `attempt`-th time, counted from 1."""

    alert: Alert
    channel: str
    attempt: int
    traceparent: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a try ended: `retry_at` is set if it is to be tried again."""

    alert_id: str
    channel: str
    state: DeliveryState
    error: str
    at: datetime
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that fired or changed and that watchers have not been told of yet."""

    sequence: int
    alert: Alert
    traceparent: str


class AlertStore(Protocol):
    """Keeps alerts. Each change to one is noted in the same transaction, until `forget` is told that watchers
    know."""

    async def fire(self, firings: Sequence[Firing]) -> list[Fired]:
        """Store all alerts that are new and not held back, with their pending deliveries; all or none,
        durable when this returns. What became of each, in order."""

    async def get(self, alert_id: str) -> Alert | None:
        """The alert, or None."""

    async def list_alerts(self, filter: AlertFilter, page_size: int, page_token: str = "") -> AlertPage:
        """A page, newest first. INVALID for a token of another request."""

    async def acknowledge(self, alert_id: str, by: str, note: str, at: datetime) -> Alert | None:
        """Note who saw the alert, unless somebody did before; the alert as it is now, None if there is
        none."""

    async def claim(self, now: datetime, lease: timedelta, limit: int) -> list[Due]:
        """Deliveries to be tried now, oldest first. They are not handed out again before `lease` has passed,
        or until `record` said how it ended."""

    async def record(self, attempt: Attempt) -> None:
        """Note how a try ended."""

    async def next_due(self) -> datetime | None:
        """When the next delivery is to be tried; None if none is pending."""

    async def pending(self) -> int:
        """How many deliveries are pending."""

    async def changes(self, limit: int) -> list[Change]:
        """The oldest changes that were not forgotten, each with the alert as it is now."""

    async def forget(self, sequence: int) -> None:
        """Forget the changes up to `sequence`: watchers have been told."""

    async def delete_older_than(self, moment: datetime) -> int:
        """Delete what fired before `moment`, unless a delivery is pending; how many."""

    async def check(self) -> None:
        """Return if the store can be written now, for readiness."""

    async def close(self) -> None:
        """Give everything back."""
