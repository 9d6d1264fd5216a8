"""Composition root of the OCR service."""

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
from ovr.alpr.v1 import ocr_pb2_grpc
from services.ocr.core import Batching, Reader
from services.ocr.servicer import FULL_NAME, UNCHECKED, OcrServicer
from services.ocr.settings import OcrConfig, OcrSettings
from vision.frames import FrameOpener
from vision.handle import Handle
from vision.models import ModelChoice, open_reader
from vision.paddle import PaddleReader
from vision.port import ReaderEngine, VisionError


def load_engine(config: OcrConfig) -> ReaderEngine:
    """The configured reader on its engine, tried once; ConfigError if it cannot be used."""
    try:
        engine = _open(config)
        engine.read([np.zeros((24, 96, 3), np.uint8)])
    except VisionError as error:
        raise ConfigError(str(error)) from error
    return engine


def _open(config: OcrConfig) -> ReaderEngine:
    if config.engine == "paddle":
        return PaddleReader(config.paddle.model_name, config.paddle.model_dir, device=config.paddle.device)
    return open_reader(
        ModelChoice(config.model, config.engine, config.threads, config.streams, config.manifest)
    )


@asynccontextmanager
async def serve(
    settings: OcrSettings, telemetry: Telemetry, engine: ReaderEngine | None = None
) -> AsyncIterator[MeshServer]:
    """The running service; `engine` takes the place of the configured one."""
    config = settings.tuning()
    if engine is None:
        engine = await asyncio.get_running_loop().run_in_executor(None, load_engine, config)
    handle = Handle(engine)
    model = engine.model
    telemetry.gauge(names.MODEL_INFO).labels(model.name, model.version, model.engine).set(1)
    frames = FrameReader()
    batching = Batching(config.max_batch, config.max_wait_ms / 1e3, config.max_queue, config.streams)
    reader = Reader(handle, FrameOpener(frames, config.max_pixels), batching, telemetry)
    servicer = OcrServicer(reader, config.stream_window)
    service = Service(ocr_pb2_grpc.add_OcrServiceServicer_to_server, servicer, FULL_NAME, UNCHECKED)
    server = MeshServer(
        settings, settings.service, services=[service], readiness={"model": reader.check}, telemetry=telemetry
    )
    try:
        async with server:
            yield server
    finally:
        await reader.close()
        frames.close()


async def main(settings: OcrSettings, process: Process) -> int:
    """Serve until told to stop."""
    async with serve(settings, process.telemetry):
        await process.stop.wait()
    return 0
