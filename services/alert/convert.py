"""The alert service's messages: protobuf to values and back, nothing else."""

from __future__ import annotations

import orjson
from google.protobuf.json_format import MessageToDict

from mesh.errors import FieldViolation, Kind, MeshError
from ovr.alpr.v1 import alert_pb2, event_pb2
from plates.event import PlateEvent
from services.alert.rulebook import RulesInForce
from services.alert.rules import Rule, Verdict
from storage.alerts.port import Alert, AlertFilter, AlertPage, Delivery, DeliveryState, MatchKind, Severity
from wire.event import event_from_wire, event_to_wire, timestamp_to_wire

SEVERITIES = {
    Severity.INFO: alert_pb2.SEVERITY_INFO,
    Severity.WARNING: alert_pb2.SEVERITY_WARNING,
    Severity.CRITICAL: alert_pb2.SEVERITY_CRITICAL,
}
MATCH_KINDS = {
    MatchKind.EXACT: alert_pb2.MATCH_KIND_EXACT,
    MatchKind.PREFIX: alert_pb2.MATCH_KIND_PREFIX,
    MatchKind.REGEX: alert_pb2.MATCH_KIND_REGEX,
    MatchKind.ONE_EDIT: alert_pb2.MATCH_KIND_ONE_EDIT,
}
DELIVERY_STATES = {
    DeliveryState.PENDING: alert_pb2.DELIVERY_STATE_PENDING,
    DeliveryState.DELIVERED: alert_pb2.DELIVERY_STATE_DELIVERED,
    DeliveryState.FAILED: alert_pb2.DELIVERY_STATE_FAILED,
}
_SEVERITIES = {number: value for value, number in SEVERITIES.items()}


def event_of_request(event: event_pb2.PlateEvent) -> PlateEvent:
    """The event of a request; INVALID for a value that this version does not know."""
    try:
        return event_from_wire(event)
    except ValueError as error:
        fault = FieldViolation("event", str(error))
        raise MeshError(Kind.INVALID, "EVENT_INVALID", f"event: {error}", fields=(fault,)) from None


def filter_from_wire(request: alert_pb2.ListAlertsRequest) -> AlertFilter:
    """Which alerts are asked for."""
    least = _SEVERITIES.get(request.min_severity, Severity.INFO)
    return AlertFilter(tuple(request.rule_ids), least, request.unacknowledged_only)


def page_to_wire(page: AlertPage) -> alert_pb2.ListAlertsResponse:
    """A page of alerts."""
    alerts = [alert_to_wire(alert) for alert in page.alerts]
    return alert_pb2.ListAlertsResponse(alerts=alerts, next_page_token=page.next_page_token)


def alert_to_wire(alert: Alert) -> alert_pb2.Alert:
    """An alert."""
    acknowledged = alert.acknowledged_at
    return alert_pb2.Alert(
        alert_id=alert.alert_id,
        rule_id=alert.rule_id,
        rule_name=alert.rule_name,
        severity=SEVERITIES[alert.severity],
        event=event_to_wire(alert.event),
        matched=alert.matched,
        match_kind=MATCH_KINDS[alert.match_kind],
        fired_at=timestamp_to_wire(alert.fired_at),
        acknowledged_at=timestamp_to_wire(acknowledged) if acknowledged is not None else None,
        acknowledged_by=alert.acknowledged_by,
        note=alert.note,
        deliveries=[_delivery_to_wire(delivery) for delivery in alert.deliveries],
    )


def _delivery_to_wire(delivery: Delivery) -> alert_pb2.Delivery:
    at = delivery.last_attempt_at
    return alert_pb2.Delivery(
        channel=delivery.channel,
        state=DELIVERY_STATES[delivery.state],
        attempts=delivery.attempts,
        last_error=delivery.last_error,
        last_attempt_at=timestamp_to_wire(at) if at is not None else None,
    )


def alert_to_bytes(alert: Alert) -> bytes:
    """An alert as it stands on the log."""
    return alert_to_wire(alert).SerializeToString()


def alert_to_json(alert: Alert) -> bytes:
    """An alert as a webhook gets it: the contract's JSON under "alert"."""
    return orjson.dumps({"alert": MessageToDict(alert_to_wire(alert))})


def watched_to_wire(value: bytes | None, cursor: str) -> alert_pb2.WatchAlertsResponse:
    """An alert from the log, or a sign of life."""
    alert = alert_pb2.Alert.FromString(value) if value is not None else None
    return alert_pb2.WatchAlertsResponse(alert=alert, cursor=cursor)


def rules_to_wire(rules: RulesInForce) -> alert_pb2.ListRulesResponse:
    """The rules in force."""
    return alert_pb2.ListRulesResponse(
        rules=[_rule_to_wire(rule) for rule in rules.set.rules],
        loaded_at=timestamp_to_wire(rules.loaded_at),
        errors=rules.errors,
    )


def _rule_to_wire(rule: Rule) -> alert_pb2.Rule:
    return alert_pb2.Rule(
        rule_id=rule.rule_id,
        name=rule.name,
        severity=SEVERITIES[rule.severity],
        match_kind=MATCH_KINDS[rule.match_kind],
        patterns=rule.patterns,
        camera_ids=rule.camera_ids,
        schedule=rule.schedule.text,
        cooldown_seconds=int(rule.cooldown.total_seconds()),
        channels=rule.channels,
        min_confidence=rule.min_confidence,
        enabled=rule.enabled,
    )


def verdict_to_wire(verdict: Verdict) -> alert_pb2.RuleVerdict:
    """What one rule says."""
    return alert_pb2.RuleVerdict(
        rule_id=verdict.rule_id, fires=verdict.fires, matched=verdict.matched, reason=verdict.reason
    )
