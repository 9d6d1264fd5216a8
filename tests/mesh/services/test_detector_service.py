"""The detector service over real gRPC, on a tiny network."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import pytest
from prometheus_client import generate_latest

from mesh.client import connect
from mesh.errors import Kind, MeshError
from mesh.frames import FrameRing
from mesh.payload import FramePayload, PixelFormat
from mesh.telemetry import Telemetry
from mesh.testing import watch_loop
from ovr.alpr.v1 import detector_pb2, detector_pb2_grpc, frame_pb2
from plates.event import Detection
from services.detector.app import serve
from services.detector.settings import DetectorConfig, DetectorSettings
from tests.builders import vision
from vision.port import BatchingDetector, Image, Prepared
from wire.event import detection_from_wire
from wire.frame import payload_to_wire


class SlowDetector:
    """A detector that takes its time, or waits for its gate to open, and counts its batches."""

    def __init__(self, engine: BatchingDetector, seconds: float) -> None:
        self.engine, self.seconds = engine, seconds
        self.model = engine.model
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def prepare(self, image: Image, *, size: int = 0, min_score: float = 0.0) -> Prepared:
        """As the engine does."""
        return self.engine.prepare(image, size=size, min_score=min_score)

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """As the engine does."""
        return self.detect_prepared([self.prepare(image) for image in images])

    def detect_prepared(self, prepared: Sequence[Prepared]) -> list[tuple[Detection, ...]]:
        """As the engine does, later."""
        self.batches.append(len(prepared))
        self.gate.wait(30)
        time.sleep(self.seconds)
        return self.engine.detect_prepared(prepared)


@pytest.fixture
def engine(tmp_path: Path) -> SlowDetector:
    """A detector that is fast unless a test slows it down."""
    return SlowDetector(vision.detector(tmp_path), 0.0)


@pytest.fixture
async def stub(tmp_path: Path, engine: SlowDetector) -> AsyncIterator[Any]:
    """A client of the running service."""
    settings = DetectorSettings(home=tmp_path)
    running = serve(settings, Telemetry("detector"), engine)
    async with running as server, connect(server.address, peer="detector") as channel:
        yield detector_pb2_grpc.DetectorServiceStub(channel)


def request(image: Image, camera: str = "cam", min_score: float = 0.0) -> detector_pb2.DetectRequest:
    """A frame inline as raw rows."""
    height, width = image.shape[:2]
    payload = FramePayload(camera, PixelFormat.BGR24, image.tobytes(), height, width)
    return detector_pb2.DetectRequest(frame=payload_to_wire(payload), min_score=min_score)


BRIGHT = vision.picture((2, 1), scale=2)


async def test_a_frame_is_answered_with_its_objects_and_the_model(stub: Any) -> None:
    """Boxes are in pixels of the frame as sent; provenance and times come along."""
    answer = await stub.Detect(request(BRIGHT))
    (found,) = (detection_from_wire(item) for item in answer.detections)
    assert (found.box.x, found.box.y, found.box.width) == (128, 64, 64)
    assert (answer.model.name, answer.model.version, answer.model.engine) == ("tiny", "1", "openvino")
    assert len(answer.model.sha256) == 64
    assert answer.inference_ms > 0


async def test_shared_memory_and_jpeg_find_what_raw_rows_find(stub: Any) -> None:
    """However the frame travels, the same object is found."""
    expected = (await stub.Detect(request(BRIGHT))).detections
    jpeg = FramePayload("cam", PixelFormat.JPEG, cv2.imencode(".jpg", BRIGHT)[1].tobytes())
    with FrameRing(2, BRIGHT.nbytes) as ring:
        lease = ring.put(BRIGHT)
        assert lease is not None
        shared = FramePayload("cam", PixelFormat.BGR24, lease.ref, *BRIGHT.shape[:2])
        answer = await stub.Detect(detector_pb2.DetectRequest(frame=payload_to_wire(shared)))
        lease.release()
    assert answer.detections == expected
    answer = await stub.Detect(detector_pb2.DetectRequest(frame=payload_to_wire(jpeg)))
    assert [item.box for item in answer.detections] == [item.box for item in expected]


async def test_a_slot_used_anew_is_stale(stub: Any) -> None:
    """The caller is told to send the frame again, by reason."""
    with FrameRing(1, BRIGHT.nbytes) as ring:
        lease = ring.put(BRIGHT)
        assert lease is not None
        lease.release()
        ring.put(BRIGHT)
        old = payload_to_wire(FramePayload("cam", PixelFormat.BGR24, lease.ref, *BRIGHT.shape[:2]))
        with pytest.raises(MeshError) as raised:
            await stub.Detect(detector_pb2.DetectRequest(frame=old))
    assert (raised.value.kind, raised.value.reason) == (Kind.STALE, "FRAME_REF_STALE")


async def test_the_least_score_can_be_raised_and_lowered(stub: Any) -> None:
    """A request's own threshold takes the place of the service's."""
    dim = request(vision.picture((0, 0), light=60))
    assert not (await stub.Detect(dim)).detections
    dim.min_score = 0.1
    assert len((await stub.Detect(dim)).detections) == 1
    bright = request(vision.picture((0, 0), light=200), min_score=0.9)
    assert not (await stub.Detect(bright)).detections


async def test_an_empty_request_is_invalid(stub: Any) -> None:
    """A request without a frame is refused by the contract's rule, naming the field."""
    with pytest.raises(MeshError) as raised:
        await stub.Detect(detector_pb2.DetectRequest())
    assert raised.value.kind is Kind.INVALID
    assert [violation.field for violation in raised.value.fields] == ["frame"]


async def test_no_picture_is_invalid(stub: Any) -> None:
    """Bytes that are no JPEG name their field."""
    bad = payload_to_wire(FramePayload("cam", PixelFormat.JPEG, b"nonsense"))
    with pytest.raises(MeshError) as raised:
        await stub.Detect(detector_pb2.DetectRequest(frame=bad))
    assert (raised.value.reason, raised.value.fields[0].field) == ("INVALID_PICTURE", "frame.inline_data")


async def test_a_late_call_ends_at_its_deadline_and_the_next_is_served(
    stub: Any, engine: SlowDetector
) -> None:
    """DEADLINE for the caller; the service goes on."""
    engine.seconds = 0.4
    with pytest.raises(MeshError) as raised:
        await stub.Detect(request(BRIGHT), timeout=0.1)
    assert raised.value.kind is Kind.DEADLINE
    engine.seconds = 0.0
    assert (await stub.Detect(request(BRIGHT))).detections


async def test_a_cancelled_call_leaves_the_others_their_answers(stub: Any, engine: SlowDetector) -> None:
    """Of several callers in one batch, one goes away; the rest are answered."""
    engine.gate.clear()
    calls = [asyncio.ensure_future(stub.Detect(request(BRIGHT, f"cam{i}"))) for i in range(4)]
    await asyncio.sleep(0.3)
    calls[1].cancel()
    engine.gate.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [len(answers[i].detections) for i in (0, 2, 3)] == [1, 1, 1]


async def test_cameras_share_batches_and_the_loop_stays_free(stub: Any, engine: SlowDetector) -> None:
    """Frames that come while a batch runs form the next one; the event loop is never held up."""
    engine.seconds = 0.05
    async with watch_loop(0.25):
        answers = await asyncio.gather(*(stub.Detect(request(BRIGHT, f"cam{i % 3}")) for i in range(12)))
    assert all(len(answer.detections) == 1 for answer in answers)
    assert sum(engine.batches) == 12
    assert max(engine.batches) > 2


async def messages(*frames: frame_pb2.Frame | None) -> AsyncIterator[detector_pb2.DetectStreamRequest]:
    """A stream's requests; None stands for an empty one."""
    for frame in frames:
        inner = detector_pb2.DetectRequest(frame=frame) if frame is not None else None
        yield detector_pb2.DetectStreamRequest(request=inner)


async def test_a_stream_answers_each_frame_in_order_and_goes_on_after_bad_ones(stub: Any) -> None:
    """Bad frames get their error with the code a unary call would have had."""
    bad = payload_to_wire(FramePayload("cam", PixelFormat.JPEG, b"nonsense"))
    good = request(BRIGHT).frame
    answers = [item async for item in stub.DetectStream(messages(good, bad, None, good))]
    assert [item.index for item in answers] == [0, 1, 2, 3]
    assert [item.WhichOneof("result") for item in answers] == ["response", "error", "error", "response"]
    assert [(item.error.code, item.error.reason) for item in answers[1:3]] == [
        (3, "INVALID_PICTURE"),
        (3, "INVALID_REQUEST"),
    ]


async def test_a_stream_without_frames_ends_without_answers(stub: Any) -> None:
    """Empty in, empty out."""
    assert [item async for item in stub.DetectStream(messages())] == []


async def test_a_cancelled_or_late_stream_ends_and_leaves_the_service_well(
    stub: Any, engine: SlowDetector
) -> None:
    """Cancelling a stream, or its deadline, ends it; the next call is served."""
    engine.seconds = 0.3

    async def endless() -> AsyncIterator[detector_pb2.DetectStreamRequest]:
        while True:
            yield detector_pb2.DetectStreamRequest(request=request(BRIGHT))
            await asyncio.sleep(60)  # a write that meets the deadline would end as gRPC's own INTERNAL

    stream = stub.DetectStream(endless())
    await stream.read()
    stream.cancel()
    with pytest.raises(MeshError) as raised:
        async for _ in stub.DetectStream(endless(), timeout=0.2):
            pass
    assert raised.value.kind is Kind.DEADLINE
    engine.seconds = 0.0
    assert (await stub.Detect(request(BRIGHT))).detections


async def test_what_happened_is_counted(tmp_path: Path, engine: SlowDetector) -> None:
    """Frames by camera and result, objects by class and the model in use are metrics."""
    telemetry = Telemetry("detector")
    running = serve(DetectorSettings(home=tmp_path), telemetry, engine)
    async with running as server, connect(server.address, peer="detector") as channel:
        client = detector_pb2_grpc.DetectorServiceStub(channel)
        await client.Detect(request(BRIGHT))
        bad = payload_to_wire(FramePayload("cam", PixelFormat.PNG, b"nonsense"))
        with pytest.raises(MeshError):
            await client.Detect(detector_pb2.DetectRequest(frame=bad))
    page = generate_latest(telemetry.registry).decode()
    assert 'ovr_detector_frames_total{camera="cam",result="OK"} 1.0' in page
    assert 'ovr_detector_frames_total{camera="cam",result="INVALID_PICTURE"} 1.0' in page
    assert 'ovr_detector_objects_total{object_class="plate"} 1.0' in page
    assert 'ovr_model_info{engine="openvino",model="tiny",version="1"} 1.0' in page


def test_a_wrong_config_file_is_named_with_its_line(tmp_path: Path) -> None:
    """An unknown key of detector.yaml is told with file and line before anything starts."""
    path = tmp_path / "detector.yaml"
    path.write_text("engine: openvino\nmax_wait: 3\n")
    with pytest.raises(ValueError, match=r"detector\.yaml:2: max_wait"):
        DetectorSettings(home=tmp_path, config=path)


@pytest.mark.parametrize("scales", [(0.5, 1.0), (1.0, 0.0), (-1.0,)])
def test_looks_that_cannot_be_made_of_the_first_are_refused(scales: tuple[float, ...]) -> None:
    """Every look is made of the first, which is the largest."""
    with pytest.raises(ValueError, match="the first look must be the largest"):
        DetectorConfig(scales=scales)


def test_the_shipped_config_holds_the_defaults() -> None:
    """config/detector.yaml says what the code would do without it, so that it documents the defaults."""
    assert DetectorSettings().tuning() == DetectorConfig()
