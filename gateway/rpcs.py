"""The REST paths that are one rpc each, as data: what serves them and what describes them at /docs read
this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.auth import Role
from ovr.alpr.v1 import alert_pb2, query_pb2


@dataclass(frozen=True)
class Rpc:
    """One path: `verb path` calls `rpc`; what is in braces in the path goes into the request's field of that
    name.

    Of a GET the query gives the other fields, of a POST the body (the request message's JSON). `event` names
    the server-sent events of a streaming rpc, whose messages carry the field of that name and a cursor.
    """

    verb: str
    path: str
    rpc: MethodDescriptor
    tag: str
    role: Role = Role.READ
    event: str = ""
    peer: str = field(init=False)

    def __post_init__(self) -> None:
        service = self.rpc.containing_service.name
        object.__setattr__(self, "peer", service.removesuffix("Service").lower())

    @property
    def request(self) -> type[Message]:
        """The request's class."""
        return GetMessageClass(self.rpc.input_type)

    def of(self, stubs: Mapping[str, Any]) -> Callable[..., Any]:
        """The stub's callable, from the stubs by peer."""
        call: Callable[..., Any] = getattr(stubs[self.peer], self.rpc.name)
        return call


def _rpc(file: FileDescriptor, service: str, name: str) -> MethodDescriptor:
    return file.services_by_name[service].methods_by_name[name]


def _query(name: str) -> MethodDescriptor:
    return _rpc(query_pb2.DESCRIPTOR, "QueryService", name)


def _alert(name: str) -> MethodDescriptor:
    return _rpc(alert_pb2.DESCRIPTOR, "AlertService", name)


RPCS: tuple[Rpc, ...] = (
    Rpc("GET", "/v1/events", _query("ListEvents"), "events"),
    Rpc("GET", "/v1/events:search", _query("SearchEvents"), "events"),
    Rpc("GET", "/v1/events:watch", _query("WatchEvents"), "events", event="event"),
    Rpc("GET", "/v1/events/{event_id}", _query("GetEvent"), "events"),
    Rpc("GET", "/v1/events/{event_id}/explain", _query("ExplainEvent"), "events"),
    Rpc("GET", "/v1/aggregates", _query("Aggregate"), "events"),
    Rpc("GET", "/v1/cameras", _query("ListCameras"), "cameras"),
    Rpc("GET", "/v1/alerts", _alert("ListAlerts"), "alerts"),
    Rpc("GET", "/v1/alerts:watch", _alert("WatchAlerts"), "alerts", event="alert"),
    Rpc("POST", "/v1/alerts/{alert_id}:acknowledge", _alert("Acknowledge"), "alerts", role=Role.WRITE),
    Rpc("GET", "/v1/rules", _alert("ListRules"), "alerts"),
    Rpc("POST", "/v1/rules:test", _alert("TestRule"), "alerts"),
)
EVIDENCE = _query("GetEvidence")
