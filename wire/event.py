"""`PlateEvent` and its parts: protobuf to domain and back. Lossless in both directions for valid events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from ovr.alpr.v1 import detector_pb2, event_pb2, frame_pb2, ocr_pb2
from plates import event as domain

E = TypeVar("E")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799

OUTCOMES = {
    domain.Outcome.READ: event_pb2.OUTCOME_READ,
    domain.Outcome.UNREADABLE: event_pb2.OUTCOME_UNREADABLE,
    domain.Outcome.NO_PLATE: event_pb2.OUTCOME_NO_PLATE,
    domain.Outcome.REJECTED: event_pb2.OUTCOME_REJECTED,
    domain.Outcome.DROPPED: event_pb2.OUTCOME_DROPPED,
}
CLOCKS = {
    domain.Clock.STREAM: frame_pb2.CLOCK_SOURCE_STREAM,
    domain.Clock.WALL: frame_pb2.CLOCK_SOURCE_WALL,
    domain.Clock.FILE: frame_pb2.CLOCK_SOURCE_FILE,
}
OBJECT_CLASSES = {
    domain.ObjectClass.UNKNOWN: detector_pb2.OBJECT_CLASS_UNSPECIFIED,
    domain.ObjectClass.PLATE: detector_pb2.OBJECT_CLASS_PLATE,
    domain.ObjectClass.VEHICLE: detector_pb2.OBJECT_CLASS_VEHICLE,
    domain.ObjectClass.CAR: detector_pb2.OBJECT_CLASS_CAR,
    domain.ObjectClass.MOTORCYCLE: detector_pb2.OBJECT_CLASS_MOTORCYCLE,
    domain.ObjectClass.BUS: detector_pb2.OBJECT_CLASS_BUS,
    domain.ObjectClass.TRUCK: detector_pb2.OBJECT_CLASS_TRUCK,
}
DIRECTIONS = {
    domain.Direction.UNKNOWN: event_pb2.DIRECTION_UNSPECIFIED,
    domain.Direction.APPROACHING: event_pb2.DIRECTION_APPROACHING,
    domain.Direction.RECEDING: event_pb2.DIRECTION_RECEDING,
    domain.Direction.LEFT: event_pb2.DIRECTION_LEFT,
    domain.Direction.RIGHT: event_pb2.DIRECTION_RIGHT,
    domain.Direction.STATIONARY: event_pb2.DIRECTION_STATIONARY,
}
EVIDENCE_KINDS = {
    domain.EvidenceKind.PLATE: event_pb2.EVIDENCE_KIND_PLATE,
    domain.EvidenceKind.VEHICLE: event_pb2.EVIDENCE_KIND_VEHICLE,
    domain.EvidenceKind.SCENE: event_pb2.EVIDENCE_KIND_SCENE,
}


def _inverse(table: Mapping[E, int]) -> dict[int, E]:
    return {number: value for value, number in table.items()}


_OUTCOMES = _inverse(OUTCOMES)
_CLOCKS = _inverse(CLOCKS)
_OBJECT_CLASSES = _inverse(OBJECT_CLASSES)
_DIRECTIONS = _inverse(DIRECTIONS)
_EVIDENCE_KINDS = _inverse(EVIDENCE_KINDS)


def outcome_from_wire(number: int) -> domain.Outcome:
    """The outcome of an enum value; ValueError for one that this version does not know."""
    return _lookup(_OUTCOMES, number, "outcome")


def object_class_from_wire(number: int) -> domain.ObjectClass:
    """The class of an enum value; ValueError for one that this version does not know."""
    return _lookup(_OBJECT_CLASSES, number, "object_class")


def _lookup(table: Mapping[int, E], number: int, field: str) -> E:
    try:
        return table[number]
    except KeyError:
        raise ValueError(f"{field}: value {number} is not known to this version") from None


def timestamp_to_wire(moment: datetime) -> Timestamp:
    """A timezone-aware time as a protobuf Timestamp, to the microsecond."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def timestamp_from_wire(stamp: Timestamp) -> datetime:
    """A protobuf Timestamp as an aware UTC time, to the microsecond; ValueError if it is out of range."""
    if not in_range(stamp):
        raise ValueError(f"a time of {stamp.seconds} s and {stamp.nanos} ns is out of range")
    # several times as fast as Timestamp.ToDatetime
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def in_range(stamp: Timestamp) -> bool:
    """Whether it is a time of the years 1 to 9999."""
    return _FIRST_SECOND <= stamp.seconds <= _LAST_SECOND and 0 <= stamp.nanos < 1_000_000_000


def _optional_time(message: event_pb2.PlateEvent, field: str) -> datetime | None:
    # "ingested_at" or "closed_at": absent until somebody sets it
    return timestamp_from_wire(getattr(message, field)) if message.HasField(field) else None  # type: ignore[arg-type]


def box_to_wire(box: domain.Box) -> frame_pb2.Box:
    """A box, pixels."""
    return frame_pb2.Box(x=box.x, y=box.y, width=box.width, height=box.height)


def box_from_wire(box: frame_pb2.Box) -> domain.Box:
    """A box, pixels."""
    return domain.Box(box.x, box.y, box.width, box.height)


def posterior_to_wire(posterior: Iterable[domain.CharPosterior]) -> list[ocr_pb2.CharPosterior]:
    """The alternatives at each position."""
    return [
        ocr_pb2.CharPosterior(
            alternatives=[ocr_pb2.CharAlternative(char=a.char, probability=a.probability) for a in position]
        )
        for position in posterior
    ]


def posterior_from_wire(posterior: Iterable[ocr_pb2.CharPosterior]) -> tuple[domain.CharPosterior, ...]:
    """The alternatives at each position."""
    return tuple(
        tuple(domain.CharAlternative(a.char, a.probability) for a in position.alternatives)
        for position in posterior
    )


def model_to_wire(model: domain.ModelInfo) -> detector_pb2.ModelInfo:
    """A model's name, version, hash and engine."""
    return detector_pb2.ModelInfo(
        name=model.name, version=model.version, sha256=model.sha256, engine=model.engine
    )


def model_from_wire(model: detector_pb2.ModelInfo) -> domain.ModelInfo:
    """A model's name, version, hash and engine."""
    return domain.ModelInfo(model.name, model.version, model.sha256, model.engine)


def plate_to_wire(plate: domain.Plate) -> event_pb2.Plate:
    """The fused plate."""
    return event_pb2.Plate(
        text=plate.text,
        raw_text=plate.raw_text,
        region=plate.region,
        format=plate.format,
        confidence=plate.confidence,
        posterior=posterior_to_wire(plate.posterior),
        alternatives=[
            event_pb2.TextAlternative(text=a.text, confidence=a.confidence) for a in plate.alternatives
        ],
    )


def plate_from_wire(plate: event_pb2.Plate) -> domain.Plate:
    """The fused plate."""
    return domain.Plate(
        text=plate.text,
        raw_text=plate.raw_text,
        region=plate.region,
        format=plate.format,
        confidence=plate.confidence,
        posterior=posterior_from_wire(plate.posterior),
        alternatives=tuple(domain.TextAlternative(a.text, a.confidence) for a in plate.alternatives),
    )


def read_to_wire(read: domain.PlateRead) -> ocr_pb2.PlateRead:
    """What the reader says of one crop."""
    return ocr_pb2.PlateRead(
        text=read.text,
        confidence=read.confidence,
        posterior=posterior_to_wire(read.posterior),
        region=read.region,
        region_confidence=read.region_confidence,
        legibility=read.legibility,
        lines=read.lines,
    )


def read_from_wire(read: ocr_pb2.PlateRead) -> domain.PlateRead:
    """What the reader says of one crop."""
    return domain.PlateRead(
        text=read.text,
        confidence=read.confidence,
        posterior=posterior_from_wire(read.posterior),
        region=read.region,
        region_confidence=read.region_confidence,
        legibility=read.legibility,
        lines=read.lines,
    )


def detection_to_wire(detection: domain.Detection) -> detector_pb2.Detection:
    """One object in a frame."""
    return detector_pb2.Detection(
        object_class=OBJECT_CLASSES[detection.object_class],
        box=box_to_wire(detection.box),
        score=detection.score,
        corners=[frame_pb2.Point(x=x, y=y) for x, y in detection.corners],
    )


def detection_from_wire(detection: detector_pb2.Detection) -> domain.Detection:
    """One object in a frame."""
    return domain.Detection(
        object_class=object_class_from_wire(detection.object_class),
        box=box_from_wire(detection.box),
        score=detection.score,
        corners=tuple((point.x, point.y) for point in detection.corners),
    )


def _vehicle_to_wire(vehicle: domain.Vehicle) -> event_pb2.Vehicle:
    return event_pb2.Vehicle(
        object_class=OBJECT_CLASSES[vehicle.object_class],
        box=box_to_wire(vehicle.box) if vehicle.box is not None else None,
        direction=DIRECTIONS[vehicle.direction],
    )


def _vehicle_from_wire(vehicle: event_pb2.Vehicle) -> domain.Vehicle:
    return domain.Vehicle(
        object_class=object_class_from_wire(vehicle.object_class),
        box=box_from_wire(vehicle.box) if vehicle.HasField("box") else None,
        direction=_lookup(_DIRECTIONS, vehicle.direction, "vehicle.direction"),
    )


def _evidence_to_wire(evidence: domain.Evidence) -> event_pb2.Evidence:
    return event_pb2.Evidence(
        key=evidence.key,
        sha256=evidence.sha256,
        kind=EVIDENCE_KINDS[evidence.kind],
        media_type=evidence.media_type,
        width=evidence.width,
        height=evidence.height,
    )


def _evidence_from_wire(evidence: event_pb2.Evidence) -> domain.Evidence:
    return domain.Evidence(
        key=evidence.key,
        sha256=evidence.sha256,
        kind=_lookup(_EVIDENCE_KINDS, evidence.kind, "evidence.kind"),
        media_type=evidence.media_type,
        width=evidence.width,
        height=evidence.height,
    )


def _single_read_to_wire(read: domain.SingleRead) -> event_pb2.SingleRead:
    return event_pb2.SingleRead(
        sequence=read.sequence,
        captured_at=timestamp_to_wire(read.captured_at),
        text=read.text,
        confidence=read.confidence,
        box=box_to_wire(read.box),
        sharpness=read.sharpness,
        weight=read.weight,
    )


def _single_read_from_wire(read: event_pb2.SingleRead) -> domain.SingleRead:
    return domain.SingleRead(
        sequence=read.sequence,
        captured_at=timestamp_from_wire(read.captured_at),
        text=read.text,
        confidence=read.confidence,
        box=box_from_wire(read.box),
        sharpness=read.sharpness,
        weight=read.weight,
    )


def _provenance_to_wire(provenance: domain.Provenance) -> event_pb2.Provenance:
    return event_pb2.Provenance(
        models=[model_to_wire(model) for model in provenance.models],
        frames_seen=provenance.frames_seen,
        frames_read=provenance.frames_read,
        reads=[_single_read_to_wire(read) for read in provenance.reads],
        software_version=provenance.software_version,
    )


def _provenance_from_wire(provenance: event_pb2.Provenance) -> domain.Provenance:
    return domain.Provenance(
        models=tuple(model_from_wire(model) for model in provenance.models),
        frames_seen=provenance.frames_seen,
        frames_read=provenance.frames_read,
        reads=tuple(_single_read_from_wire(read) for read in provenance.reads),
        software_version=provenance.software_version,
    )


def event_to_wire(event: domain.PlateEvent) -> event_pb2.PlateEvent:
    """The event as the contract's message."""
    return event_pb2.PlateEvent(
        event_id=event.event_id,
        schema_version=event.schema_version,
        site_id=event.site_id,
        node_id=event.node_id,
        camera_id=event.camera_id,
        first_seen_at=timestamp_to_wire(event.first_seen_at),
        last_seen_at=timestamp_to_wire(event.last_seen_at),
        best_seen_at=timestamp_to_wire(event.best_seen_at),
        clock=CLOCKS[event.clock],
        outcome=OUTCOMES[event.outcome],
        reason=event.reason.value,
        plate=plate_to_wire(event.plate) if event.plate is not None else None,
        vehicle=_vehicle_to_wire(event.vehicle),
        evidence=[_evidence_to_wire(item) for item in event.evidence],
        provenance=_provenance_to_wire(event.provenance),
        trace_id=event.trace_id,
        closed_at=timestamp_to_wire(event.closed_at) if event.closed_at is not None else None,
        ingested_at=timestamp_to_wire(event.ingested_at) if event.ingested_at is not None else None,
    )


def event_from_wire(message: event_pb2.PlateEvent) -> domain.PlateEvent:
    """The event as a domain value; ValueError naming the field for a value not known here."""
    return domain.PlateEvent(
        event_id=message.event_id,
        schema_version=message.schema_version,
        site_id=message.site_id,
        node_id=message.node_id,
        camera_id=message.camera_id,
        first_seen_at=timestamp_from_wire(message.first_seen_at),
        last_seen_at=timestamp_from_wire(message.last_seen_at),
        best_seen_at=timestamp_from_wire(message.best_seen_at),
        clock=_lookup(_CLOCKS, message.clock, "clock"),
        outcome=outcome_from_wire(message.outcome),
        reason=domain.Reason(message.reason),
        plate=plate_from_wire(message.plate) if message.HasField("plate") else None,
        vehicle=_vehicle_from_wire(message.vehicle),
        evidence=tuple(_evidence_from_wire(item) for item in message.evidence),
        provenance=_provenance_from_wire(message.provenance),
        trace_id=message.trace_id,
        closed_at=_optional_time(message, "closed_at"),
        ingested_at=_optional_time(message, "ingested_at"),
    )


def event_to_bytes(event: domain.PlateEvent) -> bytes:
    """The event as it stands on the log and in the stores: serialised protobuf."""
    return event_to_wire(event).SerializeToString()


def event_from_bytes(data: bytes) -> domain.PlateEvent:
    """The reverse of `event_to_bytes`; DecodeError (protobuf) or ValueError for anything else."""
    return event_from_wire(event_pb2.PlateEvent.FromString(data))
