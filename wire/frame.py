"""Frames: protobuf to what `mesh.payload` calls a frame, and back."""

from __future__ import annotations

from datetime import datetime

from mesh.errors import STATUS, MeshError
from mesh.frames import FrameRef
from mesh.payload import FramePayload, PixelFormat
from ovr.alpr.v1 import detector_pb2, frame_pb2
from plates.event import Clock
from wire.event import CLOCKS, timestamp_to_wire

FORMATS = {
    PixelFormat.BGR24: frame_pb2.PIXEL_FORMAT_BGR24,
    PixelFormat.GRAY8: frame_pb2.PIXEL_FORMAT_GRAY8,
    PixelFormat.JPEG: frame_pb2.PIXEL_FORMAT_JPEG,
    PixelFormat.PNG: frame_pb2.PIXEL_FORMAT_PNG,
}
_FORMATS = {number: value for value, number in FORMATS.items()}


def payload_from_wire(frame: frame_pb2.Frame) -> FramePayload:
    """The picture of a valid frame message; ValueError for a format that this version does not know."""
    try:
        pixel_format = _FORMATS[frame.format]
    except KeyError:
        raise ValueError(f"frame.format: value {frame.format} is not known to this version") from None
    ref = FrameRef(frame.ref.segment, frame.ref.slot, frame.ref.generation)
    return FramePayload(
        camera_id=frame.camera_id,
        format=pixel_format,
        pixels=ref if frame.HasField("ref") else frame.inline_data,
        height=frame.height,
        width=frame.width,
        stride=frame.stride,
    )


def payload_to_wire(
    payload: FramePayload,
    *,
    sequence: int = 0,
    captured_at: datetime | None = None,
    clock: Clock = Clock.WALL,
) -> frame_pb2.Frame:
    """The message for a picture of a camera's stream."""
    frame = frame_pb2.Frame(
        camera_id=payload.camera_id,
        sequence=sequence,
        captured_at=timestamp_to_wire(captured_at) if captured_at is not None else None,
        clock=CLOCKS[clock],
        format=FORMATS[payload.format],
        height=payload.height,
        width=payload.width,
        stride=payload.stride,
    )
    if isinstance(payload.pixels, FrameRef):
        ref = payload.pixels
        frame.ref.segment, frame.ref.slot, frame.ref.generation = ref.segment, ref.slot, ref.generation
    else:
        frame.inline_data = payload.pixels
    return frame


def error_to_wire(error: MeshError) -> detector_pb2.FrameError:
    """Why one message of a stream has no answer."""
    code = STATUS[error.kind].code.value[0]
    return detector_pb2.FrameError(code=code, reason=error.reason, message=error.message)
