"""Finding vehicles and plates in the frames of many cameras, together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from mesh import names
from mesh.batching import Batcher
from mesh.errors import MeshError
from mesh.payload import FramePayload
from mesh.pool import BoundedPool
from mesh.telemetry import Telemetry
from plates.event import Detection, ModelInfo
from vision.frames import FrameOpener
from vision.handle import Handle
from vision.port import BatchingDetector, Image, Prepared
from vision.shadow import SURE, Shadow


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found in a frame, by which model, and how long that took, milliseconds."""

    detections: tuple[Detection, ...]
    model: ModelInfo
    inference_ms: float
    queue_ms: float


@dataclass(frozen=True, slots=True)
class Batching:
    """Frames of one batch, seconds a frame waits for others, frames that may wait, batches at once."""

    max_batch: int = 8
    max_wait: float = 0.003
    max_queue: int = 64
    streams: int = 1


@dataclass(frozen=True, slots=True)
class _Ready:
    """A frame made ready by an engine, which runs it too, whatever serves by then; `copy` is for a shadow."""

    engine: BatchingDetector
    prepared: Prepared
    copy: Image | None


@dataclass(frozen=True, slots=True)
class _Answer:
    detections: tuple[Detection, ...]
    model: ModelInfo
    started: float
    seconds: float


class Detector:
    """Frames are opened and letterboxed one by one, in threads, and run through the network in batches.

    A `shadow` sees some of them too, after they are answered.
    """

    def __init__(
        self,
        engine: Handle[BatchingDetector],
        opener: FrameOpener,
        batching: Batching,
        telemetry: Telemetry,
        shadow: Shadow[tuple[Detection, ...]] | None = None,
    ) -> None:
        self._engine = engine
        self._shadow = shadow
        self._opener = opener
        self._telemetry = telemetry
        self._prepare_pool = BoundedPool(2, "detector-prepare", batching.max_queue, "frames")
        self._infer_pool = ThreadPoolExecutor(batching.streams, "detector-infer")
        self._batcher: Batcher[_Ready, _Answer] = Batcher(
            self._run,
            batching.max_batch,
            batching.max_wait,
            batching.max_queue,
            concurrency=batching.streams,
            name="detector",
            telemetry=telemetry,
        )
        self._frames = telemetry.counter(names.DETECTOR_FRAMES)
        self._found = telemetry.counter(names.DETECTOR_OBJECTS)
        self._seconds = telemetry.histogram(names.MODEL_SECONDS)

    async def detect(self, frame: FramePayload, min_score: float = 0.0) -> Detected:
        """The objects of a frame; `min_score` 0 means the engine's own.

        Raises MeshError: INVALID for what is no picture, STALE for a slot used anew, EXHAUSTED when too much
        waits.
        """
        try:
            self._batcher.admit(frame.camera_id)
            ready = await self._prepare(frame, min_score)
            queued = time.monotonic()
            answer = await self._batcher.submit(ready, frame.camera_id)
        except MeshError as error:
            self._frames.labels(frame.camera_id, error.reason).inc()
            raise
        self._frames.labels(frame.camera_id, "OK").inc()
        if self._shadow is not None and ready.copy is not None:
            self._shadow.offer(frame.camera_id, ready.copy, answer.model, answer.detections)
        for detection in answer.detections:
            self._found.labels(detection.object_class.value).inc()
        queue_ms = 1e3 * max(0.0, answer.started - queued)
        return Detected(answer.detections, answer.model, 1e3 * answer.seconds, queue_ms)

    async def _prepare(self, frame: FramePayload, min_score: float) -> _Ready:
        with self._telemetry.span(names.SPAN_OPEN_FRAME):
            return await self._prepare_pool.run(partial(self._open, frame, min_score))

    def _open(self, frame: FramePayload, min_score: float) -> _Ready:
        engine = self._engine.current
        shown = self._shadow is not None and min_score <= SURE and self._shadow.wants()
        with self._opener.open(frame) as image:
            copy = image.copy() if shown else None
            return _Ready(engine, engine.prepare(image, min_score=min_score), copy)

    async def _run(self, batch: list[_Ready]) -> Sequence[_Answer]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._infer_pool, self._infer, batch)

    def _infer(self, batch: list[_Ready]) -> list[_Answer]:
        answers: dict[int, _Answer] = {}
        for engine in {id(item.engine): item.engine for item in batch}.values():  # two, just after a swap
            mine = [index for index, item in enumerate(batch) if item.engine is engine]
            started = time.monotonic()
            found = engine.detect_prepared([batch[index].prepared for index in mine])
            seconds = time.monotonic() - started
            self._seconds.labels(engine.model.name, engine.model.engine).observe(seconds)
            for index, detections in zip(mine, found, strict=True):
                answers[index] = _Answer(detections, engine.model, started, seconds)
        return [answers[index] for index in range(len(batch))]

    async def check(self) -> None:
        """Returns once the engine's thread is free to work: the readiness of this service."""
        await asyncio.get_running_loop().run_in_executor(self._infer_pool, lambda: None)

    async def close(self) -> None:
        """Answer what runs, refuse the rest, end the threads."""
        await self._batcher.close()
        self._prepare_pool.shutdown()
        self._infer_pool.shutdown(wait=True)
