"""A camera's lane makes one event of each vehicle, whatever its neighbours do, and counts all it loses."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

import protovalidate
from edge_media import ListSource
from edge_neighbours import DETECTOR, READER, MemorySpool, Truth
from edge_world import Car
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from edge.assembly import Shared, make_lane
from edge.cameras import Camera
from edge.capture.camera import CameraCapture, CaptureOptions, Drop
from edge.capture.port import Picture, SourceError
from edge.lane import Lane, Neighbours
from edge.meters import Stages
from edge.passes.event import Identity
from edge.tuning import MotionTuning, Tuning
from mesh import names
from mesh.errors import Kind, MeshError
from mesh.telemetry import Telemetry
from plates.event import EvidenceKind, Outcome, PlateEvent, Reason

A, B = "KX53RTL", "9846MWD"
CARS = (
    Car(A, 2, (0, 20), (440, 20), 20, size=(180, 120)),
    Car(B, 8, (0, 200), (440, 200), 20, size=(180, 120)),
)
LENGTH = 60


class Scene:
    """A lane over a recording of the truth."""

    def __init__(
        self,
        truth: Truth,
        source: ListSource | None = None,
        camera: Camera | None = None,
        tuning: Tuning | None = None,
        options: CaptureOptions | None = None,
    ) -> None:
        self.truth = truth
        self.spool = MemorySpool()
        self.exporter = InMemorySpanExporter()
        self.telemetry = Telemetry("edge", frame_share=0.0, processors=[SimpleSpanProcessor(self.exporter)])
        self.heard: list[PlateEvent] = []
        shared = Shared(
            neighbours=Neighbours(truth, truth),
            identity=Identity("site", "node", "test"),
            tuning=tuning or Tuning(),
            sink=self.spool,
            telemetry=self.telemetry,
            stages=Stages(self.telemetry),
            on_event=self.heard.append,
        )
        camera = camera or Camera(id="cam", source="0")
        self.lane: Lane = make_lane(camera, shared)
        self.lane.capture = CameraCapture(
            camera.id, source or ListSource([truth.frames(LENGTH)], live=False), options or CaptureOptions()
        )

    async def run(self) -> list[PlateEvent]:
        """Runs the lane to its end; what was spooled."""
        self.lane.capture.start()
        await self.lane.run()
        return [event for event in self.spool.events if isinstance(event, PlateEvent)]

    def balanced(self) -> bool:
        """Whether every pass that opened has ended."""
        meter = self.lane.meter
        return meter.opened == sum(meter.closed.values()) == len(self.heard)


async def test_two_vehicles_give_two_events() -> None:
    """Each vehicle gives one event with its plate, vehicle, pictures, reads and models."""
    scene = Scene(Truth(CARS))
    events = await scene.run()
    assert sorted((e.plate.text if e.plate else "") for e in events) == sorted([A, B])
    for event in events:
        assert (event.outcome, event.reason) == (Outcome.READ, Reason.CONFIDENT)
        assert {item.kind for item in event.evidence} == {EvidenceKind.PLATE, EvidenceKind.VEHICLE}
        assert event.provenance.models == (DETECTOR, READER)
        assert abs(sum(read.weight for read in event.provenance.reads) - 1) < 1e-4
        assert event.first_seen_at <= event.best_seen_at <= event.last_seen_at
    assert scene.balanced()


async def test_spooled_events_keep_the_contract_and_their_pictures() -> None:
    """What is spooled breaks no rule of the contract, and its pictures are named by their content."""
    scene = Scene(Truth(CARS))
    await scene.run()
    for message in scene.spool.messages:
        protovalidate.validate(message)
        digests = {hashlib.sha256(blob.data).hexdigest() for blob in message.blobs}
        assert digests == {item.sha256 for item in message.event.evidence}


async def test_reading_stops_when_sure() -> None:
    """A pass that is sure of its plate is not read on and on."""
    truth = Truth((Car(A, 0, (0, 20), (440, 20), 40, wait=40, size=(180, 120)),), confidence=0.99)
    scene = Scene(truth, ListSource([truth.frames(90)], live=False))
    (event,) = await scene.run()
    assert event.outcome is Outcome.READ
    assert truth.reads <= 10


async def test_scene_is_kept_when_asked_for() -> None:
    """A camera that wants it keeps the whole picture too."""
    scene = Scene(Truth(CARS[:1]), camera=Camera(id="cam", source="0", scene_evidence=True))
    (event,) = await scene.run()
    assert EvidenceKind.SCENE in {item.kind for item in event.evidence}


async def test_only_the_zone_counts() -> None:
    """What stands outside the zone is no pass."""
    upper = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5))
    scene = Scene(Truth(CARS), camera=Camera(id="cam", source="0", zone=upper))
    events = await scene.run()
    assert [e.plate.text if e.plate else "" for e in events] == [A]


async def test_empty_road_is_hardly_searched() -> None:
    """Nothing moves, so nearly nothing is searched, and the frames left out are counted."""
    truth = Truth(())
    scene = Scene(truth, ListSource([truth.frames(120)], live=False))
    assert await scene.run() == []
    assert len(truth.searched) <= 15
    assert scene.lane.meter.still + scene.lane.meter.searched == 120


async def test_gate_does_not_break_a_pass() -> None:
    """A car that parks while nothing else moves is one pass with one event."""
    truth = Truth((Car(A, 0, (0, 20), (300, 20), 20, wait=200, size=(180, 120)),))
    scene = Scene(truth, ListSource([truth.frames(200)], live=False))
    events = await scene.run()
    assert [e.outcome for e in events] == [Outcome.READ]
    assert scene.lane.meter.still > 50


async def test_recording_waits_for_a_busy_detector() -> None:
    """A recording loses no frame to a detector that is away or full for a while."""
    failures = [
        MeshError(Kind.EXHAUSTED, "QUEUE_FULL", "full", retry_after=0.01),
        MeshError(Kind.UNAVAILABLE, "PEER_UNAVAILABLE", "away", retry_after=0.01),
    ]
    scene = Scene(Truth(CARS, failures=failures), tuning=Tuning(motion=MotionTuning(enabled=False)))
    await scene.run()
    assert scene.truth.searched == list(range(LENGTH))
    assert not scene.lane.capture.count.dropped


async def test_live_frames_are_dropped_and_counted_by_reason() -> None:
    """A live camera does not wait: frames the detector refuses or fails at are counted, passes go on."""
    failures = [
        MeshError(Kind.EXHAUSTED, "QUEUE_FULL", "full"),
        MeshError(Kind.INTERNAL, "INTERNAL", "broken"),
    ]
    truth = Truth(CARS, failures=failures)
    scene = Scene(truth, ListSource([[*truth.frames(LENGTH), SourceError("end", permanent=True)]]))
    scene.lane.capture.newest_wins = False  # every frame arrives, so that the count is known
    scene.lane.capture.source.live = False
    scene.lane.capture.start()
    scene.lane.capture.newest_wins = True
    await scene.lane.run()
    dropped = scene.lane.capture.count.dropped
    assert (dropped[Drop.DETECT_REFUSED], dropped[Drop.DETECT_FAILED]) == (1, 1)
    assert scene.balanced()
    assert Counter(e.outcome for e in scene.heard)[Outcome.READ] == 2


async def test_reader_that_fails_leaves_an_unread_pass() -> None:
    """A pass none of whose crops could be read says so, and one whose crops were all refused is dropped."""
    broken = [MeshError(Kind.INTERNAL, "INTERNAL", "broken")] * 500
    (event,) = await Scene(Truth(CARS[:1], read_failures=broken)).run()
    assert (event.outcome, event.reason) == (Outcome.UNREADABLE, Reason.READ_FAILED)
    refused = [MeshError(Kind.EXHAUSTED, "QUEUE_FULL", "full")] * 500
    (event,) = await Scene(Truth(CARS[:1], read_failures=refused)).run()
    assert (event.outcome, event.reason) == (Outcome.DROPPED, Reason.OVERLOAD)


async def test_stop_closes_what_is_open() -> None:
    """A shutdown ends open passes: those surely read as read, the others as dropped by the shutdown."""
    cars = (
        Car(A, 0, (0, 20), (300, 20), 20, wait=5000, size=(180, 120)),
        Car(B, 0, (0, 200), (300, 200), 20, wait=5000, size=(180, 120), shows_plate=False),
    )
    truth = Truth(cars)
    scene = Scene(truth, ListSource([truth.frames(400)], live=False))
    scene.lane.capture.start()
    running = asyncio.create_task(scene.lane.run())
    await truth.reached(25)
    await scene.lane.stop()
    await asyncio.wait_for(running, 10)
    assert {(e.outcome, e.reason) for e in scene.heard} == {
        (Outcome.READ, Reason.CONFIDENT),
        (Outcome.DROPPED, Reason.SHUTDOWN),
    }
    assert scene.balanced()


async def test_recording_that_breaks_off_loses_its_open_passes_openly() -> None:
    """A recording damaged in its middle ends the passes of that moment as lost with the stream."""
    truth = Truth((Car(A, 0, (0, 20), (440, 20), 40, size=(180, 120), shows_plate=False),))
    items: list[Picture | Exception] = [*truth.frames(20), SourceError("damaged", permanent=True)]
    (event,) = await Scene(truth, ListSource([items], live=False)).run()
    assert (event.outcome, event.reason) == (Outcome.DROPPED, Reason.STREAM_LOST)


async def test_full_disk_is_counted_and_the_lane_goes_on() -> None:
    """An event that cannot be spooled is counted as lost, and the pass counts as ended."""
    scene = Scene(Truth(CARS))
    scene.spool.full = OSError(28, "No space left on device")
    assert await scene.run() == []
    assert scene.balanced()
    lost = scene.telemetry.counter(names.EVENTS_LOST).labels("disk")
    assert lost._value.get() == 2


async def test_single_pictures_are_passes_of_their_own() -> None:
    """Each picture of a folder gives a pass for each vehicle in it, read from one crop."""
    truth = Truth(CARS)
    pictures = [Picture(truth.paint(i), float(i), single=True) for i in range(12)]
    scene = Scene(truth, ListSource([pictures], live=False))
    events = await scene.run()
    assert scene.balanced()
    assert Counter(e.plate.text for e in events if e.plate and e.outcome is Outcome.READ) == {A: 10, B: 4}


async def test_pass_is_one_trace() -> None:
    """Search, reads, fusion and spooling of a pass are children of its span, whose trace the event names."""
    scene = Scene(Truth(CARS[:1]))
    (event,) = await scene.run()
    spans = scene.exporter.get_finished_spans()
    (root,) = [s for s in spans if s.name == names.SPAN_PASS.name]
    children = {
        s.name for s in spans if s.parent and root.context and s.parent.span_id == root.context.span_id
    }
    assert root.context is not None
    assert f"{root.context.trace_id:032x}" == event.trace_id
    wanted = (names.SPAN_DETECT, names.SPAN_READ, names.SPAN_FUSE, names.SPAN_SPOOL)
    assert {span.name for span in wanted} <= children
    assert root.attributes is not None
    assert root.attributes[names.ATTR_OUTCOME] == "read"
    assert scene.spool.messages[0].traceparent.split("-")[1] == event.trace_id
