"""Traces and metrics of one process: made once in its composition root, handed to what needs it.

Nothing here can fail or hold up the process: spans are exported by a thread of their own, only if an endpoint
is set, and what cannot be exported is dropped by the exporter.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes, AttributeValue
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mesh import names
from mesh.names import Metric, MetricKind, SpanName

if TYPE_CHECKING:
    from mesh.settings import MeshSettings

_PROPAGATOR = TraceContextTextMapPropagator()


class _NamedSampler(Sampler):
    """Frames in the share given, everything else always; children as their parents."""

    def __init__(self, share: float) -> None:
        self._share = TraceIdRatioBased(share)
        self._sampled = {span.name for span in names.spans() if span.sampled} | set(names.FRAME_RPCS)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        root = self._share if name in self._sampled else ALWAYS_ON
        return root.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return "ovr: passes always, frames by share"


class Telemetry:
    """The tracer and the metrics' registry of one process. `exports` says whether spans go anywhere."""

    def __init__(
        self, service: str, *, frame_share: float = 1.0, processors: Sequence[SpanProcessor] = ()
    ) -> None:
        self.service = service
        self.exports = bool(processors)
        self.registry = CollectorRegistry()
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}
        resource = Resource({"service.name": service, "service.namespace": "ovr"})
        self._provider = TracerProvider(
            sampler=ParentBased(_NamedSampler(frame_share)), resource=resource, shutdown_on_exit=False
        )
        for processor in processors:
            self._provider.add_span_processor(processor)
        self.tracer = self._provider.get_tracer("ovr")

    @contextmanager
    def span(
        self,
        name: SpanName | str,
        *,
        parent: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        links: Sequence[str] = (),
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Iterator[Span]:
        """Run the body within a span; `parent` and `links` are traceparents, without one the current span is
        the parent. An exception marks the span as failed, by its type's name."""
        span = self.start(name, parent=parent, attributes=attributes, links=links, kind=kind)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except Exception as error:
                span.set_status(trace.StatusCode.ERROR, type(error).__name__)
                raise

    def start(
        self,
        name: SpanName | str,
        *,
        parent: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        links: Sequence[str] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        start_time: int | None = None,
    ) -> Span:
        """A span whose end the caller sets with `.end()`: for a pass, which outlives the frame that opened
        it.

        `start_time` is in nanoseconds since the epoch."""
        context = extract(parent) if parent else None
        return self.tracer.start_span(
            name.name if isinstance(name, SpanName) else name,
            context=context,
            kind=kind,
            attributes=attributes,
            links=[Link(trace.get_current_span(extract(link)).get_span_context()) for link in links],
            start_time=start_time,
        )

    def counter(self, metric: Metric) -> Counter:
        """The counter declared in mesh.names."""
        found = self._metric(metric, MetricKind.COUNTER)
        assert isinstance(found, Counter)
        return found

    def gauge(self, metric: Metric) -> Gauge:
        """The gauge declared in mesh.names."""
        found = self._metric(metric, MetricKind.GAUGE)
        assert isinstance(found, Gauge)
        return found

    def histogram(self, metric: Metric) -> Histogram:
        """The histogram declared in mesh.names."""
        found = self._metric(metric, MetricKind.HISTOGRAM)
        assert isinstance(found, Histogram)
        return found

    def _metric(self, metric: Metric, kind: MetricKind) -> Counter | Gauge | Histogram:
        if metric.kind is not kind:
            raise TypeError(f"{metric.name} is a {metric.kind.value}, not a {kind.value}")
        if metric.name not in self._metrics:
            self._metrics[metric.name] = self._make(metric)
        return self._metrics[metric.name]

    def _make(self, metric: Metric) -> Counter | Gauge | Histogram:
        if metric.kind is MetricKind.COUNTER:
            return Counter(metric.name, metric.help, metric.labels, registry=self.registry)
        if metric.kind is MetricKind.GAUGE:
            return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
        buckets = metric.buckets or names.LATENCY
        return Histogram(metric.name, metric.help, metric.labels, registry=self.registry, buckets=buckets)

    def flush(self, timeout_seconds: float = 1.0) -> bool:
        """Export what is finished, within the time given; False if that was too short."""
        return self._provider.force_flush(int(timeout_seconds * 1000))

    def close(self, timeout_seconds: float = 1.5) -> None:
        """Export what is left, for the time given at most; a collector that does not answer gets nothing."""
        last = threading.Thread(target=self._provider.shutdown, name="telemetry-end", daemon=True)
        last.start()
        last.join(timeout_seconds)


def setup(settings: MeshSettings, service: str) -> Telemetry:
    """The telemetry a process's settings ask for."""
    processors: list[SpanProcessor] = []
    if settings.otlp_endpoint:
        from mesh.exporters import otlp

        processors.append(otlp(settings.otlp_endpoint))
    if settings.trace_dir is not None:
        from mesh.exporters import span_file

        processors.append(span_file(settings.trace_dir, service))
    return Telemetry(service, frame_share=settings.trace_frames, processors=processors)


def exemplar() -> dict[str, str] | None:
    """The current trace as a Prometheus exemplar; None outside a sampled trace."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid or not context.trace_flags.sampled:
        return None
    return {"trace_id": trace.format_trace_id(context.trace_id)}


def trace_id(span: Span | None = None) -> str:
    """The trace id, 32 hexadecimal digits, of the span or the current one; empty outside a trace."""
    context = (span or trace.get_current_span()).get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def inject(span: Span | None = None) -> str:
    """The W3C traceparent of the span or the current one; empty outside a trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, context=trace.set_span_in_context(span) if span is not None else None)
    return carrier.get("traceparent", "")


def extract(traceparent: str) -> Context:
    """The context a traceparent stands for; an empty one if it is empty or malformed."""
    return _PROPAGATOR.extract({"traceparent": traceparent}, context=Context())
