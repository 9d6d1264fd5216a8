"""How much a request through the gateway costs above the bare rpc it stands for: p50 against p50, in one run.

    python -m bench.gateway [--requests 600]

Both are asked in turn, over one kept connection each, from a process of their own; the gateway and an in-
memory query service are processes too. Prints one line a path, the ratio last; the aim is 2.0.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from ovr.alpr.v1 import query_pb2, query_pb2_grpc

AIM = 2.0
WARM_UP = 100
QUERY = "ovr.alpr.v1.QueryService"


def serve_query(home: Path) -> None:
    """An in-memory query service: the same answer each time, so that only the way is measured."""
    from gateway.examples import event
    from mesh.server import MeshServer
    from mesh.settings import MeshSettings
    from mesh.testing import service_of, servicer_of

    one = query_pb2.GetEventResponse(event=event())
    many = query_pb2.ListEventsResponse(events=[event()] * 20)

    async def main() -> None:
        servicer = servicer_of(QUERY, GetEvent=lambda request: one, ListEvents=lambda request: many)
        settings = MeshSettings(home=home, listen=f"unix:{home / 'run' / 'query.sock'}")
        server = MeshServer(settings, "query", services=[service_of(QUERY, servicer)])
        await server.start()
        await asyncio.Event().wait()

    asyncio.run(main())


def serve_gateway(home: Path, port: int) -> None:
    """The gateway as it is, without its rate limit."""
    from gateway.app import main
    from gateway.settings import GatewaySettings
    from mesh.process import Process
    from mesh.telemetry import Telemetry

    settings = GatewaySettings(home=home, listen=f"127.0.0.1:{port}", rate=0)
    asyncio.run(main(settings, Process("gateway", Telemetry("gateway"))))


async def median_ms(pair: tuple[Callable[[], Awaitable[None]], ...], requests: int) -> list[float]:
    """p50 of each way, milliseconds; they take turns, so that both see the same machine."""
    times: list[list[float]] = [[] for _ in pair]
    for number in range(requests + WARM_UP):
        for way, taken in zip(pair, times, strict=True):
            started = time.perf_counter()
            await way()
            if number >= WARM_UP:
                taken.append((time.perf_counter() - started) * 1000)
    return [statistics.median(taken) for taken in times]


class HttpClient:
    """One kept connection and nothing else: an HTTP library's own time is not the gateway's."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> bytes:
        """The body of a 200."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return await reader.readexactly(length)


async def measure(home: Path, port: int, requests: int) -> dict[str, tuple[float, float]]:
    """p50 of the rpc and of the gateway, milliseconds, by path."""
    from gateway.examples import EVENT_ID
    from mesh.client import connect

    http = HttpClient(port)
    async with connect(f"unix:{home / 'run' / 'query.sock'}", peer="query") as channel:
        stub = query_pb2_grpc.QueryServiceStub(channel)
        await _until_up(lambda: stub.GetEvent(query_pb2.GetEventRequest(event_id=EVENT_ID), timeout=1))
        await _until_up(lambda: http.get("/healthz"))
        ways = {
            f"/v1/events/{EVENT_ID}": lambda: stub.GetEvent(query_pb2.GetEventRequest(event_id=EVENT_ID)),
            "/v1/events?page_size=20": lambda: stub.ListEvents(query_pb2.ListEventsRequest(page_size=20)),
        }
        found = {}
        for path, rpc in ways.items():
            bare, through = await median_ms((rpc, lambda path=path: http.get(path)), requests)
            found[path] = (bare, through)
        return found


async def _until_up(ask: Callable[[], Awaitable[object]]) -> None:
    from mesh.errors import MeshError

    until = time.monotonic() + 30
    while True:
        try:
            await ask()
            return
        except (MeshError, OSError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)


def main() -> int:
    """Measure, print, and say by the exit code whether the aim is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--port", type=int, default=18099)
    arguments = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="ovr-") as folder:
        home = Path(folder)
        servers = [
            spawn.Process(target=serve_query, args=(home,), daemon=True),
            spawn.Process(target=serve_gateway, args=(home, arguments.port), daemon=True),
        ]
        for server in servers:
            server.start()
        try:
            found = asyncio.run(measure(home, arguments.port, arguments.requests))
        finally:
            for server in servers:
                server.terminate()
                server.join()
    for path, (bare, through) in found.items():
        print(f"{path}: rpc {bare:.2f} ms, gateway {through:.2f} ms, ratio {through / bare:.2f} (aim {AIM})")
    first = next(iter(found.values()))
    return 0 if first[1] / first[0] <= AIM else 1


if __name__ == "__main__":
    raise SystemExit(main())
