"""Composition root of the detector service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from mesh import names
from mesh.frames import FrameReader
from mesh.process import Process
from mesh.server import MeshServer, Service
from mesh.settings import ConfigError
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import detector_pb2_grpc
from services.detector.core import Batching, Detector
from services.detector.servicer import FULL_NAME, UNCHECKED, DetectorServicer
from services.detector.settings import DetectorConfig, DetectorSettings
from vision import detector as yolo
from vision.frames import FrameOpener
from vision.handle import Handle
from vision.models import ModelChoice, open_detector
from vision.port import BatchingDetector, VisionError


def load_engine(config: DetectorConfig) -> BatchingDetector:
    """The configured model on its engine, tried once; ConfigError if it cannot be used."""
    choice = ModelChoice(config.model, config.engine, config.threads, config.streams, config.manifest)
    settings = yolo.DetectorSettings(
        config.size, config.max_size, config.scales, config.min_score, config.max_iou
    )
    try:
        engine = open_detector(choice, settings)
        engine.detect([np.zeros((72, 128, 3), np.uint8)])
    except VisionError as error:
        raise ConfigError(str(error)) from error
    return engine


@asynccontextmanager
async def serve(
    settings: DetectorSettings, telemetry: Telemetry, engine: BatchingDetector | None = None
) -> AsyncIterator[MeshServer]:
    """The running service; `engine` takes the place of the configured one."""
    config = settings.tuning()
    if engine is None:
        engine = await asyncio.get_running_loop().run_in_executor(None, load_engine, config)
    handle = Handle(engine)
    model = handle.current.model
    telemetry.gauge(names.MODEL_INFO).labels(model.name, model.version, model.engine).set(1)
    frames = FrameReader()
    batching = Batching(config.max_batch, config.max_wait_ms / 1e3, config.max_queue, config.streams)
    detector = Detector(handle, FrameOpener(frames, config.max_pixels), batching, telemetry)
    servicer = DetectorServicer(detector, config.stream_window)
    service = Service(detector_pb2_grpc.add_DetectorServiceServicer_to_server, servicer, FULL_NAME, UNCHECKED)
    server = MeshServer(
        settings,
        settings.service,
        services=[service],
        readiness={"model": detector.check},
        telemetry=telemetry,
    )
    try:
        async with server:
            yield server
    finally:
        await detector.close()
        frames.close()


async def main(settings: DetectorSettings, process: Process) -> int:
    """Serve until told to stop."""
    async with serve(settings, process.telemetry):
        await process.stop.wait()
    return 0
