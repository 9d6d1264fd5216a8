"""The detector's messages: protobuf to values and back, nothing else."""

from __future__ import annotations

from mesh.payload import FramePayload
from ovr.alpr.v1 import detector_pb2
from services.detector.core import Detected
from wire.event import detection_to_wire, model_to_wire
from wire.frame import payload_from_wire


def request_from_wire(request: detector_pb2.DetectRequest) -> tuple[FramePayload, float]:
    """The frame and the least score wanted, 0 for the service's own."""
    return payload_from_wire(request.frame), request.min_score


def response_to_wire(found: Detected) -> detector_pb2.DetectResponse:
    """The answer to one frame."""
    return detector_pb2.DetectResponse(
        detections=[detection_to_wire(detection) for detection in found.detections],
        model=model_to_wire(found.model),
        inference_ms=found.inference_ms,
        queue_ms=found.queue_ms,
    )
