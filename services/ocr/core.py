"""Reading the plates of many cameras, together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from mesh import names
from mesh.batching import Batcher
from mesh.errors import MeshError
from mesh.payload import FramePayload
from mesh.pool import BoundedPool
from mesh.telemetry import Telemetry
from plates.event import ModelInfo, PlateRead
from vision.frames import FrameOpener
from vision.handle import Handle
from vision.port import Image, ReaderEngine
from vision.shadow import Shadow


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """What the crops of one request say, by which model, and how long that took, milliseconds."""

    reads: tuple[PlateRead, ...]
    model: ModelInfo
    inference_ms: float
    queue_ms: float


@dataclass(frozen=True, slots=True)
class Batching:
    """Crops of one batch, seconds a crop waits for others, crops that may wait, batches at once."""

    max_batch: int = 16
    max_wait: float = 0.002
    max_queue: int = 256
    streams: int = 1


@dataclass(frozen=True, slots=True)
class _Answer:
    read: PlateRead
    model: ModelInfo
    started: float
    seconds: float


class Reader:
    """Crops are opened in a thread and run through the reader in batches, whoever sent them.

    A `shadow` sees some of them too, after they are answered.
    """

    def __init__(
        self,
        engine: Handle[ReaderEngine],
        opener: FrameOpener,
        batching: Batching,
        telemetry: Telemetry,
        shadow: Shadow[PlateRead] | None = None,
    ) -> None:
        self._engine = engine
        self._shadow = shadow
        self._opener = opener
        self._telemetry = telemetry
        self._open_pool = BoundedPool(2, "ocr-open", batching.max_queue, "crops")
        self._read_pool = ThreadPoolExecutor(batching.streams, "ocr-read")
        self._batcher: Batcher[Image, _Answer] = Batcher(
            self._run,
            batching.max_batch,
            batching.max_wait,
            batching.max_queue,
            concurrency=batching.streams,
            name="ocr",
            telemetry=telemetry,
        )
        self._crops = telemetry.counter(names.OCR_CROPS)
        self._seconds = telemetry.histogram(names.MODEL_SECONDS)

    async def read(self, crops: Sequence[FramePayload]) -> ReadBatch:
        """What each crop says, in their order; at least one crop.

        Raises MeshError for the whole request: INVALID naming the crop that is no picture, STALE for a slot
        used anew, EXHAUSTED when too much waits.
        """
        camera = crops[0].camera_id
        try:
            self._batcher.admit(camera)
            images = await self._open(crops)
            queued = time.monotonic()
            answers = await _together([self._batcher.submit(image, camera) for image in images])
        except MeshError as error:
            self._crops.labels(camera, error.reason).inc(len(crops))
            raise
        if self._shadow is not None:
            for image, answer in zip(images, answers, strict=True):
                if self._shadow.wants():
                    self._shadow.offer(camera, image, answer.model, answer.read)
        for answer in answers:
            self._crops.labels(camera, "READ" if answer.read.text else "ILLEGIBLE").inc()
        queue_ms = 1e3 * max(0.0, max(answer.started for answer in answers) - queued)
        inference_ms = 1e3 * max(answer.seconds for answer in answers)
        reads = tuple(answer.read for answer in answers)
        return ReadBatch(reads, answers[-1].model, inference_ms, queue_ms)

    async def _open(self, crops: Sequence[FramePayload]) -> list[Image]:
        with self._telemetry.span(names.SPAN_OPEN_FRAME):
            return await self._open_pool.run(partial(self._copies, crops), len(crops))

    def _copies(self, crops: Sequence[FramePayload]) -> list[Image]:
        images = []
        for index, crop in enumerate(crops):
            with self._opener.open(crop, f"crops[{index}]") as image:
                images.append(image.copy())
        return images

    async def _run(self, batch: list[Image]) -> Sequence[_Answer]:
        return await asyncio.get_running_loop().run_in_executor(self._read_pool, self._read, batch)

    def _read(self, batch: list[Image]) -> list[_Answer]:
        engine = self._engine.current
        started = time.monotonic()
        reads = engine.read(batch)
        seconds = time.monotonic() - started
        self._seconds.labels(engine.model.name, engine.model.engine).observe(seconds)
        return [_Answer(read, engine.model, started, seconds) for read in reads]

    async def check(self) -> None:
        """Returns once the reader's thread is free to work: the readiness of this service."""
        await asyncio.get_running_loop().run_in_executor(self._read_pool, lambda: None)

    async def close(self) -> None:
        """Answer what runs, refuse the rest, end the threads."""
        await self._batcher.close()
        self._open_pool.shutdown()
        self._read_pool.shutdown(wait=True)


async def _together(submitted: Sequence[Coroutine[Any, Any, _Answer]]) -> list[_Answer]:
    """All results, or the first error; then the others are given up."""
    tasks = [asyncio.ensure_future(item) for item in submitted]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
