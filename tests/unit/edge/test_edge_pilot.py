"""The edge process from its settings to its summary, among neighbours in memory, over real gRPC."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from edge_media import write_video
from edge_neighbours import HEIGHT, WIDTH, Truth
from edge_world import Car

from edge.__main__ import options_to_environment
from edge.frame import Frame
from edge.pilot import main
from edge.settings import EdgeSettings
from mesh import names
from mesh.errors import Kind, MeshError
from mesh.frames import FrameReader, FrameRef
from mesh.settings import ConfigError
from mesh.testing import Harness
from ovr.alpr.v1 import detector_pb2, ingest_pb2, ocr_pb2
from plates.event import Clock
from wire.event import detection_to_wire, model_to_wire, read_to_wire, timestamp_from_wire

A, B = "KX53RTL", "9846MWD"
CARS = (
    Car(A, 2, (0, 20), (440, 20), 20, size=(180, 120)),
    Car(B, 8, (0, 200), (440, 200), 20, size=(180, 120)),
)


@dataclass
class Services:
    """Detector, reader and ingest that know the truth. `memory` off: the detector sees no shared memory."""

    truth: Truth
    memory: bool = True
    frames: FrameReader = field(default_factory=FrameReader)
    inline: int = 0
    by_memory: int = 0
    stored: dict[str, ingest_pb2.PublishEvent] = field(default_factory=dict)
    reports: list[ingest_pb2.ReportStatusRequest] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, mesh: Harness, ingest: bool = True) -> None:
        """Serves all three in the harness."""
        await mesh.neighbour("detector", "ovr.alpr.v1.DetectorService", Detect=self.detect)
        await mesh.neighbour("ocr", "ovr.alpr.v1.OcrService", Read=self.read)
        if ingest:
            await mesh.neighbour(
                "ingest", "ovr.alpr.v1.IngestService", Publish=self.publish, ReportStatus=self.report
            )

    async def detect(self, request: detector_pb2.DetectRequest) -> detector_pb2.DetectResponse:
        """Finds what is there; looks at the pixels to see that they have arrived."""
        frame = self._frame(request)
        found = await self.truth.detect(frame)
        assert found.model is not None
        return detector_pb2.DetectResponse(
            detections=[detection_to_wire(d) for d in found.detections], model=model_to_wire(found.model)
        )

    def _frame(self, request: detector_pb2.DetectRequest) -> Frame:
        message = request.frame
        shape = (message.height, message.width, 3)
        if message.HasField("ref"):
            if not self.memory:
                raise MeshError(Kind.STALE, "FRAME_REF_UNKNOWN", "another host")
            ref = FrameRef(message.ref.segment, message.ref.slot, message.ref.generation)
            pixels = self.frames.copy(ref, shape)
            self.by_memory += 1
        else:
            pixels = np.frombuffer(message.inline_data, np.uint8).reshape(shape)
            self.inline += 1
        assert pixels.shape == (HEIGHT, WIDTH, 3)
        assert int(np.median(pixels)) in range(50, 75)
        at = timestamp_from_wire(message.captured_at)
        return Frame(message.camera_id, message.sequence, at, Clock.FILE, pixels)

    async def read(self, request: ocr_pb2.ReadRequest) -> ocr_pb2.ReadResponse:
        """Reads each crop."""
        crops = [np.frombuffer(c.inline_data, np.uint8).reshape(c.height, c.width, 3) for c in request.crops]
        first = request.crops[0]
        at = timestamp_from_wire(first.captured_at)
        frame = Frame(first.camera_id, first.sequence, at, Clock.FILE, crops[0])
        answer = await self.truth.read(frame, crops, request.expected_regions)
        assert answer.model is not None
        return ocr_pb2.ReadResponse(
            reads=[read_to_wire(r) for r in answer.reads], model=model_to_wire(answer.model)
        )

    async def publish(
        self, requests: AsyncIterator[ingest_pb2.PublishRequest]
    ) -> AsyncIterator[ingest_pb2.PublishResponse]:
        """Stores everything."""
        async for request in requests:
            if request.HasField("event"):
                event = request.event
                self.stored[event.event.event_id] = event
                self.news.set()
                ack = ingest_pb2.PublishAck(
                    spool_sequence=event.spool_sequence,
                    event_id=event.event.event_id,
                    result=ingest_pb2.ACK_RESULT_STORED,
                )
                yield ingest_pb2.PublishResponse(ack=ack)
            yield ingest_pb2.PublishResponse(credit=ingest_pb2.PublishCredit(events=5))

    async def has_stored(self, count: int) -> None:
        """Until this many events are stored."""
        while len(self.stored) < count:
            self.news.clear()
            await self.news.wait()

    async def report(self, request: ingest_pb2.ReportStatusRequest) -> ingest_pb2.ReportStatusResponse:
        """Keeps a report."""
        self.reports.append(request)
        return ingest_pb2.ReportStatusResponse()

    @property
    def texts(self) -> list[str]:
        """The texts stored."""
        return sorted(e.event.plate.text for e in self.stored.values())


def record(truth: Truth, path: Path, length: int = 60) -> Path:
    """A video of the truth."""
    return write_video(path, [truth.paint(i) for i in range(length)])


async def test_recording_becomes_stored_events(tmp_path: Path) -> None:
    """A video ends by itself: each vehicle is stored once, frames go by memory, the summary adds up."""
    truth = Truth(CARS)
    services = Services(truth)
    async with Harness() as mesh:
        await services.serve(mesh)
        settings = mesh.settings(
            EdgeSettings, sources=(str(record(truth, tmp_path / "road.mp4")),), summary=tmp_path / "sum.json"
        )
        running = await mesh.run("edge", main, settings, serves=False)
        assert await asyncio.wait_for(running.task, 60) == 0
        edges = mesh.edges()
    assert services.texts == sorted([A, B])
    assert services.by_memory > 0
    assert services.inline == 0
    numbers = json.loads((tmp_path / "sum.json").read_bytes())
    assert numbers["passes"]["opened"] == sum(numbers["passes"]["closed"].values()) == 2
    assert numbers["frames"]["captured"] == numbers["frames"]["searched"] + numbers["frames"]["still"] == 60
    assert numbers["spool"]["events"] == 0
    assert numbers["published"]["stored"] == 2
    assert {"detect", "track", "read", "fuse", "spool", "publish"} <= set(numbers["stages_ms"])
    last = services.reports[-1].cameras[0]
    assert (last.camera_id, last.state, last.frames_captured, last.passes_opened) == ("road", "ended", 60, 2)
    assert ("edge:edge.pass", "edge:edge.publish") in edges
    assert ("edge:edge.detect", "edge:ovr.alpr.v1.DetectorService/Detect") in edges
    assert ("edge:edge.read", "edge:ovr.alpr.v1.OcrService/Read") in edges


async def test_detector_elsewhere_gets_frames_inline(tmp_path: Path) -> None:
    """A detector that cannot see this host's memory is asked once with a reference, then always inline."""
    truth = Truth(CARS)
    services = Services(truth, memory=False)
    async with Harness() as mesh:
        await services.serve(mesh)
        settings = mesh.settings(EdgeSettings, sources=(str(record(truth, tmp_path / "a.mp4")),))
        running = await mesh.run("edge", main, settings, serves=False)
        assert await asyncio.wait_for(running.task, 60) == 0
        fallbacks = running.process.telemetry.counter(names.FRAME_RING_FALLBACKS).labels("frame_ref_unknown")
        assert fallbacks._value.get() == 1
    assert services.inline > 0
    assert services.texts == sorted([A, B])


async def test_stop_publishes_what_it_can(tmp_path: Path) -> None:
    """SIGTERM closes open passes, publishes them, and ends with 0."""
    truth = Truth((Car(A, 0, (0, 20), (300, 20), 20, wait=5000, size=(180, 120)),))
    services = Services(truth)
    async with Harness() as mesh:
        await services.serve(mesh)
        path = record(truth, tmp_path / "a.mp4", 300)
        settings = mesh.settings(EdgeSettings, sources=(str(path),), realtime=True, camera="gate")
        running = await mesh.run("edge", main, settings, serves=False)
        await asyncio.wait_for(truth.reached(15), 30)
        assert await running.stop() == 0
    (message,) = services.stored.values()
    assert message.event.camera_id == "gate"
    assert message.event.plate.text == A


async def test_events_wait_in_the_spool_for_ingest(tmp_path: Path) -> None:
    """Without ingest the run ends all the same; the next run publishes what was left."""
    truth = Truth(CARS)
    services = Services(truth)
    async with Harness() as mesh:
        await services.serve(mesh, ingest=False)
        settings = mesh.settings(
            EdgeSettings, sources=(str(record(truth, tmp_path / "a.mp4")),), drain_timeout=0.2
        )
        running = await mesh.run("edge", main, settings, serves=False)
        assert await asyncio.wait_for(running.task, 60) == 0
        assert services.stored == {}
        await mesh.neighbour(
            "ingest", "ovr.alpr.v1.IngestService", Publish=services.publish, ReportStatus=services.report
        )
        empty = tmp_path / "cameras.yaml"
        empty.write_text("cameras: []\n")
        idle = await mesh.run("edge", main, mesh.settings(EdgeSettings, cameras=empty), serves=False)
        await asyncio.wait_for(services.has_stored(2), 20)
        assert await idle.stop() == 0
    assert services.texts == sorted([A, B])


async def test_several_sources_run_side_by_side(tmp_path: Path) -> None:
    """Two recordings are two cameras with ids of their own, and a bad one does not stop the good one."""
    truth = Truth(CARS)
    services = Services(truth)
    good = record(truth, tmp_path / "good.mp4")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing" * 100)
    async with Harness() as mesh:
        await services.serve(mesh)
        settings = mesh.settings(EdgeSettings, sources=(str(good), str(bad)), summary=tmp_path / "s.json")
        running = await mesh.run("edge", main, settings, serves=False)
        assert await asyncio.wait_for(running.task, 60) == 1
    cameras = json.loads((tmp_path / "s.json").read_bytes())["cameras"]
    assert (cameras["good"]["state"], cameras["bad"]["state"]) == ("ended", "failed")
    assert "bad.mp4" in cameras["bad"]["detail"]
    assert services.texts == sorted([A, B])


async def test_source_that_is_nothing_is_a_configuration_error() -> None:
    """A source that does not exist ends the process with a message that names it."""
    async with Harness() as mesh:
        running = await mesh.run(
            "edge", main, mesh.settings(EdgeSettings, sources=("/no/file.mp4",)), serves=False
        )
        with pytest.raises(ConfigError, match=r"/no/file\.mp4: no such file"):
            await running.task


def test_options_stand_for_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Options of the command set the settings, sources in their order, ids numbered."""
    for name in ("SOURCES", "CAMERA", "REALTIME", "SUMMARY"):
        monkeypatch.setenv(f"OVR_EDGE_{name}", "")
        monkeypatch.delenv(f"OVR_EDGE_{name}")
    left = options_to_environment(
        ["--source", "a.mp4", "--source", "b.mp4", "--camera", "gate", "--realtime", "--check-config"]
    )
    plan = EdgeSettings(home=tmp_path).plan()
    assert left == ["--check-config"]
    assert [(c.id, c.source, c.realtime) for c in plan] == [
        ("gate", "a.mp4", True),
        ("gate-2", "b.mp4", True),
    ]
