"""Builds the parts of a lane: which source, which judge, which limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.cameras import Camera
from edge.capture.camera import CameraCapture, CaptureOptions, State
from edge.capture.opener import open_source
from edge.closing import Closer, EventSink
from edge.lane import Lane, Neighbours
from edge.meters import CameraMeter, Stages
from edge.passes.event import Identity
from edge.passes.verdict import FusionJudge
from edge.tuning import Tuning
from mesh.logs import logger
from mesh.telemetry import Telemetry
from plates.event import PlateEvent


def ignore_event(event: PlateEvent) -> None:
    """For who does not want to hear of closed passes."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all lanes of a process have in common."""

    neighbours: Neighbours
    identity: Identity
    tuning: Tuning
    sink: EventSink
    telemetry: Telemetry
    stages: Stages
    on_event: Callable[[PlateEvent], None] = ignore_event


def make_lane(camera: Camera, shared: Shared) -> Lane:
    """A lane for a camera; nothing runs yet. SourceError if its address means nothing."""
    log = logger("edge.capture").bind(camera=camera.id)

    def told(state: State, detail: str) -> None:
        say = log.info if state in (State.STREAMING, State.ENDED) else log.warning
        say("camera", state=state.value, why=detail)

    capture = CameraCapture(
        camera.id,
        open_source(camera.source, backend=camera.backend, transport=camera.transport),
        CaptureOptions(fps_limit=camera.fps_limit, realtime=camera.realtime),
        on_change=told,
    )
    judge = FusionJudge(camera.regions)
    meter = CameraMeter(camera.id, shared.telemetry)
    min_width = camera.min_plate_width_px or shared.tuning.reading.min_plate_width_px
    closer = Closer(
        shared.identity,
        shared.tuning,
        judge,
        min_width,
        shared.sink,
        shared.telemetry,
        shared.stages,
        meter,
        shared.on_event,
    )
    return Lane(
        camera,
        capture,
        shared.neighbours,
        closer,
        shared.tuning,
        judge,
        shared.telemetry,
        shared.stages,
        meter,
    )
