"""OcrService: request to values, one call, values to response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from mesh.errors import Kind, MeshError
from mesh.ordered import in_order
from mesh.validation import check
from ovr.alpr.v1 import ocr_pb2, ocr_pb2_grpc
from services.ocr.convert import request_from_wire, response_to_wire
from services.ocr.core import Reader
from wire.frame import error_to_wire

FULL_NAME = ocr_pb2.DESCRIPTOR.services_by_name["OcrService"].full_name
UNCHECKED = ("ReadStream",)


class OcrServicer(ocr_pb2_grpc.OcrServiceServicer):
    """Serves a `Reader`; at most `window` requests of one stream are worked on at once."""

    def __init__(self, reader: Reader, window: int) -> None:
        self._reader = reader
        self._window = window

    async def Read(self, request: ocr_pb2.ReadRequest, context: Any) -> ocr_pb2.ReadResponse:  # noqa: N802
        """What the crops of one request say."""
        return response_to_wire(await self._reader.read(request_from_wire(request)))

    async def ReadStream(  # noqa: N802
        self, request_iterator: AsyncIterator[ocr_pb2.ReadStreamRequest], context: Any
    ) -> AsyncIterator[ocr_pb2.ReadStreamResponse]:
        """The answer to each request in order; one that fails is answered with its error."""
        index = 0
        async with aclosing(in_order(request_iterator, self._answer, self._window)) as answers:
            async for answer in answers:
                answer.index = index
                index += 1
                yield answer

    async def _answer(self, request: ocr_pb2.ReadStreamRequest) -> ocr_pb2.ReadStreamResponse:
        try:
            check(request)
            return ocr_pb2.ReadStreamResponse(response=await self.Read(request.request, None))
        except MeshError as error:
            if error.kind is Kind.DEADLINE:  # it is the stream's: its status says so
                raise
            return ocr_pb2.ReadStreamResponse(error=error_to_wire(error))
