"""What an edge box tells of itself every few seconds, and at its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from edge.capture.clock import utc_now
from edge.lane import Lane
from edge.machine import Machine
from edge.meters import Stages
from edge.passes.event import Identity
from mesh import names
from mesh.errors import MeshError
from mesh.logs import logger
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import ingest_pb2, ingest_pb2_grpc
from wire.event import timestamp_to_wire

_MAX_DETAIL = 512


class SpoolState(Protocol):
    """How full the spool is."""

    @property
    def events(self) -> int:
        """Events that wait for their ack."""

    @property
    def bytes(self) -> int:
        """Bytes on disk."""

    @property
    def shed(self) -> Mapping[str, int]:
        """Events shed since the start, by reason."""


class Reporter:
    """Sends ReportStatus; a report that fails is not sent again, the next one is newer."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        spool_state: Callable[[], SpoolState],
        stub: ingest_pb2_grpc.IngestServiceAsyncStub,
        identity: Identity,
        machine: Machine,
        telemetry: Telemetry,
        interval: float,
    ) -> None:
        self._lanes, self._spool_state, self._stub = lanes, spool_state, stub
        self._machine = machine
        self._identity, self._interval = identity, interval
        self._spooled = telemetry.gauge(names.SPOOL_EVENTS)
        self._told = {lane.camera.id: (time.monotonic(), 0) for lane in lanes}
        self._reached = True

    async def run(self) -> None:
        """Reports until cancelled."""
        while True:
            await self.report()
            await asyncio.sleep(self._interval)

    async def report(self) -> None:
        """Sends one report."""
        try:
            machine = await asyncio.to_thread(self._machine.status)  # a sensor may take its time
            await self._stub.ReportStatus(self.message(machine))
            self._reached = True
        except MeshError as error:
            if self._reached:  # once for each outage
                logger("edge.status").warning("status not reported", why=str(error))
            self._reached = False

    def message(self, machine: ingest_pb2.MachineStatus) -> ingest_pb2.ReportStatusRequest:
        """The state as it is now."""
        spool = self._spool_state()
        self._spooled.set(spool.events)
        return ingest_pb2.ReportStatusRequest(
            site_id=self._identity.site_id,
            node_id=self._identity.node_id,
            reported_at=timestamp_to_wire(utc_now()),
            cameras=[self._camera(lane) for lane in self._lanes],
            spool=ingest_pb2.SpoolStatus(events=spool.events, bytes=spool.bytes, shed=dict(spool.shed)),
            machine=machine,
        )

    def _camera(self, lane: Lane) -> ingest_pb2.CameraStatus:
        count, (state, detail) = lane.capture.count, lane.capture.state()
        now = time.monotonic()
        told_at, told = self._told[lane.camera.id]
        self._told[lane.camera.id] = (now, count.captured)
        status = ingest_pb2.CameraStatus(
            camera_id=lane.camera.id,
            state=state.value,
            detail=detail[:_MAX_DETAIL],
            capture_fps=(count.captured - told) / max(1e-3, now - told_at),
            frames_captured=count.captured,
            frames_dropped={reason.value: number for reason, number in count.dropped.items() if number},
            passes_opened=lane.meter.opened,
            passes_closed={outcome.value: number for outcome, number in lane.meter.closed.items()},
        )
        if count.last_frame_at is not None:
            status.last_frame_at.CopyFrom(timestamp_to_wire(count.last_frame_at))
        return status


def summary(
    lanes: Sequence[Lane], stages: Stages, spool: SpoolState, published: Mapping[str, int]
) -> dict[str, Any]:
    """A run in numbers, for `--summary`: passes and frames of each camera and of all, ms of each stage."""
    cameras = {lane.camera.id: _of_lane(lane) for lane in lanes}
    return {
        "passes": _sum(c["passes"] for c in cameras.values()),
        "frames": _sum(c["frames"] for c in cameras.values()),
        "crops_read": sum(c["crops_read"] for c in cameras.values()),
        "stages_ms": {
            stage: {
                "count": times.count,
                "mean": round(times.mean_ms(), 3),
                "p50": round(times.percentile_ms(0.5), 3),
                "p95": round(times.percentile_ms(0.95), 3),
            }
            for stage, times in sorted(stages.times.items())
        },
        "spool": {"events": spool.events, "bytes": spool.bytes, "shed": dict(spool.shed)},
        "published": dict(published),
        "cameras": cameras,
    }


def _of_lane(lane: Lane) -> dict[str, Any]:
    count, meter = lane.capture.count, lane.meter
    state, detail = lane.capture.state()
    return {
        "source": lane.capture.source.name,
        "state": state.value,
        "detail": detail,
        "passes": {
            "opened": meter.opened,
            "closed": {outcome.value: number for outcome, number in sorted(meter.closed.items())},
            "reasons": {reason.value: number for reason, number in sorted(meter.reasons.items())},
        },
        "decode_ms": round(count.decode_s / count.captured * 1000, 3) if count.captured else 0.0,
        "frames": {
            "captured": count.captured,
            "searched": meter.searched,
            "still": meter.still,
            "dropped": {reason.value: number for reason, number in sorted(count.dropped.items()) if number},
        },
        "crops_read": meter.crops_read,
        "reconnects": count.reconnects,
    }


def _sum(parts: Any) -> dict[str, Any]:
    """The parts added up: numbers by name, and names within names."""
    total: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            total[key] = (
                _sum([total.get(key, {}), value]) if isinstance(value, dict) else total.get(key, 0) + value
            )
    return total
