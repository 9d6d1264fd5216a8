"""What the alert service exists for: hold events against rules, and answer for the alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from mesh import names
from mesh.errors import FieldViolation, Kind, MeshError
from mesh.logs import logger
from mesh.telemetry import Telemetry, inject
from plates.event import PlateEvent
from plates.text import normalise
from services.alert.rulebook import Rulebook, RulesInForce
from services.alert.rules import Rule, Sighting, Verdict, alert_id
from storage.alerts.port import Alert, AlertFilter, AlertPage, AlertStore, Delivery, Fired, Firing
from storage.log.codec import decode_event
from storage.log.port import HEADER_TRACEPARENT, Record

Clock = Callable[[], datetime]

DEFAULT_PAGE = 50


def utc_now() -> datetime:
    """Now, aware."""
    return datetime.now(timezone.utc)


def sighting_of(event: PlateEvent) -> Sighting:
    """The event as rules see it."""
    plate = event.plate
    text, confidence = (plate.text, plate.confidence) if plate is not None else ("", 0.0)
    return Sighting(text, confidence, event.camera_id, event.best_seen_at)


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event from the log and where its trace goes on."""

    event: PlateEvent
    traceparent: str


class Evaluator:
    """Holds events against the rules in force and stores the alerts; a sink of `storage.log.consumer`.

    `wake` is called when there are new alerts to be told of.
    """

    def __init__(
        self,
        rules: Rulebook,
        store: AlertStore,
        telemetry: Telemetry,
        wake: Callable[[], None],
        clock: Clock = utc_now,
    ) -> None:
        self._rules = rules
        self._store = store
        self._telemetry = telemetry
        self._wake = wake
        self._clock = clock
        self._alerts = telemetry.counter(names.ALERTS)
        self._held_back = telemetry.counter(names.ALERTS_HELD_BACK)
        self._log = logger("alert")

    def decode(self, record: Record) -> Incoming:
        """The record's event; INVALID if it is none."""
        return Incoming(decode_event(record), record.headers.get(HEADER_TRACEPARENT, ""))

    async def write(self, items: Sequence[Incoming]) -> int:
        """Store the alerts of all events, or none; how many events there were, as nothing tells the known
        ones."""
        rules = self._rules.current.set.rules
        firings = [firing for item in items for firing in self._evaluate(rules, item)]
        if firings:
            self._count(firings, await self._store.fire(firings))
            self._wake()
        return len(items)

    def _evaluate(self, rules: Sequence[Rule], item: Incoming) -> list[Firing]:
        event = item.event
        attributes = {names.ATTR_EVENT_ID: event.event_id, names.ATTR_CAMERA: event.camera_id}
        with self._telemetry.span(
            names.SPAN_ALERT_EVALUATE, parent=item.traceparent or None, attributes=attributes
        ) as span:
            sighting = sighting_of(event)
            verdicts = [(rule, rule.judge(sighting)) for rule in rules]
            firings = [
                _firing(rule, verdict, event, sighting, self._clock(), inject(span))
                for rule, verdict in verdicts
                if verdict.fires
            ]
            span.set_attribute(names.ATTR_ALERTS_FIRED, len(firings))
        return firings

    def _count(self, firings: Sequence[Firing], results: Sequence[Fired]) -> None:
        for firing, result in zip(firings, results, strict=True):
            alert = firing.alert
            if result is Fired.NEW:
                self._alerts.labels(alert.rule_id, alert.severity.name.lower()).inc()
                self._say(alert)
            else:
                self._held_back.labels(alert.rule_id, result.value).inc()

    def _say(self, alert: Alert) -> None:
        # Without channels the log is where people hear of it, so the plate stands here.
        event = alert.event
        self._log.warning(
            "alert",
            rule=alert.rule_id,
            severity=alert.severity.name.lower(),
            plate=event.plate.text if event.plate is not None else "",
            camera=event.camera_id,
            event_id=event.event_id,
            trace=event.trace_id,
        )


def _firing(
    rule: Rule, verdict: Verdict, event: PlateEvent, sighting: Sighting, now: datetime, traceparent: str
) -> Firing:
    alert = Alert(
        alert_id=alert_id(rule.rule_id, event.event_id),
        rule_id=rule.rule_id,
        rule_name=rule.name,
        severity=rule.severity,
        event=event,
        matched=verdict.matched,
        match_kind=rule.match_kind,
        fired_at=now,
        deliveries=tuple(Delivery(channel) for channel in dict.fromkeys(rule.channels)),
    )
    return Firing(alert, rule.subject(sighting, verdict.matched), rule.cooldown, traceparent)


class AlertDesk:
    """Answers questions about alerts and rules. `wake` is called when an alert has changed."""

    def __init__(
        self, rules: Rulebook, store: AlertStore, wake: Callable[[], None], clock: Clock = utc_now
    ) -> None:
        self._rules = rules
        self._store = store
        self._wake = wake
        self._clock = clock

    async def list_alerts(self, filter: AlertFilter, page_size: int, page_token: str) -> AlertPage:
        """A page of alerts, newest first; `page_size` 0 means 50."""
        return await self._store.list_alerts(filter, page_size or DEFAULT_PAGE, page_token)

    async def acknowledge(self, alert_id: str, by: str, note: str) -> Alert:
        """Note who saw the alert, if nobody did before. NOT_FOUND if there is none."""
        alert = await self._store.acknowledge(alert_id, by, note, self._clock())
        if alert is None:
            raise MeshError(Kind.NOT_FOUND, "ALERT_NOT_FOUND", f"there is no alert {alert_id}")
        self._wake()
        return alert

    def rules(self) -> RulesInForce:
        """The rules in force, and what is wrong with the newest file."""
        return self._rules.current

    def test_event(self, event: PlateEvent, rule_id: str) -> list[Verdict]:
        """What the rules, or one of them, say of an event, cooldown aside. NOT_FOUND for an unknown rule."""
        return self._judge(sighting_of(event), rule_id)

    def test_text(self, text: str, camera_id: str, rule_id: str) -> list[Verdict]:
        """The same for a plate's text, as if read now with confidence 1. INVALID for a text without letters
        and digits."""
        plate = normalise(text)
        if not plate:
            fault = FieldViolation("text", "has no letter and no digit")
            raise MeshError(Kind.INVALID, "TEXT_INVALID", "text has no letter and no digit", fields=(fault,))
        return self._judge(Sighting(plate, 1.0, camera_id, self._clock()), rule_id)

    def _judge(self, sighting: Sighting, rule_id: str) -> list[Verdict]:
        rules = self._rules.current.set.rules
        chosen = [rule for rule in rules if not rule_id or rule.rule_id == rule_id]
        if rule_id and not chosen:
            raise MeshError(Kind.NOT_FOUND, "RULE_NOT_FOUND", f"there is no rule {rule_id}")
        return [rule.judge(sighting) for rule in chosen]
