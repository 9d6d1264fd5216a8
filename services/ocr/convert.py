"""The OCR service's messages: protobuf to values and back, nothing else."""

from __future__ import annotations

from mesh.payload import FramePayload
from ovr.alpr.v1 import ocr_pb2
from services.ocr.core import ReadBatch
from wire.event import model_to_wire, read_to_wire
from wire.frame import payload_from_wire


def request_from_wire(request: ocr_pb2.ReadRequest) -> tuple[FramePayload, ...]:
    """The crops to read."""
    return tuple(payload_from_wire(crop) for crop in request.crops)


def response_to_wire(found: ReadBatch) -> ocr_pb2.ReadResponse:
    """The answer to one request."""
    return ocr_pb2.ReadResponse(
        reads=[read_to_wire(read) for read in found.reads],
        model=model_to_wire(found.model),
        inference_ms=found.inference_ms,
        queue_ms=found.queue_ms,
    )
