"""The event store: what passed, where and when, and how the cameras are.

The embedded adapter is `storage.events.sqlite`. Every method raises `mesh.errors.MeshError` with kind
UNAVAILABLE when the store cannot be reached or written now; what else it raises is said at the method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from plates.event import Outcome, PlateEvent
from storage.events.row import EventRow


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are meant; empty fields mean any.

    Times are about `best_seen_at`: from `start` on, before `end`. A region without a state takes in all its
    states. `min_confidence` above 0 leaves out events without a plate.
    """

    camera_ids: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    outcomes: tuple[Outcome, ...] = ()
    regions: tuple[str, ...] = ()
    min_confidence: float = 0.0
    site_ids: tuple[str, ...] = ()

    def takes(self, event: PlateEvent) -> bool:
        """Whether `event` is meant."""
        plate = event.plate
        return (
            (not self.camera_ids or event.camera_id in self.camera_ids)
            and (self.start is None or event.best_seen_at >= self.start)
            and (self.end is None or event.best_seen_at < self.end)
            and (not self.outcomes or event.outcome in self.outcomes)
            and (not self.site_ids or event.site_id in self.site_ids)
            and (not self.regions or (plate is not None and self._takes_region(plate.region)))
            and (self.min_confidence <= 0 or (plate is not None and plate.confidence >= self.min_confidence))
        )

    def _takes_region(self, region: str) -> bool:
        return region in self.regions or region.partition("-")[0] in self.regions


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of events, newest first; `next_page_token` is empty after the last."""

    events: tuple[PlateEvent, ...]
    next_page_token: str


class Bucket(Enum):
    """Width of the buckets of time; UTC."""

    NONE = "none"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class GroupBy(Enum):
    """By what events are grouped."""

    CAMERA = "camera"
    OUTCOME = "outcome"
    REGION = "region"
    VEHICLE = "vehicle"
    PLATE = "plate"


@dataclass(frozen=True, slots=True)
class AggregateRow:
    """One count. `group` holds the groups' values in the order asked, enumerations by their values, empty for
    none; `mean_confidence` is over the events that have a plate, 0 if none has."""

    bucket_start: datetime | None
    group: tuple[str, ...]
    events: int
    mean_confidence: float


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Counts in order of time, then largest first; `truncated` if the limit cut rows off."""

    rows: tuple[AggregateRow, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """State of one camera, as its edge box reported it; counters run since the box's start."""

    camera_id: str
    state: str
    detail: str = ""
    capture_fps: float = 0.0
    frames_captured: int = 0
    frames_dropped: Mapping[str, int] = field(default_factory=dict)
    passes_opened: int = 0
    passes_closed: Mapping[str, int] = field(default_factory=dict)
    last_frame_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """State of an edge box's spool: what waits for its ack, and what was shed since the start, by reason."""

    events: int = 0
    bytes: int = 0
    shed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """State of the machine an edge box is: °C, a share from 0 to 1, bytes of the spool's file system; None
    for what it cannot tell."""

    cpu_celsius: float | None = None
    gpu_celsius: float | None = None
    gpu_use: float | None = None
    disk_free_bytes: int | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """State of an edge box; only its newest counts."""

    site_id: str
    node_id: str
    reported_at: datetime
    cameras: tuple[CameraStatus, ...] = ()
    spool: SpoolStatus = SpoolStatus()
    machine: MachineStatus = MachineStatus()


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that ever reported or had an event. `status` is None if only events are known."""

    camera_id: str
    site_id: str
    node_id: str
    status: CameraStatus | None
    reported_at: datetime | None
    last_event_at: datetime | None
    events: int


@dataclass(frozen=True, slots=True)
class CameraPage:
    """A page of cameras by id; `next_page_token` is empty after the last."""

    cameras: tuple[Camera, ...]
    next_page_token: str


class EventReader(Protocol):
    """Answers questions about events."""

    async def get(self, event_id: str) -> PlateEvent | None:
        """The event, or None."""

    async def get_many(self, event_ids: Sequence[str]) -> dict[str, PlateEvent]:
        """Those of `event_ids` that are stored, by id."""

    async def list_events(self, filter: EventFilter, page_size: int, page_token: str = "") -> EventPage:
        """Events by (best_seen_at, event_id), newest first. INVALID if the token belongs to another filter.
        Events that arrive between two pages neither repeat nor hide others."""

    async def scan(self, filter: EventFilter, page_size: int, page_token: str = "") -> EventPage:
        """The same, oldest first, for who reads all there is, such as a rebuild of the search index: it goes
        on from a token after any pause. An event that arrives behind the token is not seen any more."""

    async def aggregate(
        self, filter: EventFilter, bucket: Bucket, group_by: Sequence[GroupBy], limit: int
    ) -> Aggregate:
        """Counts of events, at most `limit` rows, in at most three groups."""

    async def list_cameras(self, page_size: int, page_token: str = "") -> CameraPage:
        """All cameras by id. INVALID if the token is not one of this list."""

    async def check(self) -> None:
        """Return if the store answers now, for readiness."""


class EventStore(EventReader, Protocol):
    """The whole store, as the event writer opens it."""

    async def write(self, events: Sequence[PlateEvent]) -> int:
        """Store all or none, durable when this returns; how many of them were new. An id that is stored
        already stays as it is. INVALID for a value that the store cannot hold."""

    async def write_rows(self, rows: Sequence[EventRow]) -> int:
        """The same for events as they came, which saves making them."""

    async def save_status(self, statuses: Sequence[NodeStatus]) -> None:
        """Keep the newest status of each camera; older ones are ignored."""

    async def delete_older_than(self, moment: datetime) -> int:
        """Delete events whose `best_seen_at` is before `moment`; how many."""

    async def maintain(self) -> None:
        """Do what the store needs from time to time, such as counting anew for dashboards."""

    async def close(self) -> None:
        """Give everything back."""
