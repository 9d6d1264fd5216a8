"""Protobuf to domain and back for ingest."""

from __future__ import annotations

import dataclasses

from google.protobuf.message import DecodeError

from mesh.errors import Kind, MeshError
from ovr.alpr.v1 import ingest_pb2
from services.ingest.core import Picture, Receipt, Result, Submission
from storage.events.port import CameraStatus, MachineStatus, NodeStatus, SpoolStatus
from wire.event import event_from_wire, timestamp_from_wire

_RESULTS = {
    Result.STORED: ingest_pb2.ACK_RESULT_STORED,
    Result.DUPLICATE: ingest_pb2.ACK_RESULT_DUPLICATE,
    Result.DEAD_LETTERED: ingest_pb2.ACK_RESULT_DEAD_LETTERED,
    Result.RETRY: ingest_pb2.ACK_RESULT_RETRY,
}


def submission_from_wire(message: ingest_pb2.PublishEvent) -> Submission:
    """A published event; INVALID for a value that this version does not know."""
    try:
        event = event_from_wire(message.event)
    except (ValueError, OverflowError) as error:
        raise MeshError(Kind.INVALID, "VALUE_UNKNOWN", f"event: {error}") from error
    return Submission(
        dataclasses.replace(event, event_id=event.event_id.lower()),
        tuple(Picture(blob.sha256, blob.data) for blob in message.blobs),
        message.traceparent,
        message.SerializeToString,
    )


def ack_to_wire(message: ingest_pb2.PublishEvent, receipt: Receipt) -> ingest_pb2.PublishResponse:
    """The answer to a published event, with its number and id as they were sent."""
    return ingest_pb2.PublishResponse(
        ack=ingest_pb2.PublishAck(
            spool_sequence=message.spool_sequence,
            event_id=message.event.event_id,
            result=_RESULTS[receipt.result],
            reason=receipt.reason,
        )
    )


def credit_to_wire(events: int) -> ingest_pb2.PublishResponse:
    """Leave to send more."""
    return ingest_pb2.PublishResponse(credit=ingest_pb2.PublishCredit(events=events))


def status_of_record(value: bytes) -> NodeStatus:
    """The report of a record on the log; INVALID if it is none."""
    try:
        message = ingest_pb2.ReportStatusRequest.FromString(value)
        return status_from_wire(message)
    except (DecodeError, ValueError, OverflowError) as error:
        raise MeshError(Kind.INVALID, "NOT_A_STATUS", f"value is no ReportStatusRequest: {error}") from error


def status_from_wire(message: ingest_pb2.ReportStatusRequest) -> NodeStatus:
    """An edge box's report."""
    return NodeStatus(
        message.site_id,
        message.node_id,
        timestamp_from_wire(message.reported_at),
        tuple(_camera(camera) for camera in message.cameras),
        SpoolStatus(message.spool.events, message.spool.bytes, dict(message.spool.shed)),
        _machine(message.machine),
    )


def _machine(machine: ingest_pb2.MachineStatus) -> MachineStatus:
    return MachineStatus(**{known.name: value for known, value in machine.ListFields()})


def _camera(camera: ingest_pb2.CameraStatus) -> CameraStatus:
    return CameraStatus(
        camera.camera_id,
        camera.state,
        camera.detail,
        camera.capture_fps,
        camera.frames_captured,
        dict(camera.frames_dropped),
        camera.passes_opened,
        dict(camera.passes_closed),
        timestamp_from_wire(camera.last_frame_at) if camera.HasField("last_frame_at") else None,
    )
