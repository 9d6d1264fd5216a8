"""Composition root of the OCR service."""

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
from ovr.alpr.v1 import ocr_pb2_grpc
from plates.event import PlateRead
from services.ocr.core import Batching, Reader
from services.ocr.servicer import FULL_NAME, UNCHECKED, OcrServicer
from services.ocr.settings import OcrConfig, OcrSettings
from storage.shadow import ShadowStore
from vision.frames import FrameOpener
from vision.handle import Handle
from vision.models import ModelChoice, open_reader, pair
from vision.paddle import PaddleReader
from vision.port import Image, ReaderEngine
from vision.registry.follow import Named, candidate_for, engine_for, show
from vision.shadow import Shadow, reads_differ


def load_engine(config: OcrConfig) -> ReaderEngine:
    """The configured reader on its engine, tried once; ConfigError if it cannot be used."""
    try:
        engine = _open(config)
        engine.read([np.zeros((24, 96, 3), np.uint8)])
    except Exception as error:  # engines have errors of their own for a strange model
        raise ConfigError(f"{config.model or 'the model'}: {error}") from error
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
        reader = Reader(handle, FrameOpener(frames, config.max_pixels), batching, telemetry, shadow)
        stack.push_async_callback(reader.close)
        servicer = OcrServicer(reader, config.stream_window)
        service = Service(ocr_pb2_grpc.add_OcrServiceServicer_to_server, servicer, FULL_NAME, UNCHECKED)
        server = MeshServer(
            settings,
            settings.service,
            services=[service],
            readiness={"model": reader.check},
            telemetry=telemetry,
        )
        yield await stack.enter_async_context(server)


def load_named(config: OcrConfig, parts: tuple[Named, ...]) -> ReaderEngine:
    """As `load_engine`, of a named reader, or of two as an ensemble."""
    engines = [
        load_engine(config.model_copy(update={"model": p.name, "manifest": p.manifest or config.manifest}))
        for p in parts
    ]
    if len(engines) > 2:
        raise ConfigError("at most two readers, with a plus between")
    return engines[0] if len(engines) == 1 else pair(engines[0], engines[1])


@asynccontextmanager
async def _shadow(
    settings: OcrSettings, config: OcrConfig, telemetry: Telemetry
) -> AsyncIterator[Shadow[PlateRead] | None]:
    if not config.shadow.model:
        yield None
        return
    engine = "openvino" if config.engine == "paddle" else config.engine  # which takes no model's name
    slight = config.model_copy(update={"threads": 1, "streams": 1, "engine": engine})
    load = partial(load_named, slight)
    async with candidate_for(config.shadow.model, settings, load, telemetry) as candidate:

        def ask(engine: ReaderEngine, crop: Image) -> PlateRead:
            return engine.read([crop])[0]

        with closing(ShadowStore(settings.home, settings.service, config.shadow.keep)) as store:
            shadow = Shadow(lambda: candidate.current, ask, reads_differ, store, config.shadow, telemetry)
            with closing(shadow):
                yield shadow


async def main(settings: OcrSettings, process: Process) -> int:
    """Serve until told to stop."""
    async with serve(settings, process.telemetry):
        await process.stop.wait()
    return 0
