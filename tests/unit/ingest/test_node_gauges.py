"""Edge boxes' reports as gauges: the newest of each box, and no more series than are bounded."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.telemetry import Telemetry
from plates.event import Outcome
from services.ingest.node_gauges import NodeGauges
from storage.events.port import CameraStatus, MachineStatus, NodeStatus, SpoolStatus
from tests.builders.events import START

UNKNOWN = MachineStatus()
BARE = 4
OF_CAMERA = 2 + len(Outcome)


@dataclass
class Clock:
    """Seconds, moved by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def series(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    """Value by name and labels' values, of what the metrics page shows of edge boxes."""
    return {
        (sample.name.removeprefix("ovr_node_"), *sample.labels.values()): sample.value
        for metric in telemetry.registry.collect()
        if metric.name.startswith("ovr_node_")
        for sample in metric.samples
    }


def report(node: str, *cameras: CameraStatus, machine: MachineStatus = UNKNOWN) -> NodeStatus:
    """A box's report."""
    return NodeStatus("site", node, START, cameras, SpoolStatus(3, 100, {"full": 2, "old": 1}), machine)


def test_a_report_is_shown_whole() -> None:
    """Machine, spool and cameras of a report stand on the metrics page; outcomes nobody knows do not."""
    telemetry = Telemetry("t")
    camera = CameraStatus("gate", "streaming", capture_fps=12.5, passes_closed={"read": 7, "made-up": 9})
    machine = MachineStatus(cpu_celsius=51.0, gpu_use=0.5, disk_free_bytes=10)
    NodeGauges(telemetry).show(report("box", camera, machine=machine))
    shown = series(telemetry)
    assert shown[("reported_timestamp_seconds", "site", "box")] == START.timestamp()
    assert shown[("spool_events", "site", "box")] == 3
    assert shown[("spool_shed", "site", "box")] == 3
    assert shown[("temperature_celsius", "site", "box", "cpu")] == 51
    assert shown[("gpu_use_ratio", "site", "box")] == 0.5
    assert shown[("camera_up", "site", "box", "gate")] == 1
    assert shown[("camera_frames_per_second", "site", "box", "gate")] == 12.5
    assert shown[("camera_passes_closed", "site", "box", "gate", "read")] == 7
    assert len(shown) == BARE + 3 + OF_CAMERA


def test_what_a_box_no_longer_reports_vanishes() -> None:
    """A camera taken away and a sensor that fell silent leave no stale number behind."""
    telemetry = Telemetry("t")
    gauges = NodeGauges(telemetry)
    old, new = CameraStatus("old", "streaming"), CameraStatus("new", "stalled")
    gauges.show(report("box", old, machine=MachineStatus(cpu_celsius=51.0)))
    gauges.show(report("box", new))
    shown = series(telemetry)
    assert shown[("camera_up", "site", "box", "new")] == 0
    assert len(shown) == BARE + OF_CAMERA


def test_a_silent_box_is_forgotten() -> None:
    """A box that has not reported for a while is shown no more once another one reports."""
    telemetry, clock = Telemetry("t"), Clock()
    gauges = NodeGauges(telemetry, forget_seconds=60, clock=clock)
    gauges.show(report("gone", CameraStatus("gate", "streaming")))
    clock.now = 61
    gauges.show(report("here"))
    assert {key[2] for key in series(telemetry)} == {"here"}


def test_series_are_bounded() -> None:
    """Boxes beyond the bound are not shown, those within it stay, and room that comes free is used."""
    telemetry, clock = Telemetry("t"), Clock()
    gauges = NodeGauges(telemetry, max_series=2 * BARE, forget_seconds=60, clock=clock)
    for number in range(50):
        gauges.show(report(f"box-{number}"))
    assert {key[2] for key in series(telemetry)} == {"box-0", "box-1"}
    clock.now = 61
    gauges.show(report("late"))
    assert {key[2] for key in series(telemetry)} == {"late"}
