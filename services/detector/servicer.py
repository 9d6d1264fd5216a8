"""DetectorService: request to values, one call, values to response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from mesh.errors import Kind, MeshError
from mesh.ordered import in_order
from mesh.validation import check
from ovr.alpr.v1 import detector_pb2, detector_pb2_grpc
from services.detector.convert import request_from_wire, response_to_wire
from services.detector.core import Detector
from wire.frame import error_to_wire

FULL_NAME = detector_pb2.DESCRIPTOR.services_by_name["DetectorService"].full_name
UNCHECKED = ("DetectStream",)


class DetectorServicer(detector_pb2_grpc.DetectorServiceServicer):
    """Serves a `Detector`; at most `window` frames of one stream are worked on at once."""

    def __init__(self, detector: Detector, window: int) -> None:
        self._detector = detector
        self._window = window

    async def Detect(  # noqa: N802
        self, request: detector_pb2.DetectRequest, context: Any
    ) -> detector_pb2.DetectResponse:
        """The objects of one frame."""
        frame, min_score = request_from_wire(request)
        return response_to_wire(await self._detector.detect(frame, min_score))

    async def DetectStream(  # noqa: N802
        self, request_iterator: AsyncIterator[detector_pb2.DetectStreamRequest], context: Any
    ) -> AsyncIterator[detector_pb2.DetectStreamResponse]:
        """The objects of each frame in order; a frame that fails is answered with its error."""
        index = 0
        async with aclosing(in_order(request_iterator, self._answer, self._window)) as answers:
            async for answer in answers:
                answer.index = index
                index += 1
                yield answer

    async def _answer(self, request: detector_pb2.DetectStreamRequest) -> detector_pb2.DetectStreamResponse:
        try:
            check(request)
            return detector_pb2.DetectStreamResponse(response=await self.Detect(request.request, None))
        except MeshError as error:
            if error.kind is Kind.DEADLINE:  # it is the stream's: its status says so
                raise
            return detector_pb2.DetectStreamResponse(error=error_to_wire(error))
