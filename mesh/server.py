"""A gRPC server of the mesh: guards, health, reflection, TLS, and a drain that leaves nothing half done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from mesh import tls
from mesh.guards import Guards, Streams, deadline_guard, errors_guard, limits_guard, telemetry_guard
from mesh.health import Check, Health
from mesh.logs import logger
from mesh.settings import ConfigError, MeshSettings
from mesh.telemetry import Telemetry

MIB = 1 << 20
# Room for a message's own fields beside the largest payload that the contract allows.
ENVELOPE = 64 << 10


@dataclass(frozen=True)
class Service:
    """A servicer and how it is added: the generated `add_XServicer_to_server` and the service's full name.

    `unchecked` names stream rpcs (`DetectStream`) whose servicer runs mesh.validation.check on each message
    itself, because the contract answers a bad message instead of ending the stream.
    """

    add_to_server: Callable[[Any, Any], None]
    servicer: Any
    full_name: str
    unchecked: Collection[str] = ()


def message_options(max_message_mib: int) -> list[tuple[str, int]]:
    """Channel options for the largest message and for keepalive, the same on both sides."""
    size = max_message_mib * MIB + ENVELOPE
    return [
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", size),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]


class MeshServer:
    """Serves its services until drained; as `async with` it starts on entry and drains on exit.

    `readiness` maps a dependency's name to a check that raises when it is not usable.
    """

    def __init__(
        self,
        settings: MeshSettings,
        name: str,
        *,
        services: Sequence[Service],
        readiness: Mapping[str, Check] | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry or Telemetry(name)
        self._names = [service.full_name for service in services]
        self._streams = Streams()
        self._drained: asyncio.Task[None] | None = None
        self._log = logger(f"{name}.server")
        self.health = Health(self._names, readiness or {})
        unchecked = [f"{service.full_name}/{rpc}" for service in services for rpc in service.unchecked]
        guards = [
            telemetry_guard(self._telemetry, name),
            errors_guard(name),
            limits_guard(self._telemetry, name, settings.max_calls, settings.max_streams),
            deadline_guard,
            self._streams.guard,
        ]
        options = [
            *message_options(settings.max_message_mib),
            ("grpc.so_reuseport", 0),
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ]
        self._server = grpc.aio.server(interceptors=[Guards(guards, unchecked)], options=options)
        for service in services:
            service.add_to_server(service.servicer, self._server)
        self._add_own_services()
        self.address = settings.address()

    def _add_own_services(self) -> None:
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        if self._settings.reflection:
            from grpc_reflection.v1alpha import reflection

            health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
            reflection.enable_server_reflection(
                [*self._names, health_name, reflection.SERVICE_NAME], self._server
            )

    async def start(self) -> str:
        """Listen and serve. Returns the address that was bound, `unix:...` or `host:port` with the real port.

        Raises ConfigError when the address cannot be bound, or another process serves there."""
        address = self._settings.address()
        self.address = self._bind_socket(address) if address.startswith("unix:") else self._bind_port(address)
        await self._server.start()
        self._log.info("serving", address=self.address)
        return self.address

    def _bind_socket(self, address: str) -> str:
        path = Path(address.removeprefix("unix:"))
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_if_served(path)
        mask = os.umask(0o077)  # the socket is for this user only
        try:
            self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigError(f"cannot listen on {address}: {error}") from error
        finally:
            os.umask(mask)
        return address

    def _bind_port(self, address: str) -> str:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ConfigError(f"listen address {address!r}: must be unix:PATH or HOST:PORT")
        credentials = tls.files(self._settings)
        try:
            if credentials is None:
                bound = self._server.add_insecure_port(address)
            else:
                bound = self._server.add_secure_port(address, tls.server_credentials(credentials))
        except RuntimeError as error:
            raise ConfigError(f"cannot listen on {address}: is the port free?") from error
        return f"{host}:{bound}"

    async def drain(self, grace: float | None = None) -> None:
        """Stop: not ready at once, no new calls, running ones end within the grace (seconds), then are
        cancelled.

        Calls get the whole grace; streams, which may have no end of their own, are ended with UNAVAILABLE
        after half of it. A second drain waits for the first."""
        if self._drained is None:
            seconds = self._settings.drain_seconds if grace is None else grace
            self._drained = asyncio.ensure_future(self._drain(seconds))
        await asyncio.shield(self._drained)

    async def _drain(self, grace: float) -> None:
        self.health.drain()
        stopped = asyncio.ensure_future(self._server.stop(grace))
        await asyncio.wait([stopped], timeout=grace / 2)
        ended = 0 if stopped.done() else self._streams.end()
        await stopped
        self._log.info("drained", streams_ended=ended)

    async def __aenter__(self) -> MeshServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain()


def _refuse_if_served(path: Path) -> None:
    """A socket that a live process listens on is not taken over; one a crash left behind is removed."""
    if not path.exists():
        return
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise ConfigError(f"socket {path}: {error.strerror or error}") from error
    raise ConfigError(f"socket {path}: another process serves there")
