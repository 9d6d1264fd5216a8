"""The detector and the reader over gRPC. Frames travel by shared memory where the peer is on this host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.frame import Frame, Pixels
from edge.ports import Detected, Reads
from mesh import names
from mesh.client import MeshChannel
from mesh.errors import Kind, MeshError
from mesh.frames import FrameRing
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import detector_pb2, detector_pb2_grpc, frame_pb2, ocr_pb2, ocr_pb2_grpc
from wire.event import CLOCKS, detection_from_wire, model_from_wire, read_from_wire, timestamp_to_wire

_HERE = ("unix:", "127.0.0.1:", "localhost:", "[::1]:")


def same_host(target: str) -> bool:
    """Whether a peer can see this host's shared memory, by its address."""
    return target.startswith(_HERE)


def _message(frame: Frame, pixels: Pixels) -> frame_pb2.Frame:
    return frame_pb2.Frame(
        camera_id=frame.camera_id,
        sequence=frame.sequence,
        captured_at=timestamp_to_wire(frame.captured_at),
        clock=CLOCKS[frame.clock],
        format=frame_pb2.PIXEL_FORMAT_BGR24,
        height=pixels.shape[0],
        width=pixels.shape[1],
    )


class GrpcDetector:
    """DetectorService. Has a ring of shared-memory slots for each camera, made at its first frame.

    `min_score` is the least score of interest, 0 the service's own; `timeout` in seconds.
    """

    def __init__(
        self,
        channel: MeshChannel,
        telemetry: Telemetry,
        *,
        slots: int,
        shared_memory: bool,
        timeout: float,
        min_score: float = 0.0,
    ) -> None:
        self._stub = detector_pb2_grpc.DetectorServiceStub(channel)
        self._fallbacks = telemetry.counter(names.FRAME_RING_FALLBACKS)
        self._slots = slots
        self._shared = shared_memory and same_host(channel.target)
        self._timeout = timeout
        self._min_score = min_score
        self._rings: dict[str, FrameRing] = {}

    async def detect(self, frame: Frame) -> Detected:
        """The objects of a frame. Raises MeshError."""
        response = await self._by_memory(frame) if self._shared else None
        if response is None:
            response = await self._inline(frame)
        return Detected(
            tuple(detection_from_wire(d) for d in response.detections), model_from_wire(response.model)
        )

    async def _by_memory(self, frame: Frame) -> detector_pb2.DetectResponse | None:
        """The answer, or None if the frame has to go inline."""
        ring = self._ring(frame)
        lease = ring.put(frame.pixels) if ring is not None else None
        if lease is None:
            self._fallbacks.labels("no_slot").inc()
            return None
        with lease:
            message = _message(frame, frame.pixels)
            ref = lease.ref
            message.ref.CopyFrom(
                frame_pb2.FrameRef(segment=ref.segment, slot=ref.slot, generation=ref.generation)
            )
            try:
                return await self._ask(message)
            except MeshError as error:
                if error.kind is not Kind.STALE:
                    raise
                # a peer that has not this memory (another container) will not have it next time either
                self._shared = error.reason != "FRAME_REF_UNKNOWN"
                self._fallbacks.labels(error.reason.lower()).inc()
                return None

    async def _inline(self, frame: Frame) -> detector_pb2.DetectResponse:
        message = _message(frame, frame.pixels)
        message.inline_data = np.ascontiguousarray(frame.pixels).tobytes()
        return await self._ask(message)

    async def _ask(self, message: frame_pb2.Frame) -> detector_pb2.DetectResponse:
        request = detector_pb2.DetectRequest(frame=message, min_score=self._min_score)
        return await self._stub.Detect(request, timeout=self._timeout)

    def _ring(self, frame: Frame) -> FrameRing | None:
        ring = self._rings.get(frame.camera_id)
        if ring is None or ring.slot_bytes < frame.pixels.nbytes:
            if ring is not None:
                ring.close()
            try:
                ring = FrameRing(self._slots, frame.pixels.nbytes)
            except MeshError:
                self._shared = False
                return None
            self._rings[frame.camera_id] = ring
        return ring

    def close(self) -> None:
        """Removes the shared memory."""
        for ring in self._rings.values():
            ring.close()
        self._rings.clear()


class GrpcReader:
    """OcrService."""

    def __init__(self, channel: MeshChannel, *, timeout: float) -> None:
        self._stub = ocr_pb2_grpc.OcrServiceStub(channel)
        self._timeout = timeout

    async def read(self, frame: Frame, crops: Sequence[Pixels], expected_regions: Sequence[str]) -> Reads:
        """What the crops say. Raises MeshError."""
        request = ocr_pb2.ReadRequest(expected_regions=expected_regions)
        for crop in crops:
            message = _message(frame, crop)
            message.inline_data = np.ascontiguousarray(crop).tobytes()
            request.crops.append(message)
        response = await self._stub.Read(request, timeout=self._timeout)
        return Reads(tuple(read_from_wire(r) for r in response.reads), model_from_wire(response.model))
