"""`ovr doctor`: what works on this machine, what does not, and how to mend it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.console import out
from cli.peers import is_ready, settings
from cli.processes import PARTS


class State(str, Enum):
    """How one finding stands; only BROKEN makes the doctor's exit code 1."""

    OK = "ok"
    ABSENT = "absent"
    BROKEN = "broken"


STYLES = {State.OK: "green", State.ABSENT: "yellow", State.BROKEN: "bold red"}
ENOUGH_DISK = 1 << 30  # bytes: some 50,000 passes with their pictures
ENOUGH_SHARED_MEMORY = 256 << 20  # bytes: a ring of sixteen 1080p frames for two cameras


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `mend` says what to do, if there is something to do."""

    name: str
    state: State
    detail: str
    mend: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a finding, a line each.")] = False,
) -> None:
    """Look at this machine: what works, what does not, how to mend it. Exit code 1 if something is broken.

    Example: ovr doctor
    """
    broken = False
    for look in LOOKS:
        for finding in look():
            broken |= finding.state is State.BROKEN
            _print(finding, as_json)
    if broken:
        raise SystemExit(1)


def _print(finding: Finding, as_json: bool) -> None:
    if as_json:
        import dataclasses

        import orjson

        print(orjson.dumps(dataclasses.asdict(finding)).decode())
        return
    state = (f"{finding.state.value:<7}", STYLES[finding.state])
    line = Text.assemble(state, f" {finding.name:<16} {finding.detail}")
    if finding.mend:
        line.append(f"\n{'':25}-> {finding.mend}", "dim")
    out().print(line)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 10) <= sys.version_info < (3, 14)
    mend = "" if good else "make clean, then make PYTHON=/path/to/python3.12 setup"
    yield Finding("python", State.OK if good else State.BROKEN, version, mend)


def _engines() -> Iterator[Finding]:
    engines = (
        ("openvino", "openvino", State.BROKEN, "make setup"),
        ("onnxruntime", "onnxruntime", State.ABSENT, ".uv/bin/uv pip install -e '.[onnx]'"),
        ("tensorrt", "tensorrt", State.ABSENT, "only on NVIDIA GPUs: docs/jetson.md"),
        ("paddleocr", "paddleocr", State.ABSENT, ".uv/bin/uv pip install -e '.[paddle]'"),
    )
    for name, module, otherwise, mend in engines:
        if importlib.util.find_spec(module) is None:
            yield Finding(name, otherwise, "not installed", mend)
        else:
            yield Finding(name, State.OK, "installed")


def _models() -> Iterator[Finding]:
    from vision.manifest import Manifest
    from vision.port import VisionError

    try:
        manifest = Manifest.load()
    except VisionError as error:
        yield Finding("models", State.BROKEN, str(error), "git checkout models/")
        return
    for entry in manifest.entries:
        try:
            manifest.weights(entry)
        except VisionError as error:
            yield Finding(entry.name, State.BROKEN, str(error), "git checkout models/")
        else:
            yield Finding(entry.name, State.OK, f"{entry.kind} {entry.version}, sha256 as it should be")


def _registry() -> Iterator[Finding]:
    """Only where one is set: models need none."""
    from mesh.errors import MeshError
    from mesh.settings import ConfigError, load
    from vision.registry.settings import RegistrySettings

    try:
        registry = load(RegistrySettings).registry()
        if registry is not None:
            yield Finding("model registry", State.OK, f"answers, has {len(registry.names())} models")
    except (MeshError, ConfigError) as error:
        mend = "start it, or unset OVR_MLFLOW; what was fetched before serves meanwhile"
        yield Finding("model registry", State.BROKEN, str(error), mend)


def _capture() -> Iterator[Finding]:
    import av

    codecs = [name for name in ("h264", "hevc", "mjpeg", "av1") if name in av.codecs_available]
    yield Finding("pyav", State.OK, f"decodes {', '.join(codecs)}")
    if importlib.util.find_spec("gi") is None:
        mend = "for GStreamer: apt-get install gstreamer1.0-plugins-good, .uv/bin/uv pip install PyGObject"
        yield Finding("gstreamer", State.ABSENT, "no PyGObject; PyAV captures", mend)
    else:
        yield Finding("gstreamer", State.OK, "PyGObject is installed")
    gpu = Path("/dev/nvidia0").exists() or Path("/dev/nvhost-gpu").exists()
    yield Finding(
        "nvidia gpu", State.OK if gpu else State.ABSENT, "found" if gpu else "none; the CPU does it all"
    )


def _places() -> Iterator[Finding]:
    home = settings().home
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        yield Finding("data directory", State.BROKEN, str(error), "set OVR_HOME to a writable directory")
        return
    yield _room("data directory", home, ENOUGH_DISK, "free some disk, or set OVR_HOME to a larger one")
    shared = Path("/dev/shm")
    if shared.is_dir():
        yield _room("shared memory", shared, ENOUGH_SHARED_MEMORY, "in a container: --shm-size=512m")


def _room(name: str, path: Path, enough: int, mend: str) -> Finding:
    free = shutil.disk_usage(path).free
    detail = f"{path.resolve()}, {free / 2**30:.1f} GiB free"
    good = free >= enough and os.access(path, os.W_OK)
    return Finding(name, State.OK if good else State.BROKEN, detail, "" if good else mend)


def _configuration() -> Iterator[Finding]:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "cli", "config", "check"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        yield Finding("configuration", State.BROKEN, done.stderr.strip(), "mend what is named")
    else:
        yield Finding("configuration", State.OK, "every process's settings and files are right")


def _mesh() -> Iterator[Finding]:
    configured = settings()
    ready = {}
    for part in PARTS:
        if part.serves:
            ready[part.name] = asyncio.run(is_ready(configured, part.name))
    up = [name for name, good in ready.items() if good]
    if not up:
        yield Finding("mesh", State.ABSENT, "not running here", "ovr up")
        return
    for name, good in ready.items():
        mend = "" if good else f"see {configured.home / 'logs' / (name + '.log')}"
        yield Finding(name, State.OK if good else State.BROKEN, "ready" if good else "not ready", mend)


def _gateway() -> Iterator[Finding]:
    from gateway.settings import GatewaySettings
    from mesh.settings import load

    address = load(GatewaySettings).listen
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.settimeout(0.5)
        taken = probe.connect_ex((host.strip("[]"), int(port))) == 0
    yield Finding("gateway", State.OK, f"{address} {'answers' if taken else 'is free'}")


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _engines,
    _models,
    _registry,
    _capture,
    _places,
    _configuration,
    _mesh,
    _gateway,
)
