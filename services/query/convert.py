"""Protobuf to domain and back for query."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from mesh.errors import FieldViolation, Kind, MeshError
from ovr.alpr.v1 import detector_pb2, event_pb2, ingest_pb2, query_pb2
from plates.event import ObjectClass, Outcome, PlateEvent
from plates.explain import Explanation
from services.query.core import Found, FoundPage, Sighting
from storage.events.port import (
    Aggregate,
    AggregateRow,
    Bucket,
    Camera,
    CameraPage,
    CameraStatus,
    EventFilter,
    EventPage,
    GroupBy,
)
from storage.search.port import SearchMode, SearchQuery
from wire.event import (
    OBJECT_CLASSES,
    OUTCOMES,
    event_to_wire,
    outcome_from_wire,
    posterior_to_wire,
    timestamp_from_wire,
    timestamp_to_wire,
)

_BUCKETS = {
    query_pb2.BUCKET_UNSPECIFIED: Bucket.NONE,
    query_pb2.BUCKET_MINUTE: Bucket.MINUTE,
    query_pb2.BUCKET_HOUR: Bucket.HOUR,
    query_pb2.BUCKET_DAY: Bucket.DAY,
}
_GROUPS = {
    query_pb2.GROUP_BY_CAMERA: GroupBy.CAMERA,
    query_pb2.GROUP_BY_OUTCOME: GroupBy.OUTCOME,
    query_pb2.GROUP_BY_REGION: GroupBy.REGION,
    query_pb2.GROUP_BY_VEHICLE: GroupBy.VEHICLE,
    query_pb2.GROUP_BY_PLATE: GroupBy.PLATE,
}
_MODES = {
    query_pb2.SEARCH_MODE_EXACT: SearchMode.EXACT,
    query_pb2.SEARCH_MODE_PREFIX: SearchMode.PREFIX,
    query_pb2.SEARCH_MODE_WILDCARD: SearchMode.WILDCARD,
    query_pb2.SEARCH_MODE_ONE_EDIT: SearchMode.ONE_EDIT,
}


def filter_from_wire(message: query_pb2.EventFilter) -> EventFilter:
    """Which events are meant; INVALID for a time that cannot be told."""
    # "from" is a word of Python
    start = _moment("from", getattr(message, "from")) if message.HasField("from") else None
    return EventFilter(
        camera_ids=tuple(message.camera_ids),
        start=start,
        end=_moment("to", message.to) if message.HasField("to") else None,
        outcomes=tuple(outcome_from_wire(number) for number in message.outcomes),
        regions=tuple(message.regions),
        min_confidence=message.min_confidence,
        site_ids=tuple(message.site_ids),
    )


def _moment(field: str, stamp: Timestamp) -> datetime:
    try:
        return timestamp_from_wire(stamp)
    except (ValueError, OverflowError) as error:
        raise MeshError(
            Kind.INVALID,
            "TIME_INVALID",
            f"filter.{field} is no time: {error}",
            fields=(FieldViolation(f"filter.{field}", str(error)),),
        ) from error


def search_from_wire(request: query_pb2.SearchEventsRequest) -> SearchQuery:
    """What is searched for."""
    return SearchQuery(
        request.text, _MODES[request.mode], request.confusables, filter_from_wire(request.filter)
    )


def events_to_wire(page: EventPage) -> query_pb2.ListEventsResponse:
    """A page of events."""
    return query_pb2.ListEventsResponse(
        events=[event_to_wire(event) for event in page.events], next_page_token=page.next_page_token
    )


def found_to_wire(page: FoundPage) -> query_pb2.SearchEventsResponse:
    """A page of what was found."""
    return query_pb2.SearchEventsResponse(
        hits=[_hit(hit) for hit in page.hits], next_page_token=page.next_page_token
    )


def _hit(hit: Found) -> query_pb2.SearchHit:
    return query_pb2.SearchHit(event=event_to_wire(hit.event), edits=hit.edits)


def bucket_from_wire(number: query_pb2.Bucket.ValueType) -> Bucket:
    """Width of the buckets."""
    return _BUCKETS[number]


def groups_from_wire(numbers: Iterable[query_pb2.GroupBy.ValueType]) -> tuple[GroupBy, ...]:
    """By what is grouped."""
    return tuple(_GROUPS[number] for number in numbers)


def aggregate_to_wire(aggregate: Aggregate, group_by: tuple[GroupBy, ...]) -> query_pb2.AggregateResponse:
    """Counts; enumerations by the names of the contract."""
    return query_pb2.AggregateResponse(
        rows=[_row(row, group_by) for row in aggregate.rows], truncated=aggregate.truncated
    )


def _row(row: AggregateRow, group_by: tuple[GroupBy, ...]) -> query_pb2.AggregateRow:
    return query_pb2.AggregateRow(
        bucket_start=timestamp_to_wire(row.bucket_start) if row.bucket_start is not None else None,
        group=[_group_name(group, value) for group, value in zip(group_by, row.group, strict=True)],
        events=row.events,
        mean_confidence=row.mean_confidence,
    )


def _group_name(group: GroupBy, value: str) -> str:
    if group is GroupBy.OUTCOME:
        return event_pb2.Outcome.Name(OUTCOMES[Outcome(value)])
    if group is GroupBy.VEHICLE:
        return detector_pb2.ObjectClass.Name(OBJECT_CLASSES[ObjectClass(value)])
    return value


def cameras_to_wire(page: CameraPage) -> query_pb2.ListCamerasResponse:
    """A page of cameras."""
    return query_pb2.ListCamerasResponse(
        cameras=[_camera(camera) for camera in page.cameras], next_page_token=page.next_page_token
    )


def _camera(camera: Camera) -> query_pb2.Camera:
    return query_pb2.Camera(
        camera_id=camera.camera_id,
        site_id=camera.site_id,
        node_id=camera.node_id,
        status=_status(camera.status) if camera.status is not None else None,
        reported_at=timestamp_to_wire(camera.reported_at) if camera.reported_at is not None else None,
        last_event_at=timestamp_to_wire(camera.last_event_at) if camera.last_event_at is not None else None,
        events=camera.events,
    )


def _status(status: CameraStatus) -> ingest_pb2.CameraStatus:
    return ingest_pb2.CameraStatus(
        camera_id=status.camera_id,
        state=status.state,
        detail=status.detail,
        capture_fps=status.capture_fps,
        frames_captured=status.frames_captured,
        frames_dropped=status.frames_dropped,
        passes_opened=status.passes_opened,
        passes_closed=status.passes_closed,
        last_frame_at=timestamp_to_wire(status.last_frame_at) if status.last_frame_at is not None else None,
    )


def sighting_to_wire(sighting: Sighting) -> query_pb2.WatchEventsResponse:
    """What a watch gives."""
    event = event_to_wire(sighting.event) if sighting.event is not None else None
    return query_pb2.WatchEventsResponse(event=event, cursor=sighting.cursor)


def explanation_to_wire(event: PlateEvent, explanation: Explanation) -> query_pb2.ExplainEventResponse:
    """An event and why it says what it says."""
    return query_pb2.ExplainEventResponse(
        event=event_to_wire(event),
        summary=explanation.summary,
        characters=[
            query_pb2.CharExplanation(
                position=item.position,
                char=item.char,
                raw_char=item.raw_char,
                posterior=posterior_to_wire([item.posterior])[0],
                reason=item.reason,
            )
            for item in explanation.characters
        ],
        format_description=explanation.format_description,
    )
