"""Which rpcs may be sent again, how often, and the budget that keeps retries from becoming a storm."""

from __future__ import annotations

import random
from dataclasses import dataclass

from mesh.errors import Kind, MeshError

# Sending one of these twice has the effect of sending it once.
IDEMPOTENT = frozenset(
    {
        "ovr.alpr.v1.DetectorService/Detect",
        "ovr.alpr.v1.OcrService/Read",
        "ovr.alpr.v1.IngestService/ReportStatus",
        "ovr.alpr.v1.QueryService/GetEvent",
        "ovr.alpr.v1.QueryService/ListEvents",
        "ovr.alpr.v1.QueryService/SearchEvents",
        "ovr.alpr.v1.QueryService/Aggregate",
        "ovr.alpr.v1.QueryService/ExplainEvent",
        "ovr.alpr.v1.QueryService/ListCameras",
        "ovr.alpr.v1.AlertService/ListAlerts",
        "ovr.alpr.v1.AlertService/ListRules",
        "ovr.alpr.v1.AlertService/TestRule",
    }
)


@dataclass(frozen=True)
class RetryPolicy:
    """At most `attempts` in all, with full jitter between `base` doubling and `cap` seconds."""

    attempts: int = 4
    base: float = 0.05
    cap: float = 1.0

    def delay(self, attempt: int, error: MeshError) -> float | None:
        """Seconds to wait before the next attempt, counted from 1; None if there shall be none."""
        if attempt >= self.attempts:
            return None
        if error.kind is Kind.EXHAUSTED and error.retry_after is not None:
            return error.retry_after * random.uniform(1.0, 1.5)
        if error.kind is Kind.UNAVAILABLE:
            return max(error.retry_after or 0.0, random.uniform(0, min(self.cap, self.base * 2**attempt)))
        return None


class RetryBudget:
    """Tokens of one channel: a failure takes one, a success gives a tenth back, retries need more than half.

    A peer that fails altogether is thus soon asked once per call, not `attempts` times (gRPC's retry
    throttling).
    """

    def __init__(self, tokens: float = 20.0, refund: float = 0.1) -> None:
        self._most = self._tokens = tokens
        self._refund = refund

    def succeeded(self) -> None:
        """A call ended well."""
        self._tokens = min(self._most, self._tokens + self._refund)

    def failed(self) -> bool:
        """A call failed in a way that a retry could mend; whether the budget allows one."""
        self._tokens = max(0.0, self._tokens - 1.0)
        return self._tokens > self._most / 2
