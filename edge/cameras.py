"""The cameras of an edge box: the meaning and the bounds of every value in `config/cameras.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from edge.tuning import Section
from plates.event import Box, Detection, ObjectClass

CameraId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class Camera(Section):
    """One camera."""

    id: CameraId
    """Its name in every event."""
    source: str = Field(min_length=1, max_length=2048)
    """RTSP address, video file, folder of pictures, /dev/video0 or its number."""
    regions: tuple[Region, ...] = Field(default=(), max_length=16)
    """Regions whose plates are expected, most likely first, ISO 3166-1 alpha-2."""
    zone: tuple[tuple[Share, Share], ...] = ()
    """Corners of the part of the picture that counts, as shares of its width and height; none: all of it."""
    min_plate_width_px: float | None = Field(default=None, ge=1, le=4096)
    """Narrower plates are not read; unset: as in tracking.yaml."""
    fps_limit: float = Field(default=0, ge=0, le=240)
    """Frames a second at most; 0: every frame."""
    scene_evidence: bool = False
    """Whether the whole picture at the best moment is kept as evidence too."""
    backend: Literal["auto", "pyav", "gstreamer"] = "auto"
    """Who decodes."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP pictures travel."""
    realtime: bool = False
    """Plays a recording at its own pace, and drops frames like a live camera when it is too fast."""

    @model_validator(mode="after")
    def _zone_is_a_polygon(self) -> Camera:
        if self.zone and len(self.zone) < 3:
            raise ValueError("zone: needs at least three corners")
        return self


class Cameras(Section):
    """Everything in `config/cameras.yaml`."""

    cameras: tuple[Camera, ...] = Field(default=(), max_length=256)

    @model_validator(mode="after")
    def _ids_differ(self) -> Cameras:
        ids = [camera.id for camera in self.cameras]
        for camera_id in ids:
            if ids.count(camera_id) > 1:
                raise ValueError(f"cameras: the id {camera_id!r} is given to two cameras")
        return self


def inside(point: tuple[float, float], polygon: Sequence[tuple[float, float]]) -> bool:
    """Whether a point lies in a polygon, by the even-odd rule."""
    x, y = point
    odd = False
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            odd = not odd
    return odd


def in_zone(
    detections: Sequence[Detection], zone: Sequence[tuple[float, float]], width: int, height: int
) -> tuple[Detection, ...]:
    """The detections that stand in the zone: a vehicle by its lower edge's middle, a plate by its middle."""
    if not zone:
        return tuple(detections)
    return tuple(d for d in detections if inside(_foot(d, width, height), zone))


def _foot(detection: Detection, width: int, height: int) -> tuple[float, float]:
    box: Box = detection.box
    x, y = box.center
    if detection.object_class is not ObjectClass.PLATE:
        y = box.y + box.height
    # a vehicle cut off by the picture's edge still stands on the last row
    return min(x, width - 1) / width, min(y, height - 1) / height
