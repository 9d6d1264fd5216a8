"""Where finished spans go. Imported only when settings ask for it: the OTLP exporter is slow to import."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import orjson
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

OTLP_TIMEOUT_SECONDS = 2


def otlp(endpoint: str) -> SpanProcessor:
    """Spans by OTLP over gRPC, in batches, by a thread of its own; what cannot be sent is dropped."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    insecure = not endpoint.startswith("https://")
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=insecure, timeout=OTLP_TIMEOUT_SECONDS)
    return BatchSpanProcessor(exporter, schedule_delay_millis=1000)


def span_file(directory: Path, service: str) -> SpanProcessor:
    """Spans as JSON lines in `SERVICE-PID.jsonl` of the directory, for a machine without a backend."""
    return SimpleSpanProcessor(SpanFile(directory / f"{service}-{os.getpid()}.jsonl"))


class SpanFile(SpanExporter):
    """Appends each span as one line; a full disk loses spans, never the process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            self._file.write(b"".join(_line(span) for span in spans))
        except (OSError, ValueError):
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._file.close()


def _line(span: ReadableSpan) -> bytes:
    context, parent = span.get_span_context(), span.parent
    fields = {
        "service": span.resource.attributes.get("service.name"),
        "name": span.name,
        "kind": span.kind.name,
        "trace_id": trace.format_trace_id(context.trace_id) if context else "",
        "span_id": trace.format_span_id(context.span_id) if context else "",
        "parent_id": trace.format_span_id(parent.span_id) if parent else "",
        "start": span.start_time,
        "end": span.end_time,
        "status": span.status.status_code.name,
        "attributes": dict(span.attributes or {}),
        "links": [trace.format_span_id(link.context.span_id) for link in span.links],
    }
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE, default=str)
