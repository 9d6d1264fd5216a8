"""A harness for tests, ours and those of who builds on the mesh: any service alone among in-memory
neighbours, or the whole mesh in one process, over real gRPC.

    async with Harness() as mesh:
        await mesh.neighbour("detector", "ovr.alpr.v1.DetectorService", Detect=answer)  # of the request
        await mesh.run("edge", edge_main, mesh.settings(EdgeSettings))  # a process's own main
        event = await mesh.stub("ovr.alpr.v1.QueryService").GetEvent(request)
        assert ("edge:edge.pass", "ingest:ovr.alpr.v1.IngestService/Publish") in mesh.edges()
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mesh import health
from mesh.client import MeshChannel, connect
from mesh.health import Check
from mesh.process import Main, Process
from mesh.server import MeshServer, Service
from mesh.settings import MeshSettings
from mesh.telemetry import Telemetry
from ovr.alpr import v1

S = TypeVar("S", bound=MeshSettings)


def contract(full_name: str) -> Any:
    """The generated `_pb2_grpc` module of a service of the contract, such as `ovr.alpr.v1.QueryService`."""
    short = full_name.rpartition(".")[2]
    for module in pkgutil.iter_modules(v1.__path__, f"{v1.__name__}."):
        if module.name.endswith("_pb2_grpc"):
            loaded = importlib.import_module(module.name)
            if hasattr(loaded, f"{short}Stub"):
                return loaded
    raise LookupError(f"the contract has no service {full_name}")


def service_of(full_name: str, servicer: Any, unchecked: Sequence[str] = ()) -> Service:
    """A servicer as MeshServer takes it, by its full name alone."""
    short = full_name.rpartition(".")[2]
    return Service(
        getattr(contract(full_name), f"add_{short}Servicer_to_server"), servicer, full_name, unchecked
    )


def servicer_of(full_name: str, **rpcs: Callable[..., Any]) -> Any:
    """A servicer from functions of the request (or of the iterator of requests): plain, async, or async
    generators.

    An rpc without a function answers UNIMPLEMENTED."""
    short = full_name.rpartition(".")[2]
    base = getattr(contract(full_name), f"{short}Servicer")
    unknown = [name for name in rpcs if not hasattr(base, name)]
    if unknown:
        raise LookupError(f"{full_name} has no rpc {', '.join(unknown)}")
    return type(f"InMemory{short}", (base,), {name: _method(function) for name, function in rpcs.items()})()


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):

        async def stream(_: Any, request: Any, __: Any) -> AsyncIterator[Any]:
            async for answer in function(request):
                yield answer

        return stream

    async def unary(_: Any, request: Any, __: Any) -> Any:
        answer = function(request)
        return await answer if inspect.isawaitable(answer) else answer

    return unary


@dataclass
class RunningProcess:
    """A process's main as a task of the test's loop."""

    process: Process
    task: asyncio.Task[int]

    async def stop(self) -> int:
        """What SIGTERM does: set `stop` and wait for the end; the exit code, or what main raised."""
        self.process.stop.set()
        return await self.task


@dataclass
class Harness:
    """A mesh of servers and processes in the test's own loop, under a data directory of its own that goes
    with it.

    Everything serves on sockets of that directory; `settings()` of any class point there.
    """

    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="ovr-")))
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    _servers: list[MeshServer] = field(default_factory=list)
    _processes: list[RunningProcess] = field(default_factory=list)
    _channels: list[MeshChannel] = field(default_factory=list)

    def settings(self, cls: type[S], **fields: Any) -> S:
        """Settings of a process of this mesh; every frame is traced."""
        return cls(**{"home": self.home, "trace_frames": 1.0, "drain_seconds": 2.0, **fields})

    def telemetry(self, service: str) -> Telemetry:
        """Telemetry of one process; its spans are kept for `spans` and `edges`."""
        return Telemetry(service, processors=[SimpleSpanProcessor(self.exporter)])

    async def serve(
        self, name: str, *services: Service, readiness: Mapping[str, Check] | None = None, **fields: Any
    ) -> MeshServer:
        """Serve under a service's short name (detector, ocr, ingest, query, alert)."""
        fields.setdefault("listen", f"unix:{self.home / 'run' / name}.sock")
        server = MeshServer(
            self.settings(MeshSettings, **fields),
            name,
            services=services,
            readiness=readiness,
            telemetry=self.telemetry(name),
        )
        await server.start()
        self._servers.append(server)
        return server

    async def neighbour(self, name: str, full_name: str, **rpcs: Callable[..., Any]) -> MeshServer:
        """Serve a service made of functions; see `servicer_of`."""
        return await self.serve(name, service_of(full_name, servicer_of(full_name, **rpcs)))

    async def run(
        self, name: str, main: Main[S], settings: S, *, serves: bool = True, timeout: float = 30.0
    ) -> RunningProcess:
        """Run a process's main. Returns when it is ready, if it serves. Raises what main raises before."""
        process = Process(name, self.telemetry(name))
        running = RunningProcess(process, asyncio.ensure_future(main(settings, process)))
        self._processes.append(running)
        if serves:
            channel = connect(settings.address(), peer=name, settings=settings)
            try:
                await self._until_ready(running, channel, timeout)
            finally:
                await channel.close()
        return running

    async def _until_ready(self, running: RunningProcess, channel: MeshChannel, timeout: float) -> None:
        until = time.monotonic() + timeout
        while not await health.ask(channel, timeout=1.0):
            if running.task.done():
                raise RuntimeError(
                    f"{running.process.name} ended with {running.task.result()} before it was ready"
                )
            if time.monotonic() > until:
                raise TimeoutError(f"{running.process.name} was not ready within {timeout:g} s")
            await asyncio.sleep(0.02)

    def connect(self, name: str, **arguments: Any) -> MeshChannel:
        """A channel to the service of that short name."""
        arguments.setdefault("telemetry", self.telemetry("test"))
        channel = connect(self.settings(MeshSettings).socket_of(name), peer=name, **arguments)
        self._channels.append(channel)
        return channel

    def stub(self, full_name: str, name: str | None = None) -> Any:
        """A client of a service of the contract; its short name is that of the contract's file unless
        given."""
        module = contract(full_name)
        short = name or module.__name__.rpartition(".")[2].removesuffix("_pb2_grpc")
        return getattr(module, f"{full_name.rpartition('.')[2]}Stub")(self.connect(short))

    def spans(self) -> Sequence[ReadableSpan]:
        """Every span that has ended, of all processes."""
        return self.exporter.get_finished_spans()

    def edges(self, trace_id: str | None = None) -> set[tuple[str, str]]:
        """Who called whom, as (`service:span`, `service:span`) of parent and child; of one trace if given."""
        spans = {
            span.context.span_id: span
            for span in self.spans()
            if span.context and trace_id in (None, f"{span.context.trace_id:032x}")
        }
        return {
            (_label(spans[span.parent.span_id]), _label(span))
            for span in spans.values()
            if span.parent and span.parent.span_id in spans
        }

    async def __aenter__(self) -> Harness:
        return self

    async def __aexit__(self, *_: object) -> None:
        for channel in self._channels:
            await channel.close()
        for running in reversed(self._processes):
            if not running.task.done():
                await running.stop()
        for server in reversed(self._servers):
            await server.drain(0.2)
        shutil.rmtree(self.home, ignore_errors=True)


def _label(span: ReadableSpan) -> str:
    return f"{span.resource.attributes.get('service.name')}:{span.name}"


@dataclass
class LoopWatch:
    """How late the event loop was at most, seconds, and where it stood when it was late."""

    worst: float = 0.0
    stack: str = ""


@asynccontextmanager
async def watch_loop(limit: float = 0.25, interval: float = 0.01) -> AsyncIterator[LoopWatch]:
    """Hold the body to not blocking the event loop for longer than `limit` seconds.

    Time that the loop's thread waited for a processor does not count, where the kernel tells it (Linux).
    Raises AssertionError at the end with the stack the loop's thread had when it was late."""
    watch, over, native = LoopWatch(), threading.Event(), threading.get_native_id()
    loop_thread = threading.get_ident()
    beat = [(time.monotonic(), _starved(native))]

    def late() -> float:
        since, starved = beat[0]
        return time.monotonic() - since - interval - (_starved(native) - starved)

    def look() -> None:
        while not over.wait(interval):
            lag = late()
            if lag > max(limit, watch.worst):
                frame = sys._current_frames().get(loop_thread)
                watch.stack = "".join(traceback.format_stack(frame)) if frame else ""
                watch.worst = lag

    async def pulse() -> None:
        while True:
            beat[0] = (time.monotonic(), _starved(native))
            await asyncio.sleep(interval)
            watch.worst = max(watch.worst, late())

    thread = threading.Thread(target=look, name="loop-watch", daemon=True)
    thread.start()
    task = asyncio.ensure_future(pulse())
    try:
        await asyncio.sleep(0)
        yield watch
        await asyncio.sleep(2 * interval)
    finally:
        task.cancel()
        over.set()
        thread.join()
    if watch.worst > limit:
        raise AssertionError(f"the event loop stood still for {watch.worst:.3f} s:\n{watch.stack}")


def _starved(thread: int) -> float:
    """Seconds that a thread was ready to run and had no processor; 0 where nobody knows."""
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
