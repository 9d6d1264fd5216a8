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

SPAN_OPEN_FRAME = SpanName("vision.open", "A frame opened and brought to the network's size.", sampled=True)
SPAN_INGEST_STORE = SpanName("ingest.store", "An event and its pictures are made durable.")
SPAN_LOG_APPEND = SpanName("log.append", "An event is appended to the log.")
SPAN_EVENT_WRITE = SpanName("event_writer.write", "An event is written to the event store.")
SPAN_SEARCH_INDEX = SpanName("search_indexer.index", "An event is put into the search index.")
SPAN_PASS = SpanName("edge.pass", "One vehicle before one camera, from its first frame to its last.")
SPAN_DETECT = SpanName(
    "edge.detect", "A frame of a pass searched for vehicles and plates; sampled in the pass."
)
SPAN_READ = SpanName("edge.read", "Crops of a pass sent to the reader.")
SPAN_FUSE = SpanName("edge.fuse", "All reads of a pass made into one plate, an outcome and its evidence.")
SPAN_SPOOL = SpanName("edge.spool", "The pass's event written to the spool, until it is on disk.")
SPAN_PUBLISH = SpanName(
    "edge.publish", "The event on its way from the spool until ingest has acknowledged it."
)
SPAN_ALERT_EVALUATE = SpanName("alert.evaluate", "An event is held against all rules.")
SPAN_ALERT_DELIVER = SpanName("alert.deliver", "One try to tell somebody of an alert over one channel.")

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
ATTR_EVENT_ID = "ovr.event.id"
ATTR_CAMERA = "ovr.camera.id"
ATTR_INGEST_RESULT = "ovr.ingest.result"
ATTR_OUTCOME = "ovr.pass.outcome"
ATTR_REASON = "ovr.pass.reason"
ATTR_FRAMES_SEEN = "ovr.pass.frames_seen"
ATTR_FRAME_SEQUENCE = "ovr.frame.sequence"
ATTR_CROPS = "ovr.read.crops"
ATTR_ACK = "ovr.publish.ack"
ATTR_ALERT_ID = "ovr.alert.id"
ATTR_ALERTS_FIRED = "ovr.alert.fired"
ATTR_CHANNEL = "ovr.alert.channel"
ATTR_ATTEMPT = "ovr.alert.attempt"

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
DETECTOR_FRAMES = Metric(
    "ovr_detector_frames_total",
    MetricKind.COUNTER,
    "Frames the detector was given, by camera and result: OK or the error's reason.",
    ("camera", "result"),
)
DETECTOR_OBJECTS = Metric(
    "ovr_detector_objects_total", MetricKind.COUNTER, "Objects found, by class.", ("object_class",)
)
OCR_CROPS = Metric(
    "ovr_ocr_crops_total",
    MetricKind.COUNTER,
    "Crops the reader was given, by camera and result: READ, ILLEGIBLE or the error's reason.",
    ("camera", "result"),
)
MODEL_SECONDS = Metric(
    "ovr_model_seconds",
    MetricKind.HISTOGRAM,
    "Time of one batch in a model.",
    ("model", "engine"),
    LATENCY,
)
MODEL_INFO = Metric(
    "ovr_model_info", MetricKind.GAUGE, "1 for the model in use.", ("model", "version", "engine")
)
MODEL_SWAPS = Metric(
    "ovr_model_swaps_total",
    MetricKind.COUNTER,
    "Models that the registry's alias named anew, by result: swapped, or failed and the former kept.",
    ("model", "result"),
)
MODEL_REGISTRY_UP = Metric(
    "ovr_model_registry_up", MetricKind.GAUGE, "1 while the model registry answers, else 0."
)
SHADOW_ITEMS = Metric(
    "ovr_shadow_items_total",
    MetricKind.COUNTER,
    "Pictures or crops a shadow model was to see too, by result: agreed, disagreed, dropped, failed.",
    ("model", "result"),
)
INGEST_EVENTS = Metric(
    "ovr_ingest_events_total",
    MetricKind.COUNTER,
    "Events published to ingest, by what became of them.",
    ("result",),
)
INGEST_DEAD_LETTERS = Metric(
    "ovr_ingest_dead_letters_total",
    MetricKind.COUNTER,
    "Events that ingest could not take, by reason.",
    ("reason",),
)
INGEST_EVIDENCE_MISSING = Metric(
    "ovr_ingest_evidence_missing_total",
    MetricKind.COUNTER,
    "Pictures that an event names but that neither came with it nor were stored before.",
)
INGEST_DELAY_SECONDS = Metric(
    "ovr_ingest_delay_seconds",
    MetricKind.HISTOGRAM,
    "Time from the close of a pass at the edge until its event is on the log.",
    (),
    (*LATENCY, 60.0, 600.0, 3600.0),
)
RETENTION_REMOVED = Metric(
    "ovr_retention_removed_total",
    MetricKind.COUNTER,
    "What was removed because it was older or more than is kept.",
    ("kind",),
)
CONSUMER_LAG = Metric(
    "ovr_consumer_lag_records",
    MetricKind.GAUGE,
    "Records of a topic that a group has not handled.",
    ("group", "topic"),
)
CONSUMER_RECORDS = Metric(
    "ovr_consumer_records_total",
    MetricKind.COUNTER,
    "Records that a group has handled, by what became of them: written, duplicate, dead_letter, skipped.",
    ("group", "topic", "outcome"),
)
CONSUMER_BATCH = Metric(
    "ovr_consumer_batch_records",
    MetricKind.HISTOGRAM,
    "Records a batch.",
    ("group", "topic"),
    (*COUNTS, 256.0, 1024.0),
)
CONSUMER_RETRIES = Metric(
    "ovr_consumer_retries_total",
    MetricKind.COUNTER,
    "Batches that had to be tried again.",
    ("group", "topic", "reason"),
)
CONSUMER_DELAY_SECONDS = Metric(
    "ovr_consumer_delay_seconds",
    MetricKind.HISTOGRAM,
    "Time from append to the log until a record is handled.",
    ("group", "topic"),
    (*LATENCY, 60.0, 600.0, 3600.0),
)
NODE_SPOOL_EVENTS = Metric(
    "ovr_node_spool_events",
    MetricKind.GAUGE,
    "Events in an edge box's spool, as it reported.",
    ("site", "node"),
)
NODE_SPOOL_BYTES = Metric(
    "ovr_node_spool_bytes", MetricKind.GAUGE, "Bytes of an edge box's spool on its disk.", ("site", "node")
)
NODE_SPOOL_SHED = Metric(
    "ovr_node_spool_shed",
    MetricKind.GAUGE,
    "Events an edge box's spool has shed since the box's start.",
    ("site", "node"),
)
NODE_REPORTED = Metric(
    "ovr_node_reported_timestamp_seconds",
    MetricKind.GAUGE,
    "When an edge box made its newest report, by its own clock.",
    ("site", "node"),
)
NODE_TEMPERATURE = Metric(
    "ovr_node_temperature_celsius",
    MetricKind.GAUGE,
    "Hottest sensor of an edge box's part: cpu, gpu.",
    ("site", "node", "part"),
)
NODE_GPU_USE = Metric(
    "ovr_node_gpu_use_ratio", MetricKind.GAUGE, "Share of time an edge box's GPU is busy.", ("site", "node")
)
NODE_DISK_FREE = Metric(
    "ovr_node_disk_free_bytes",
    MetricKind.GAUGE,
    "Free bytes of the file system an edge box's spool lies on.",
    ("site", "node"),
)
NODE_DISK = Metric(
    "ovr_node_disk_bytes",
    MetricKind.GAUGE,
    "Size of the file system an edge box's spool lies on.",
    ("site", "node"),
)
NODE_CAMERA_UP = Metric(
    "ovr_node_camera_up",
    MetricKind.GAUGE,
    "1 if a camera streams or its recording has ended, else 0.",
    ("site", "node", "camera"),
)
NODE_CAMERA_FPS = Metric(
    "ovr_node_camera_frames_per_second",
    MetricKind.GAUGE,
    "Frames a second that a camera gave, over the last report's interval.",
    ("site", "node", "camera"),
)
NODE_CAMERA_PASSES = Metric(
    "ovr_node_camera_passes_closed",
    MetricKind.GAUGE,
    "Passes closed at a camera since its edge box's start, by outcome.",
    ("site", "node", "camera", "outcome"),
)
PASSES_OPENED = Metric("ovr_passes_opened_total", MetricKind.COUNTER, "Passes opened.", ("camera",))
PASSES_CLOSED = Metric(
    "ovr_passes_closed_total",
    MetricKind.COUNTER,
    "Passes closed, by outcome; over all outcomes and the open ones it equals the passes opened.",
    ("camera", "outcome", "reason"),
)
PASSES_OPEN = Metric("ovr_passes_open", MetricKind.GAUGE, "Passes that have no event yet.", ("camera",))
FRAMES_CAPTURED = Metric("ovr_frames_captured_total", MetricKind.COUNTER, "Frames decoded.", ("camera",))
FRAMES_SEARCHED = Metric(
    "ovr_frames_searched_total", MetricKind.COUNTER, "Frames the detector has searched.", ("camera",)
)
FRAMES_STILL = Metric(
    "ovr_frames_still_total", MetricKind.COUNTER, "Frames not searched because nothing moved.", ("camera",)
)
FRAMES_DROPPED = Metric(
    "ovr_frames_dropped_total", MetricKind.COUNTER, "Frames lost, by reason.", ("camera", "reason")
)
CAMERA_RECONNECTS = Metric(
    "ovr_camera_reconnects_total", MetricKind.COUNTER, "Sources opened again after a break.", ("camera",)
)
STAGE_SECONDS = Metric(
    "ovr_stage_seconds", MetricKind.HISTOGRAM, "Time a stage of the edge takes.", ("stage",), LATENCY
)
CROPS_READ = Metric("ovr_crops_read_total", MetricKind.COUNTER, "Plate crops read.", ("camera",))
EVENTS_LOST = Metric(
    "ovr_events_lost_total", MetricKind.COUNTER, "Events the spool did not take, by reason.", ("reason",)
)
EVENTS_PUBLISHED = Metric(
    "ovr_events_published_total", MetricKind.COUNTER, "Answers of ingest to published events.", ("result",)
)
SPOOL_EVENTS = Metric("ovr_spool_events", MetricKind.GAUGE, "Events in the spool that wait for their ack.")

ALERT_RULES = Metric("ovr_alert_rules", MetricKind.GAUGE, "Alert rules in force that are switched on.")
ALERT_RULES_FAULTS = Metric(
    "ovr_alert_rules_faults",
    MetricKind.GAUGE,
    "Faults of the newest rules' file; above 0 an older one is in force.",
)
ALERTS = Metric("ovr_alerts_total", MetricKind.COUNTER, "Alerts that fired.", ("rule", "severity"))
ALERTS_HELD_BACK = Metric(
    "ovr_alerts_held_back_total",
    MetricKind.COUNTER,
    "Matches that made no alert, by reason: cooldown, or known from before.",
    ("rule", "reason"),
)
ALERT_DELIVERIES = Metric(
    "ovr_alert_deliveries_total",
    MetricKind.COUNTER,
    "Tries to tell somebody, by how they ended: delivered, retried, failed.",
    ("channel", "result"),
)
ALERT_DELIVERY_SECONDS = Metric(
    "ovr_alert_delivery_seconds", MetricKind.HISTOGRAM, "Time of one try.", ("channel",), LATENCY
)
ALERT_DELIVERIES_PENDING = Metric(
    "ovr_alert_deliveries_pending", MetricKind.GAUGE, "Deliveries that are still to be made."
)


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
