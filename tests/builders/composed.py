"""The compose file's own processes on this machine: its environments, commands and health checks, with the
engines where OVR_TEST_* says they are, and names that nobody else has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mesh import probe
from tests.builders.demo_run import free_ports

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
IMAGE: dict[str, str] = dict(re.findall(r"\b(OVR_\w+)=(\S+)", (ROOT / "Dockerfile").read_text("utf-8")))
SERVING = {"detector": 50051, "ocr": 50052, "ingest": 50053, "query": 50054, "alert": 50055, "gateway": 8000}
PAGES = {"pilot": 8001}
START_SECONDS = 120.0


@dataclass(frozen=True)
class Deployment:
    """A folder with `secrets` and `config`, one of data with a path short enough for sockets, what stands
    for what in the texts of the file, and variables of our own."""

    folder: Path
    homes: Path
    places: Mapping[str, str]
    own: Mapping[str, str]

    @classmethod
    def make(
        cls, folder: Path, homes: Path, engines: Mapping[str, str], own: Mapping[str, str]
    ) -> Deployment:
        """Places for every service on free ports."""
        ports = {**SERVING, **PAGES}
        free = free_ports(len(ports))
        places = dict(engines)
        for (name, port), here in zip(ports.items(), free, strict=True):
            for address in (f"{name}:{port}", f"0.0.0.0:{port}", f"127.0.0.1:{port}"):
                places[address] = f"127.0.0.1:{here}"
        places |= {"/run/secrets": str(folder / "secrets"), "/etc/ovr": str(folder / "config")}
        return cls(folder, homes, places, own)

    def here(self, text: str, name: str) -> str:
        """A text of the file as it is meant on this machine."""
        text = re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", text).replace("/var/lib/ovr", str(self._home(name)))
        for there, here in self.places.items():
            text = text.replace(there, here)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """What a service finds in its environment: of the image, of the file, and of this machine."""
        given = {**IMAGE, **SERVICES[name]["environment"]}
        pages = {key: "0" for key in IMAGE if key.endswith("_METRICS_PORT")}
        if name in PAGES:
            pages["OVR_EDGE_METRICS_PORT"] = self.here("127.0.0.1:8001", name).rpartition(":")[2]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        machine = {"PATH": path, "OVR_METRICS_HOST": "127.0.0.1"}
        meant = {key: self.here(str(value), name) for key, value in given.items()}
        return {**meant, **pages, **machine, **self.own}

    def command(self, name: str) -> list[str]:
        """How a service starts."""
        command = [self.here(part, name) for part in SERVICES[name]["command"]]
        return [*SERVICES[name].get("entrypoint", (sys.executable, "-m")), *command]

    def prepare(self, name: str) -> None:
        """Run what runs once to its end; AssertionError with what it says if it fails."""
        argv, env = self.command(name), self.environment(name)
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, (name, done.stdout, done.stderr)

    @contextmanager
    def running(self, *names: str) -> Iterator[None]:
        """The services, all well by their own health checks; they are stopped at the end."""
        with ExitStack() as stack:
            for name in names:
                stack.enter_context(self._process(name))
            for name in names:
                self._wait(name)
            yield

    def log(self, name: str) -> str:
        """What a service has said."""
        return (self._home(name) / "log").read_text("utf-8")

    def _home(self, name: str) -> Path:
        return self.homes / name

    @contextmanager
    def _process(self, name: str) -> Iterator[None]:
        shutil.rmtree(self._home(name), ignore_errors=True)
        self._home(name).mkdir(parents=True)
        with (self._home(name) / "log").open("w") as log:
            process = subprocess.Popen(
                self.command(name), env=self.environment(name), cwd=self._home(name), stdout=log, stderr=log
            )
            try:
                yield
            finally:
                process.terminate()
                process.wait(30)

    def _wait(self, name: str) -> None:
        *_, address = SERVICES[name]["healthcheck"]["test"]
        until = time.monotonic() + START_SECONDS
        while probe.main([self.here(address, name)]):
            assert time.monotonic() < until, (name, self.log(name)[-3000:])
            time.sleep(0.5)
