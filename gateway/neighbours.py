"""The services behind the gateway: a channel and a stub each, and whether they are ready."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.settings import GatewaySettings
from mesh.client import MeshChannel, connect
from mesh.health import ask
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import alert_pb2_grpc, detector_pb2_grpc, gateway_pb2, ocr_pb2_grpc, query_pb2_grpc

STUBS = {
    "alert": alert_pb2_grpc.AlertServiceStub,
    "detector": detector_pb2_grpc.DetectorServiceStub,
    "ocr": ocr_pb2_grpc.OcrServiceStub,
    "query": query_pb2_grpc.QueryServiceStub,
}


@dataclass(frozen=True)
class Neighbours:
    """Channels and stubs by the service's short name."""

    channels: Mapping[str, MeshChannel]
    stubs: Mapping[str, Any]

    async def readiness(self) -> gateway_pb2.ReadinessResponse:
        """Asks each service whether it, and what it depends on in turn, is ready."""
        names = sorted(self.channels)
        answers = await asyncio.gather(*(ask(self.channels[name]) for name in names))
        return gateway_pb2.ReadinessResponse(
            ready=all(answers),
            dependencies=[
                gateway_pb2.Dependency(
                    name=name, ready=ready, detail="" if ready else "is not ready or does not answer"
                )
                for name, ready in zip(names, answers, strict=True)
            ],
        )

    async def __aenter__(self) -> Neighbours:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every channel."""
        await asyncio.gather(*(channel.close() for channel in self.channels.values()))


def open_neighbours(settings: GatewaySettings, telemetry: Telemetry) -> Neighbours:
    """Channels to where the settings say the services are. They connect on first use."""
    channels = {
        name: connect(settings.target(name), peer=name, settings=settings, telemetry=telemetry)
        for name in STUBS
    }
    return Neighbours(channels, {name: stub(channels[name]) for name, stub in STUBS.items()})
