"""What an edge box can tell of its own machine: temperatures, the GPU, the disk. Read from /sys and statvfs.

The paths of a Jetson are as its kernels of JetPack 5 and 6 name them; they have not been run on one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ovr.alpr.v1 import ingest_pb2

# How thermal zones are called: PC and virtual machine, Raspberry Pi, Jetson.
_CPU_ZONES = ("x86_pkg_temp", "cpu", "soc", "acpitz")
_GPU_ZONES = ("gpu",)
_GPU_LOAD = "class/devfreq/*gpu/device/load", "class/devfreq/*.g[avp]*b/device/load"
_PER_MILLE = 1000


class Machine:
    """The machine whose spool lies at `disk`."""

    def __init__(self, disk: Path, *, sys: Path = Path("/sys")) -> None:
        self._disk, self._sys = disk, sys

    def status(self) -> ingest_pb2.MachineStatus:
        """The state as it is now; what this machine does not tell is not set."""
        status = ingest_pb2.MachineStatus()
        zones = self._zones()
        cpu, gpu = _hottest(zones, _CPU_ZONES), _hottest(zones, _GPU_ZONES)
        if cpu is not None:
            status.cpu_celsius = cpu
        if gpu is not None:
            status.gpu_celsius = gpu
        loads = [load for pattern in _GPU_LOAD for load in _numbers(sorted(self._sys.glob(pattern)))]
        if loads:
            status.gpu_use = min(1.0, max(0.0, max(loads) / _PER_MILLE))
        self._tell_disk(status)
        return status

    def _zones(self) -> list[tuple[str, float]]:
        """Name, in small letters, and °C of each thermal zone."""
        found = []
        for zone in self._sys.glob("class/thermal/thermal_zone*"):
            for name, milli in zip(_lines([zone / "type"]), _numbers([zone / "temp"]), strict=False):
                found.append((name.lower(), milli / 1000))
        return found

    def _tell_disk(self, status: ingest_pb2.MachineStatus) -> None:
        try:
            disk = os.statvfs(self._disk)
        except OSError:
            return  # the report leaves out what cannot be known
        status.disk_free_bytes, status.disk_bytes = (
            disk.f_bavail * disk.f_frsize,
            disk.f_blocks * disk.f_frsize,
        )


def _hottest(zones: Iterable[tuple[str, float]], names: tuple[str, ...]) -> float | None:
    """The highest temperature of zones whose name begins so; a sensor without power reads 0 or less."""
    return max((celsius for name, celsius in zones if name.startswith(names) and celsius > 0), default=None)


def _lines(files: Iterable[Path]) -> list[str]:
    """The first line of each file that can be read."""
    found = []
    for file in files:
        try:
            found.append(file.read_text("ascii", "replace").strip())
        except OSError:
            continue  # a sensor whose driver sleeps answers with an error
    return found


def _numbers(files: Iterable[Path]) -> list[int]:
    return [int(line) for line in _lines(files) if line.lstrip("-").isdigit()]
