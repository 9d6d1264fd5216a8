"""A vehicle's pass before a camera, as a value: what every service of the mesh talks about.

Boxes are in pixels of the original frame. Probabilities and confidences are calibrated and lie in 0..1. Times
are timezone-aware UTC. The meaning of each field is that of the contract in `proto/ovr/alpr/v1/event.proto`;
`wire.event` converts between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

SCHEMA_VERSION = 1


class Outcome(str, Enum):
    """How a pass ended; every pass ends with exactly one."""

    READ = "read"
    UNREADABLE = "unreadable"
    NO_PLATE = "no_plate"
    REJECTED = "rejected"
    DROPPED = "dropped"


class Reason(str, Enum):
    """Why a pass ended with its outcome."""

    CONFIDENT = "CONFIDENT"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    ILLEGIBLE = "ILLEGIBLE"
    READ_FAILED = "READ_FAILED"
    NO_PLATE_SEEN = "NO_PLATE_SEEN"
    TOO_SHORT = "TOO_SHORT"
    TOO_SMALL = "TOO_SMALL"
    DUPLICATE_VIEW = "DUPLICATE_VIEW"
    NO_VEHICLE = "NO_VEHICLE"
    OVERLOAD = "OVERLOAD"
    SHUTDOWN = "SHUTDOWN"
    STREAM_LOST = "STREAM_LOST"


class Clock(str, Enum):
    """Which clock the times of an event were read from."""

    STREAM = "stream"
    WALL = "wall"
    FILE = "file"


class ObjectClass(str, Enum):
    """What the detector found."""

    UNKNOWN = "unknown"
    PLATE = "plate"
    VEHICLE = "vehicle"
    CAR = "car"
    MOTORCYCLE = "motorcycle"
    BUS = "bus"
    TRUCK = "truck"


class Direction(str, Enum):
    """Where a vehicle went, as the camera sees it."""

    UNKNOWN = "unknown"
    APPROACHING = "approaching"
    RECEDING = "receding"
    LEFT = "left"
    RIGHT = "right"
    STATIONARY = "stationary"


class EvidenceKind(str, Enum):
    """What a stored picture shows."""

    PLATE = "plate"
    VEHICLE = "vehicle"
    SCENE = "scene"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, pixels: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the box, pixels."""
        return self.x + self.width / 2, self.y + self.height / 2

    def iou(self, other: Box) -> float:
        """Intersection over union with `other`, 0..1."""
        common = self.intersection(other)
        union = self.area + other.area - common
        return common / union if union > 0 else 0.0

    def intersection(self, other: Box) -> float:
        """Area shared with `other`, square pixels."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0.0, width) * max(0.0, height)


@dataclass(frozen=True, slots=True)
class CharAlternative:
    """One character (0-9, A-Z; empty: none here) and its probability."""

    char: str
    probability: float


CharPosterior = tuple[CharAlternative, ...]
"""What can stand at one position, best first; what is missing to 1 is spread over all other characters."""


@dataclass(frozen=True, slots=True)
class TextAlternative:
    """A whole text and its probability."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class PlateRead:
    """What the reader says of one crop. `confidence` is the probability that `text` is exactly right."""

    text: str
    confidence: float
    posterior: tuple[CharPosterior, ...]
    region: str = ""
    region_confidence: float = 0.0
    legibility: float = 1.0
    lines: int = 1


@dataclass(frozen=True, slots=True)
class Detection:
    """One object in a frame; `corners` clockwise from the plate's own top left, or empty."""

    object_class: ObjectClass
    box: Box
    score: float
    corners: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that took part, for provenance. `sha256` is of the weights' file, hexadecimal."""

    name: str
    version: str
    sha256: str
    engine: str


@dataclass(frozen=True, slots=True)
class Plate:
    """The plate of a pass, fused from all its reads; `raw_text` is what the pixels alone say."""

    text: str
    raw_text: str
    region: str
    format: str
    confidence: float
    posterior: tuple[CharPosterior, ...] = ()
    alternatives: tuple[TextAlternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Vehicle:
    """The vehicle of a pass; `box` where it was at the best moment, None if only a plate was seen."""

    object_class: ObjectClass = ObjectClass.UNKNOWN
    box: Box | None = None
    direction: Direction = Direction.UNKNOWN


@dataclass(frozen=True, slots=True)
class Evidence:
    """A stored picture: its content-addressed key, what it shows, and its size in pixels."""

    key: str
    sha256: str
    kind: EvidenceKind
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class SingleRead:
    """One read of one frame, kept so that the decision can be explained."""

    sequence: int
    captured_at: datetime
    text: str
    confidence: float
    box: Box
    sharpness: float
    weight: float


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a result comes from."""

    models: tuple[ModelInfo, ...] = ()
    frames_seen: int = 0
    frames_read: int = 0
    reads: tuple[SingleRead, ...] = ()
    software_version: str = ""


@dataclass(frozen=True, slots=True)
class PlateEvent:
    """One vehicle's pass before one camera. `event_id` is a UUIDv7 made at the edge: a replay carries the
    same id."""

    event_id: str
    site_id: str
    node_id: str
    camera_id: str
    first_seen_at: datetime
    last_seen_at: datetime
    best_seen_at: datetime
    clock: Clock
    outcome: Outcome
    reason: Reason
    plate: Plate | None = None
    vehicle: Vehicle = Vehicle()
    evidence: tuple[Evidence, ...] = ()
    provenance: Provenance = Provenance()
    trace_id: str = ""
    closed_at: datetime | None = None
    ingested_at: datetime | None = None
    schema_version: int = SCHEMA_VERSION
