"""What can go wrong, as one domain error, and the one table from it to gRPC status and HTTP problem.

Internals never travel: an error that is not a `MeshError` reaches a peer as INTERNAL with a fixed sentence.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "alpr.ovr"
STATUS_METADATA = "grpc-status-details-bin"
# gRPC drops a status whose metadata exceeds 8 KiB, and the caller would learn nothing at all.
MAX_FIELDS = 16
MAX_TEXT = 200
MAX_MESSAGE = 1000
PROBLEM_TYPE = "urn:ovr:error:"


class Kind(enum.Enum):
    """What sort of failure it is; decides the gRPC status, the HTTP code and whether a retry can help."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    STALE = "stale"
    OUT_OF_RANGE = "out_of_range"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    FAILED_PRECONDITION = "failed_precondition"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"
    DATA_LOSS = "data_loss"


@dataclass(frozen=True)
class StatusRow:
    """One row of the table: the gRPC status, the HTTP code and the problem's title."""

    code: grpc.StatusCode
    http: int
    title: str


STATUS: Mapping[Kind, StatusRow] = MappingProxyType(
    {
        Kind.INVALID: StatusRow(grpc.StatusCode.INVALID_ARGUMENT, 400, "Invalid request"),
        Kind.UNAUTHENTICATED: StatusRow(grpc.StatusCode.UNAUTHENTICATED, 401, "Not authenticated"),
        Kind.DENIED: StatusRow(grpc.StatusCode.PERMISSION_DENIED, 403, "Not allowed"),
        Kind.NOT_FOUND: StatusRow(grpc.StatusCode.NOT_FOUND, 404, "Not found"),
        Kind.ALREADY_EXISTS: StatusRow(grpc.StatusCode.ALREADY_EXISTS, 409, "Already exists"),
        Kind.STALE: StatusRow(grpc.StatusCode.ABORTED, 409, "Overtaken by a newer state"),
        Kind.OUT_OF_RANGE: StatusRow(grpc.StatusCode.OUT_OF_RANGE, 410, "No longer kept"),
        Kind.EXHAUSTED: StatusRow(grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "Too much at once"),
        Kind.UNAVAILABLE: StatusRow(grpc.StatusCode.UNAVAILABLE, 503, "Not available now"),
        Kind.DEADLINE: StatusRow(grpc.StatusCode.DEADLINE_EXCEEDED, 504, "Too late"),
        Kind.CANCELLED: StatusRow(grpc.StatusCode.CANCELLED, 499, "Cancelled"),
        Kind.FAILED_PRECONDITION: StatusRow(grpc.StatusCode.FAILED_PRECONDITION, 412, "Not in this state"),
        Kind.UNIMPLEMENTED: StatusRow(grpc.StatusCode.UNIMPLEMENTED, 501, "Not implemented"),
        Kind.INTERNAL: StatusRow(grpc.StatusCode.INTERNAL, 500, "Internal error"),
        Kind.DATA_LOSS: StatusRow(grpc.StatusCode.DATA_LOSS, 500, "Stored data is damaged"),
    }
)
_KIND_OF_CODE = {row.code: kind for kind, row in STATUS.items()} | {grpc.StatusCode.UNKNOWN: Kind.INTERNAL}


@dataclass(frozen=True)
class FieldViolation:
    """A field of the request, as a path such as `frame.camera_id`, and what is wrong with it."""

    field: str
    description: str


class MeshError(Exception):
    """A failure with a kind for machines, a reason for programs (UPPER_SNAKE) and a sentence for people.

    `fields` names what was wrong in the request; `retry_after` is in seconds, None when a retry is of no
    known use; `metadata` is small text that travels along (never secrets).
    """

    def __init__(
        self,
        kind: Kind,
        reason: str,
        message: str,
        *,
        fields: tuple[FieldViolation, ...] = (),
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.reason = reason
        self.message = message
        self.fields = fields
        self.retry_after = retry_after
        self.metadata: Mapping[str, str] = MappingProxyType(dict(metadata or {}))

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self.kind, self.reason, self.message, self.fields, self.retry_after, dict(self.metadata))
        return _rebuild, state

    def __str__(self) -> str:
        text = f"{self.reason}: {self.message}"
        return text + "".join(f"; {v.field}: {v.description}" for v in self.fields)

    def copy(self) -> MeshError:
        """The same error anew, for a second caller: a raised exception collects its raiser's traceback."""
        return _rebuild(
            self.kind, self.reason, self.message, self.fields, self.retry_after, dict(self.metadata)
        )


def _rebuild(
    kind: Kind,
    reason: str,
    message: str,
    fields: tuple[FieldViolation, ...],
    retry_after: float | None,
    metadata: dict[str, str],
) -> MeshError:
    return MeshError(kind, reason, message, fields=fields, retry_after=retry_after, metadata=metadata)


def internal() -> MeshError:
    """What a peer is told about an error it must not see."""
    return MeshError(Kind.INTERNAL, "INTERNAL", "the service failed; its log has the trace id and the cause")


def to_grpc_status(error: MeshError) -> status_pb2.Status:
    """The error as `google.rpc.Status` with ErrorInfo and, where they apply, BadRequest and RetryInfo.

    Long texts are cut, and of many fields the first are kept: the whole must fit into a call's metadata."""
    status = status_pb2.Status(code=STATUS[error.kind].code.value[0], message=error.message[:MAX_MESSAGE])
    metadata = {key[:MAX_TEXT]: text[:MAX_TEXT] for key, text in list(error.metadata.items())[:MAX_FIELDS]}
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    status.details.add().Pack(info)
    if error.fields:
        bad = error_details_pb2.BadRequest()
        for item in error.fields[:MAX_FIELDS]:
            bad.field_violations.add(field=item.field[:MAX_TEXT], description=item.description[:MAX_TEXT])
        status.details.add().Pack(bad)
    if error.retry_after is not None:
        delay = Duration()
        delay.FromNanoseconds(int(error.retry_after * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def from_grpc_status(status: status_pb2.Status) -> MeshError:
    """The error a `google.rpc.Status` stands for; details we do not know are left out."""
    reason, metadata, fields, retry_after = "", {}, [], None
    for detail in status.details:
        info, bad, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            fields += [FieldViolation(v.field, v.description) for v in bad.field_violations]
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
    kind = kind_of(status.code)
    return MeshError(
        kind,
        reason or kind.name,
        status.message,
        fields=tuple(fields),
        retry_after=retry_after,
        metadata=metadata,
    )


def kind_of(code: grpc.StatusCode | int) -> Kind:
    """The kind behind a gRPC status, by code or number; INTERNAL for one we do not know."""
    if isinstance(code, int):
        return next((kind for kind, row in STATUS.items() if row.code.value[0] == code), Kind.INTERNAL)
    return _KIND_OF_CODE.get(code, Kind.INTERNAL)


def from_rpc_error(error: grpc.aio.AioRpcError) -> MeshError:
    """The error behind a failed rpc: from its details if it carries ours, else from its status alone."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_METADATA and isinstance(value, bytes):
            try:
                return from_grpc_status(status_pb2.Status.FromString(value))
            except DecodeError:
                break
    kind = kind_of(error.code())
    return MeshError(kind, kind.name, error.details() or error.code().name.lower().replace("_", " "))


def to_problem(
    error: MeshError, *, instance: str | None = None, trace_id: str | None = None
) -> dict[str, Any]:
    """The error as an RFC 9457 `application/problem+json` object; `status` is the HTTP code."""
    row = STATUS[error.kind]
    problem: dict[str, Any] = {
        "type": PROBLEM_TYPE + error.reason.lower().replace("_", "-"),
        "title": row.title,
        "status": row.http,
        "detail": error.message,
        "reason": error.reason,
    }
    if error.fields:
        problem["fields"] = [{"field": v.field, "description": v.description} for v in error.fields]
    if error.retry_after is not None:
        problem["retry_after"] = error.retry_after
    if error.metadata:
        problem["metadata"] = dict(error.metadata)
    if instance:
        problem["instance"] = instance
    if trace_id:
        problem["trace_id"] = trace_id
    return problem
