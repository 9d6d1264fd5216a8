"""Composition root of the detector service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial

import numpy as np

from mesh.frames import FrameReader
from mesh.process import Process
from mesh.server import MeshServer, Service
from mesh.settings import ConfigError
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import detector_pb2_grpc
from plates.event import Detection
from services.detector.core import Batching, Detector
from services.detector.servicer import FULL_NAME, UNCHECKED, DetectorServicer
from services.detector.settings import DetectorConfig, DetectorSettings
from storage.shadow import ShadowStore
from vision import detector as yolo
from vision.frames import FrameOpener
from vision.handle import Handle
from vision.models import ModelChoice, open_detector
from vision.port import BatchingDetector, Image
from vision.registry.follow import Named, candidate_for, engine_for, show
from vision.shadow import Shadow, detections_differ


def load_engine(config: DetectorConfig) -> BatchingDetector:
    """The configured model on its engine, tried once; ConfigError if it cannot be used."""
    choice = ModelChoice(config.model, config.engine, config.threads, config.streams, config.manifest)
    settings = yolo.DetectorSettings(
        size=config.size,
        max_size=config.max_size,
        scales=config.scales,
        sure=config.sure,
        min_score=config.min_score,
        max_iou=config.max_iou,
    )
    try:
        engine = open_detector(choice, settings)
        engine.detect([np.zeros((64, 128, 3), np.uint8)])
    except Exception as error:  # engines have errors of their own for a strange model
        raise ConfigError(f"{config.model or 'the model'}: {error}") from error
    return engine


@asynccontextmanager
async def serve(
    settings: DetectorSettings, telemetry: Telemetry, engine: BatchingDetector | None = None
) -> AsyncIterator[MeshServer]:
    """The running service; `engine` takes the place of the configured one."""
    config = settings.tuning()
    async with AsyncExitStack() as stack:
        if engine is not None:
            handle = Handle(engine)
            show(telemetry, engine.model, engine.model)
        else:
            load = partial(load_named, config)
            handle = await stack.enter_async_context(engine_for(config.model, settings, load, telemetry))
        shadow = await stack.enter_async_context(_shadow(settings, config, telemetry))
        frames = FrameReader()
        stack.callback(frames.close)
        batching = Batching(config.max_batch, config.max_wait_ms / 1e3, config.max_queue, config.streams)
        detector = Detector(handle, FrameOpener(frames, config.max_pixels), batching, telemetry, shadow)
        stack.push_async_callback(detector.close)
        servicer = DetectorServicer(detector, config.stream_window)
        add = detector_pb2_grpc.add_DetectorServiceServicer_to_server
        server = MeshServer(
            settings,
            settings.service,
            services=[Service(add, servicer, FULL_NAME, UNCHECKED)],
            readiness={"model": detector.check},
            telemetry=telemetry,
        )
        yield await stack.enter_async_context(server)


def load_named(config: DetectorConfig, parts: tuple[Named, ...]) -> BatchingDetector:
    """As `load_engine`, of a named model."""
    if len(parts) != 1:
        raise ConfigError("a detector is one model, without a plus")
    (only,) = parts
    update = {"model": only.name, "manifest": only.manifest or config.manifest}
    return load_engine(config.model_copy(update=update))


@asynccontextmanager
async def _shadow(
    settings: DetectorSettings, config: DetectorConfig, telemetry: Telemetry
) -> AsyncIterator[Shadow[tuple[Detection, ...]] | None]:
    if not config.shadow.model:
        yield None
        return
    slight = config.model_copy(update={"threads": 1, "streams": 1})
    load = partial(load_named, slight)
    async with candidate_for(config.shadow.model, settings, load, telemetry) as candidate:

        def ask(engine: BatchingDetector, image: Image) -> tuple[Detection, ...]:
            return engine.detect([image])[0]

        with closing(ShadowStore(settings.home, settings.service, config.shadow.keep)) as store:
            shadow = Shadow(
                lambda: candidate.current, ask, detections_differ, store, config.shadow, telemetry
            )
            with closing(shadow):
                yield shadow


async def main(settings: DetectorSettings, process: Process) -> int:
    """Serve until told to stop."""
    async with serve(settings, process.telemetry):
        await process.stop.wait()
    return 0
