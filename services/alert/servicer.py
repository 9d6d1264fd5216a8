"""AlertService: request to values, one call, values to response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from ovr.alpr.v1 import alert_pb2, alert_pb2_grpc
from services.alert.announcer import watch
from services.alert.convert import (
    alert_to_wire,
    event_of_request,
    filter_from_wire,
    page_to_wire,
    rules_to_wire,
    verdict_to_wire,
    watched_to_wire,
)
from services.alert.core import AlertDesk
from storage.log.port import Log

FULL_NAME = alert_pb2.DESCRIPTOR.services_by_name["AlertService"].full_name


class AlertServicer(alert_pb2_grpc.AlertServiceServicer):
    """Serves an `AlertDesk`, and the topic `alerts` of a log."""

    def __init__(self, desk: AlertDesk, log: Log) -> None:
        self._desk = desk
        self._log = log

    async def ListAlerts(  # noqa: N802
        self, request: alert_pb2.ListAlertsRequest, context: Any
    ) -> alert_pb2.ListAlertsResponse:
        """Alerts, newest first."""
        page = await self._desk.list_alerts(filter_from_wire(request), request.page_size, request.page_token)
        return page_to_wire(page)

    async def WatchAlerts(  # noqa: N802
        self, request: alert_pb2.WatchAlertsRequest, context: Any
    ) -> AsyncIterator[alert_pb2.WatchAlertsResponse]:
        """Alerts as they fire or change."""
        async with aclosing(watch(self._log, request.cursor)) as answers:
            async for watched in answers:
                yield watched_to_wire(watched.value, watched.cursor)

    async def Acknowledge(  # noqa: N802
        self, request: alert_pb2.AcknowledgeRequest, context: Any
    ) -> alert_pb2.AcknowledgeResponse:
        """Notes that a person saw an alert."""
        alert = await self._desk.acknowledge(request.alert_id, request.acknowledged_by, request.note)
        return alert_pb2.AcknowledgeResponse(alert=alert_to_wire(alert))

    async def ListRules(  # noqa: N802
        self, request: alert_pb2.ListRulesRequest, context: Any
    ) -> alert_pb2.ListRulesResponse:
        """The rules in force."""
        return rules_to_wire(self._desk.rules())

    async def TestRule(  # noqa: N802
        self, request: alert_pb2.TestRuleRequest, context: Any
    ) -> alert_pb2.TestRuleResponse:
        """Which rules an event or a text would fire."""
        if request.WhichOneof("subject") == "event":
            verdicts = self._desk.test_event(event_of_request(request.event), request.rule_id)
        else:
            verdicts = self._desk.test_text(request.text, request.camera_id, request.rule_id)
        return alert_pb2.TestRuleResponse(verdicts=[verdict_to_wire(verdict) for verdict in verdicts])
