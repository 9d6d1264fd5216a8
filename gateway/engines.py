"""Detector and OCR service as the engines of `vision.pipeline`: a picture is read here as `ovr read` reads
it.

The pipeline blocks and runs in a worker thread; its calls run on the gateway's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import cv2
import numpy as np

from ovr.alpr.v1 import detector_pb2, frame_pb2, ocr_pb2
from plates.event import Detection, ModelInfo, PlateRead
from vision.port import Image
from wire.event import detection_from_wire, model_from_wire, read_from_wire

T = TypeVar("T")
CALLER = "gateway"
CROPS_A_CALL = 64
MAX_RAW_BYTES = 32 * 2**20
UNKNOWN_MODEL = ModelInfo("", "", "", "")


class Calls:
    """Rpcs made from a worker thread; `cancel` ends those under way and refuses further ones."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: set[Future[Any]] = set()
        self._cancelled = False

    def wait(self, call: Coroutine[Any, Any, T]) -> T:
        """The answer. Raises MeshError, or CancelledError once cancelled."""
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        self._running.add(future)
        if self._cancelled:
            future.cancel()
        try:
            return future.result()
        finally:
            self._running.discard(future)

    def cancel(self) -> None:
        """End the rpcs under way, and each that would follow."""
        self._cancelled = True
        for future in tuple(self._running):
            future.cancel()


class RemoteDetector:
    """`vision.port.DetectorEngine` over the detector service, for one picture and the pipeline's views of it.

    The picture itself travels as the `file` it came as; views, which were made here, as rows or as JPEG.
    """

    def __init__(
        self, stub: Any, calls: Calls, picture: Image, file: frame_pb2.Frame, min_score: float
    ) -> None:
        self.model = UNKNOWN_MODEL
        self._stub = stub
        self._calls = calls
        self._picture = picture
        self._file = file
        self._min_score = min_score

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """The objects of each image, best first."""
        frames = [self._file if image is self._picture else inline(image) for image in images]
        answers = self._calls.wait(self._ask(frames))
        self.model = model_from_wire(answers[-1].model)
        return [tuple(detection_from_wire(item) for item in answer.detections) for answer in answers]

    async def _ask(self, frames: Sequence[frame_pb2.Frame]) -> list[detector_pb2.DetectResponse]:
        requests = [detector_pb2.DetectRequest(frame=frame, min_score=self._min_score) for frame in frames]
        answers: list[detector_pb2.DetectResponse] = await asyncio.gather(
            *(self._stub.Detect(request) for request in requests)
        )
        return answers


class RemoteReader:
    """`vision.port.ReaderEngine` over the OCR service."""

    def __init__(self, stub: Any, calls: Calls, expected_regions: Sequence[str]) -> None:
        self.model = UNKNOWN_MODEL
        self._stub = stub
        self._calls = calls
        self._regions = tuple(expected_regions)

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """What each crop says, in order."""
        reads: list[PlateRead] = []
        for start in range(0, len(crops), CROPS_A_CALL):
            frames = [inline(crop) for crop in crops[start : start + CROPS_A_CALL]]
            request = ocr_pb2.ReadRequest(crops=frames, expected_regions=self._regions)
            answer = self._calls.wait(self._stub.Read(request))
            self.model = model_from_wire(answer.model)
            reads += [read_from_wire(read) for read in answer.reads]
        return reads


def inline(image: Image) -> frame_pb2.Frame:
    """Pixels as an inline frame: raw rows, or a fine JPEG where those would be too long for a message."""
    height, width = image.shape[:2]
    if image.nbytes > MAX_RAW_BYTES:
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        return frame_pb2.Frame(camera_id=CALLER, format=frame_pb2.PIXEL_FORMAT_JPEG, inline_data=data)
    return frame_pb2.Frame(
        camera_id=CALLER,
        format=frame_pb2.PIXEL_FORMAT_BGR24,
        height=height,
        width=width,
        inline_data=np.ascontiguousarray(image).tobytes(),
    )
