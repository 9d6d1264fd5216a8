"""The names of spans, attributes and metrics: data in one place, which code and tests are held to.

Append what a room needs; a test checks that every name in use is declared here and every declared one is
used.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class MetricKind(enum.Enum):
    """How a metric moves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """A metric: Prometheus name with its unit (`_seconds`, `_bytes`, `_total`), kind, help and labels."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True)
class SpanName:
    """A span: its name and help; `sampled` ones are traced in the share that settings give, others always."""

    name: str
    help: str
    sampled: bool = False


LATENCY = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
COUNTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)

# --- spans ------------------------------------------------------------------------------------------------
# Rpc spans are named by their method, `ovr.alpr.v1.DetectorService/Detect`, as OpenTelemetry asks, and have
# the kind SERVER or CLIENT. They follow their parent; a call without one counts as sampled when its method
# is a frame's.
FRAME_RPCS = (
    "ovr.alpr.v1.DetectorService/Detect",
    "ovr.alpr.v1.DetectorService/DetectStream",
)
SPAN_BATCH = SpanName("mesh.batch", "One batch through a model; links the calls it serves.", sampled=True)
SPAN_HTTP_SERVER = SpanName("gateway.request", "One request of a client of the gateway.")

# --- attributes -------------------------------------------------------------------------------------------
ATTR_RPC_SYSTEM = "rpc.system"
ATTR_RPC_SERVICE = "rpc.service"
ATTR_RPC_METHOD = "rpc.method"
ATTR_RPC_STATUS = "rpc.grpc.status_code"
ATTR_PEER = "peer.service"
ATTR_ERROR_REASON = "ovr.error.reason"
ATTR_BATCH_SIZE = "ovr.batch.size"
ATTR_HTTP_METHOD = "http.request.method"
ATTR_HTTP_ROUTE = "http.route"
ATTR_HTTP_STATUS = "http.response.status_code"

# --- metrics ----------------------------------------------------------------------------------------------
RPC_SERVER_SECONDS = Metric(
    "ovr_rpc_server_seconds",
    MetricKind.HISTOGRAM,
    "Time to serve an rpc.",
    ("service", "method", "code"),
    LATENCY,
)
RPC_SERVER_ACTIVE = Metric(
    "ovr_rpc_server_active", MetricKind.GAUGE, "Rpcs being served.", ("service", "method")
)
RPC_CLIENT_SECONDS = Metric(
    "ovr_rpc_client_seconds",
    MetricKind.HISTOGRAM,
    "Time of an rpc as its caller sees it, with retries.",
    ("peer", "method", "code"),
    LATENCY,
)
RPC_CLIENT_RETRIES = Metric(
    "ovr_rpc_client_retries_total", MetricKind.COUNTER, "Rpcs sent again.", ("peer", "method")
)
RPC_REFUSED = Metric(
    "ovr_rpc_refused_total",
    MetricKind.COUNTER,
    "Rpcs refused before they were served, by reason.",
    ("service", "reason"),
)
BATCH_SIZE = Metric("ovr_batch_size", MetricKind.HISTOGRAM, "Items a batch.", ("batcher",), COUNTS)
BATCH_WAIT_SECONDS = Metric(
    "ovr_batch_wait_seconds", MetricKind.HISTOGRAM, "Time an item waits for its batch.", ("batcher",), LATENCY
)
BATCH_DROPPED = Metric(
    "ovr_batch_dropped_total",
    MetricKind.COUNTER,
    "Items that left the queue unserved, by reason.",
    ("batcher", "reason"),
)
FRAME_RING_FALLBACKS = Metric(
    "ovr_frame_ring_fallbacks_total",
    MetricKind.COUNTER,
    "Frames that went inline instead of by shared memory, by reason.",
    ("reason",),
)
HTTP_SERVER_SECONDS = Metric(
    "ovr_http_server_seconds",
    MetricKind.HISTOGRAM,
    "Time to serve a request of the gateway.",
    ("method", "route", "status"),
    LATENCY,
)
HTTP_REFUSED = Metric(
    "ovr_http_refused_total",
    MetricKind.COUNTER,
    "Requests that the gateway refused before any route, by reason.",
    ("reason",),
)
HTTP_WATCHES = Metric("ovr_http_watches", MetricKind.GAUGE, "Event streams that are open.", ("stream",))


def _declared(kind: type) -> dict[str, object]:
    return {name: value for name, value in globals().items() if isinstance(value, kind)}


def spans() -> tuple[SpanName, ...]:
    """Every declared span."""
    return tuple(value for value in _declared(SpanName).values() if isinstance(value, SpanName))


def metrics() -> tuple[Metric, ...]:
    """Every declared metric."""
    return tuple(value for value in _declared(Metric).values() if isinstance(value, Metric))


def attributes() -> tuple[str, ...]:
    """Every declared attribute."""
    return tuple(str(value) for name, value in globals().items() if name.startswith("ATTR_"))
