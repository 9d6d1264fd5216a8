"""The OCR service over real gRPC, on a tiny network."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from prometheus_client import generate_latest

from mesh.client import connect
from mesh.errors import Kind, MeshError
from mesh.payload import FramePayload, PixelFormat
from mesh.settings import ConfigError
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import frame_pb2, ocr_pb2, ocr_pb2_grpc
from plates.event import PlateRead
from services.ocr.app import load_engine, serve
from services.ocr.settings import OcrConfig, OcrSettings
from tests.builders import vision
from vision.port import Image, ReaderEngine
from wire.frame import payload_to_wire


class SlowReader:
    """A reader that takes its time, or waits for its gate to open, and counts its batches."""

    def __init__(self, engine: ReaderEngine, seconds: float) -> None:
        self.engine, self.seconds = engine, seconds
        self.model = engine.model
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def read(self, crops: Sequence[Image]) -> list[PlateRead]:
        """As the engine does, later."""
        self.batches.append(len(crops))
        self.gate.wait(30)
        time.sleep(self.seconds)
        return self.engine.read(crops)


@pytest.fixture
def engine(tmp_path: Path) -> SlowReader:
    """A reader that is fast unless a test slows it down."""
    return SlowReader(vision.reader(tmp_path), 0.0)


@pytest.fixture
async def stub(tmp_path: Path, engine: SlowReader) -> AsyncIterator[Any]:
    """A client of the running service."""
    running = serve(OcrSettings(home=tmp_path), Telemetry("ocr"), engine)
    async with running as server, connect(server.address, peer="ocr") as channel:
        yield ocr_pb2_grpc.OcrServiceStub(channel)


def crop(light: int = 200, camera: str = "cam") -> frame_pb2.Frame:
    """A crop inline as raw rows."""
    image = np.full((20, 60, 3), light, np.uint8)
    return payload_to_wire(FramePayload(camera, PixelFormat.BGR24, image.tobytes(), 20, 60))


BAD = payload_to_wire(FramePayload("cam", PixelFormat.JPEG, b"nonsense"))


async def test_each_crop_is_read_in_order_with_the_model(stub: Any) -> None:
    """Texts, posteriors and confidences come in the order of the crops, whatever their format."""
    jpeg = cv2.imencode(".jpg", np.full((20, 60, 3), 100, np.uint8))[1].tobytes()
    crops = [crop(50), payload_to_wire(FramePayload("cam", PixelFormat.JPEG, jpeg)), crop(250)]
    answer = await stub.Read(ocr_pb2.ReadRequest(crops=crops))
    assert [read.text for read in answer.reads] == ["B123ABC"] * 3
    assert [round(read.confidence * 255, -1) for read in answer.reads] == [50, 100, 250]
    assert answer.reads[0].posterior[0].alternatives[0].char == "B"
    assert (answer.reads[0].region, answer.reads[0].lines) == ("ro", 1)
    assert (answer.model.name, answer.model.engine) == ("tiny-reader", "openvino")


async def test_an_empty_request_is_invalid(stub: Any) -> None:
    """At least one crop is a rule of the contract."""
    with pytest.raises(MeshError) as raised:
        await stub.Read(ocr_pb2.ReadRequest())
    assert raised.value.kind is Kind.INVALID
    assert raised.value.fields[0].field == "crops"


async def test_a_crop_that_is_no_picture_is_named(stub: Any) -> None:
    """The field says which crop it was."""
    with pytest.raises(MeshError) as raised:
        await stub.Read(ocr_pb2.ReadRequest(crops=[crop(), BAD]))
    assert (raised.value.reason, raised.value.fields[0].field) == ("INVALID_PICTURE", "crops[1].inline_data")


async def test_a_late_call_ends_at_its_deadline_and_the_next_is_served(stub: Any, engine: SlowReader) -> None:
    """DEADLINE for the caller; the service goes on."""
    engine.seconds = 0.4
    with pytest.raises(MeshError) as raised:
        await stub.Read(ocr_pb2.ReadRequest(crops=[crop()]), timeout=0.1)
    assert raised.value.kind is Kind.DEADLINE
    engine.seconds = 0.0
    assert (await stub.Read(ocr_pb2.ReadRequest(crops=[crop()]))).reads


async def test_a_cancelled_call_leaves_the_others_their_answers(stub: Any, engine: SlowReader) -> None:
    """Callers share batches; one that goes away takes no other with it."""
    engine.gate.clear()
    calls = [
        asyncio.ensure_future(stub.Read(ocr_pb2.ReadRequest(crops=[crop(camera=f"cam{i}")] * 2)))
        for i in range(5)
    ]
    await asyncio.sleep(0.5)
    calls[3].cancel()
    engine.gate.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers[3], asyncio.CancelledError)
    assert [len(answers[i].reads) for i in (0, 1, 2, 4)] == [2, 2, 2, 2]
    assert max(engine.batches) > 2


async def messages(*crops: Sequence[frame_pb2.Frame]) -> AsyncIterator[ocr_pb2.ReadStreamRequest]:
    """A stream's requests."""
    for one in crops:
        yield ocr_pb2.ReadStreamRequest(request=ocr_pb2.ReadRequest(crops=one))


async def test_a_stream_answers_each_request_in_order_and_goes_on_after_bad_ones(stub: Any) -> None:
    """A request that fails is answered with its error."""
    answers = [item async for item in stub.ReadStream(messages([crop()], [crop(), BAD], [], [crop()] * 3))]
    assert [item.index for item in answers] == [0, 1, 2, 3]
    assert [item.WhichOneof("result") for item in answers] == ["response", "error", "error", "response"]
    assert [item.error.reason for item in answers[1:3]] == ["INVALID_PICTURE", "INVALID_REQUEST"]
    assert len(answers[3].response.reads) == 3


async def test_a_stream_empty_cancelled_or_late_leaves_the_service_well(
    stub: Any, engine: SlowReader
) -> None:
    """None of the three keeps the next call from being served."""
    assert [item async for item in stub.ReadStream(messages())] == []
    engine.seconds = 0.3
    stream = stub.ReadStream(messages([crop()], [crop()]))
    stream.cancel()
    with pytest.raises(MeshError) as raised:
        async for _ in stub.ReadStream(messages([crop()], [crop()]), timeout=0.1):
            pass
    assert raised.value.kind is Kind.DEADLINE
    engine.seconds = 0.0
    assert (await stub.Read(ocr_pb2.ReadRequest(crops=[crop()]))).reads


async def test_what_happened_is_counted(tmp_path: Path, engine: SlowReader) -> None:
    """Crops by camera and result are a metric."""
    telemetry = Telemetry("ocr")
    running = serve(OcrSettings(home=tmp_path), telemetry, engine)
    async with running as server, connect(server.address, peer="ocr") as channel:
        client = ocr_pb2_grpc.OcrServiceStub(channel)
        await client.Read(ocr_pb2.ReadRequest(crops=[crop(), crop()]))
        with pytest.raises(MeshError):
            await client.Read(ocr_pb2.ReadRequest(crops=[BAD]))
    page = generate_latest(telemetry.registry).decode()
    assert 'ovr_ocr_crops_total{camera="cam",result="READ"} 2.0' in page
    assert 'ovr_ocr_crops_total{camera="cam",result="INVALID_PICTURE"} 1.0' in page


def test_an_unknown_reader_is_a_config_error() -> None:
    """The process ends with a sentence that names the model, not with a traceback."""
    with pytest.raises(ConfigError, match="no reader called 'nobody'"):
        load_engine(OcrConfig(model="nobody"))


def test_the_shipped_config_holds_the_defaults() -> None:
    """config/ocr.yaml says what the code would do without it, so that it documents the defaults."""
    assert OcrSettings().tuning() == OcrConfig()
