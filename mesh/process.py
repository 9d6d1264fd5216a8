"""The life of a process: settings, logs, telemetry, a main coroutine, an orderly end; for each `__main__`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from mesh import logs, telemetry
from mesh.settings import ConfigError, MeshSettings, load, table
from mesh.telemetry import Telemetry

S = TypeVar("S", bound=MeshSettings)

# A descriptor that a supervisor keeps open for as long as it lives: its end means stop.
SUPERVISOR_FD = "OVR_SUPERVISOR_FD"


@dataclass(frozen=True)
class Process:
    """What a main coroutine is given: `stop` is set by SIGTERM, SIGINT or the end of the supervisor."""

    name: str
    telemetry: Telemetry
    stop: asyncio.Event = field(default_factory=asyncio.Event)


Main = Callable[[S, Process], Awaitable[int]]


def run(main: Main[S], settings_cls: type[S], name: str) -> None:
    """Run a process to its end and leave with its exit code; never returns.

    `--check-config` prints the settings in force and leaves with 0, or with 2 if one is wrong. A second
    signal while the process drains ends it at once.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=settings_cls.__doc__)
    parser.add_argument("--check-config", action="store_true", help="print the settings in force and leave")
    arguments = parser.parse_args()
    settings = load(settings_cls)
    if arguments.check_config:
        for variable, value in table(settings).items():
            print(f"{variable}={value}")
        raise SystemExit(0)
    logs.configure(settings.log_level, settings.log_format, name)
    spans = telemetry.setup(settings, name)
    try:
        code = asyncio.run(_live(main, settings, name, spans))
    except KeyboardInterrupt:
        code = 130
    finally:
        spans.close()
    sys.exit(code)


async def _live(main: Main[S], settings: S, name: str, spans: Telemetry) -> int:
    process = Process(name, spans)
    _stop_on_signals(process.stop)
    _stop_with_supervisor(process.stop)
    log = logs.logger("mesh.process")
    log.info("started", pid=os.getpid())
    try:
        with _metrics_page(settings, spans):
            code = await main(settings, process)
    except ConfigError as error:
        log.error("configuration", problem=str(error))
        code = 2
    except Exception:  # the process boundary: the fault is logged whole, the exit code tells the supervisor
        log.exception("failed")
        code = 1
    log.info("ended", code=code)
    return code


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            loop.remove_signal_handler(number)
            os.kill(os.getpid(), number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


def _stop_with_supervisor(stop: asyncio.Event) -> None:
    """Stop when the supervisor ends, however it ends: nobody else would stop this process."""
    descriptor = os.environ.get(SUPERVISOR_FD, "")
    if not descriptor.isdigit():
        return
    loop = asyncio.get_running_loop()
    number = int(descriptor)

    def on_end() -> None:
        if not os.read(number, 1):
            loop.remove_reader(number)
            stop.set()

    os.set_blocking(number, False)
    os.set_inheritable(number, False)
    loop.add_reader(number, on_end)


@contextmanager
def _metrics_page(settings: MeshSettings, spans: Telemetry) -> Iterator[None]:
    """Serve the metrics while the body runs. ConfigError if the address cannot be had."""
    if not settings.metrics_port:
        yield
        return
    from prometheus_client import start_http_server

    host, port = settings.metrics_host, settings.metrics_port
    try:
        server, thread = start_http_server(port, host, spans.registry)
    except OSError as error:
        raise ConfigError(f"metrics page on {host}:{port}: {error.strerror or error}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(1.0)
