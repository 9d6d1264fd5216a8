"""The newest report of each edge box as gauges, for boxes that Prometheus cannot reach itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import Gauge

from mesh import names
from mesh.logs import logger
from mesh.telemetry import Telemetry
from plates.event import Outcome
from storage.events.port import CameraStatus, NodeStatus

# A recording that has ended is as it should be.
_UP = ("streaming", "ended")

Series = tuple[Gauge, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Shown:
    at: float
    series: frozenset[Series]


class NodeGauges:
    """Shows what edge boxes report. A box that has not reported for `forget_seconds` vanishes; boxes that
    would make more than `max_series` series are not shown, because their names come from outside."""

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        max_series: int = 50_000,
        forget_seconds: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_series, self._forget_seconds, self._clock = max_series, forget_seconds, clock
        self._shown: dict[tuple[str, str], _Shown] = {}
        self._series = 0
        self._full = False
        self._reported = telemetry.gauge(names.NODE_REPORTED)
        self._spool_events = telemetry.gauge(names.NODE_SPOOL_EVENTS)
        self._spool_bytes = telemetry.gauge(names.NODE_SPOOL_BYTES)
        self._spool_shed = telemetry.gauge(names.NODE_SPOOL_SHED)
        self._temperature = telemetry.gauge(names.NODE_TEMPERATURE)
        self._gpu_use = telemetry.gauge(names.NODE_GPU_USE)
        self._disk_free = telemetry.gauge(names.NODE_DISK_FREE)
        self._disk = telemetry.gauge(names.NODE_DISK)
        self._up = telemetry.gauge(names.NODE_CAMERA_UP)
        self._fps = telemetry.gauge(names.NODE_CAMERA_FPS)
        self._passes = telemetry.gauge(names.NODE_CAMERA_PASSES)

    def show(self, status: NodeStatus) -> None:
        """Put a report in the place of the box's last one."""
        self._forget_silent()
        node = (status.site_id, status.node_id)
        values = {(gauge, (*node, *labels)): value for gauge, labels, value in self._values(status)}
        before = self._shown.get(node, _Shown(0.0, frozenset()))
        if self._series - len(before.series) + len(values) > self._max_series:
            self._refuse(node)
            return
        for (gauge, labels), value in values.items():
            gauge.labels(*labels).set(value)
        self._hide(before.series - values.keys())
        self._series += len(values) - len(before.series)
        self._shown[node] = _Shown(self._clock(), frozenset(values))

    def _values(self, status: NodeStatus) -> Iterator[tuple[Gauge, tuple[str, ...], float]]:
        machine, spool = status.machine, status.spool
        yield self._reported, (), status.reported_at.timestamp()
        yield self._spool_events, (), spool.events
        yield self._spool_bytes, (), spool.bytes
        yield self._spool_shed, (), sum(spool.shed.values())
        known = (
            (self._temperature, ("cpu",), machine.cpu_celsius),
            (self._temperature, ("gpu",), machine.gpu_celsius),
            (self._gpu_use, (), machine.gpu_use),
            (self._disk_free, (), machine.disk_free_bytes),
            (self._disk, (), machine.disk_bytes),
        )
        yield from ((gauge, labels, value) for gauge, labels, value in known if value is not None)
        for camera in status.cameras:
            yield from self._of_camera(camera)

    def _of_camera(self, camera: CameraStatus) -> Iterator[tuple[Gauge, tuple[str, ...], float]]:
        yield self._up, (camera.camera_id,), float(camera.state in _UP)
        yield self._fps, (camera.camera_id,), camera.capture_fps
        for outcome in Outcome:
            closed = camera.passes_closed.get(outcome.value, 0)
            yield self._passes, (camera.camera_id, outcome.value), closed

    def _forget_silent(self) -> None:
        now = self._clock()
        silent = [node for node, shown in self._shown.items() if now - shown.at > self._forget_seconds]
        for node in silent:
            gone = self._shown.pop(node)
            self._hide(gone.series)
            self._series -= len(gone.series)
            self._full = False

    def _refuse(self, node: tuple[str, str]) -> None:
        if not self._full:  # once, until there is room again
            why = "more series than are shown"
            logger("event-writer").warning("edge box not shown in the metrics", node=node, why=why)
        self._full = True

    @staticmethod
    def _hide(series: frozenset[Series]) -> None:
        for gauge, labels in series:
            gauge.remove(*labels)
