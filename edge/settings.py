"""What the edge process can be told: its process by the environment, cameras and tuning by files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from edge.cameras import Camera, Cameras
from edge.capture.opener import camera_name
from edge.spool import SpoolSettings
from edge.tuning import Tuning
from mesh.settings import ConfigError, MeshSettings, load_yaml

_CONFIG = Path(__file__).resolve().parents[1] / "config"


class EdgeSettings(MeshSettings):
    """Settings of the edge process, by environment variables. `--source` and its like set them too."""

    model_config = SettingsConfigDict(env_prefix="OVR_EDGE_")
    service: ClassVar[str] = "edge"

    cameras: Path = Field(_CONFIG / "cameras.yaml", description="The file with the cameras.")
    tracking: Path = Field(_CONFIG / "tracking.yaml", description="The file with tracking and reading.")
    sources: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Sources to run instead of the file's cameras, one a line."
    )
    camera: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,60}$",
        description="Camera id for `sources`; empty: made of each source's name.",
    )
    realtime: bool = Field(
        False, description="Play recordings at their own pace, dropping frames if need be."
    )
    summary: Path | None = Field(None, description="Where to write the run's numbers at its end, as JSON.")
    spool_dir: Path | None = Field(None, description="The spool's directory; empty: in the data directory.")
    spool_mib: int = Field(1024, ge=32, description="Bound of the spool, MiB; beyond it the oldest is shed.")
    spool_days: float = Field(7.0, gt=0, description="Age at which what could not be published is shed.")
    shared_memory: bool = Field(True, description="Send frames by shared memory where the detector is here.")
    frame_slots: int = Field(4, ge=2, le=64, description="Slots of shared memory for each camera.")
    detect_timeout: float = Field(5.0, gt=0, le=600, description="Deadline of a search, seconds.")
    read_timeout: float = Field(5.0, gt=0, le=600, description="Deadline of a read, seconds.")
    publish_window: int = Field(64, ge=1, le=1024, description="Events on their way to ingest at most.")
    drain_timeout: float = Field(
        10.0, ge=0, le=600, description="Time to publish what is spooled before the process ends, seconds."
    )
    status_interval: float = Field(5.0, gt=0, le=600, description="Seconds between reports of the state.")

    @field_validator("sources", mode="before")
    @classmethod
    def _lines(cls, value: object) -> object:
        return tuple(line for line in value.splitlines() if line.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _readable(self) -> EdgeSettings:
        self.tuning()
        self.plan()
        return self

    def tuning(self) -> Tuning:
        """What `tracking` says. ConfigError naming file, line and field."""
        return load_yaml(self.tracking, Tuning)

    def plan(self) -> tuple[Camera, ...]:
        """The cameras to run: `sources` if there are any, else the file's. ConfigError says what is wrong."""
        known = load_yaml(self.cameras, Cameras).cameras
        if not self.sources:
            return known
        return named(self.sources, self.camera, self.realtime, known)

    def spool_bounds(self) -> SpoolSettings:
        """How large and how old the spool may become."""
        return SpoolSettings(max_bytes=self.spool_mib << 20, max_age=self.spool_days * 86_400)

    def spool_directory(self) -> Path:
        """Where the spool lies."""
        return self.spool_dir or self.home / "spool" / self.node_id


def named(sources: Sequence[str], camera: str, realtime: bool, known: Sequence[Camera]) -> tuple[Camera, ...]:
    """A camera for each source. One whose id is in `known` takes that camera's regions, zone and limits."""
    cameras: list[Camera] = []
    taken: set[str] = set()
    for source in sources:
        base = camera or camera_name(source)
        number, camera_id = 1, base
        while camera_id in taken:
            number += 1
            camera_id = f"{base}-{number}"
        taken.add(camera_id)
        like = next((k for k in known if k.id == base), None)
        if len(source) > 2048:
            raise ConfigError(f"source {source[:40]!r}...: longer than 2048 characters")
        plain = Camera(id=camera_id, source=source, realtime=realtime)
        changes = {"id": camera_id, "source": source, "realtime": realtime}
        cameras.append(plain if like is None else like.model_copy(update=changes))
    return tuple(cameras)
