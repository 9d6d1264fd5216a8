"""What an edge box tells of its own machine, from a /sys as a Jetson and a PC have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.machine import Machine


def zone(sys: Path, number: int, name: str, milli: str) -> None:
    """A thermal zone."""
    folder = sys / f"class/thermal/thermal_zone{number}"
    folder.mkdir(parents=True)
    (folder / "type").write_text(name + "\n")
    (folder / "temp").write_text(milli + "\n")


@pytest.mark.parametrize("gpu", ["17000000.gpu", "17000000.ga10b", "17000000.gv11b"])
def test_a_jetson_tells_its_temperatures_and_its_gpu(tmp_path: Path, gpu: str) -> None:
    """The hottest zone of each part and the GPU's load are told; a sensor without power is passed over."""
    for number, (name, milli) in enumerate(
        [
            ("CPU-therm", "48500"),
            ("SOC0-therm", "51250"),
            ("GPU-therm", "47000"),
            ("CV0-therm", "99000"),
            ("cpu-off", "-256000"),
        ]
    ):
        zone(tmp_path, number, name, milli)
    load = tmp_path / "class/devfreq" / gpu / "device/load"
    load.parent.mkdir(parents=True)
    load.write_text("437\n")
    status = Machine(tmp_path, sys=tmp_path).status()
    assert (status.cpu_celsius, status.gpu_celsius) == (51.25, 47.0)
    assert status.gpu_use == pytest.approx(0.437)


def test_what_a_machine_does_not_tell_is_not_set(tmp_path: Path) -> None:
    """Without sensors only the disk is told, and without the disk nothing."""
    status = Machine(tmp_path, sys=tmp_path / "none").status()
    assert {field.name for field, _ in status.ListFields()} == {"disk_free_bytes", "disk_bytes"}
    assert 0 < status.disk_free_bytes < status.disk_bytes
    assert not Machine(tmp_path / "gone", sys=tmp_path).status().ListFields()


def test_a_sensor_that_answers_nonsense_is_passed_over(tmp_path: Path) -> None:
    """A zone without a number and one whose file is missing leave the others as they are."""
    zone(tmp_path, 0, "x86_pkg_temp", "61000")
    zone(tmp_path, 1, "cpu", "")
    zone(tmp_path, 2, "cpu", "90000")
    (tmp_path / "class/thermal/thermal_zone2/type").unlink()
    assert Machine(tmp_path, sys=tmp_path).status().cpu_celsius == 61.0
