"""The health check of a container: whether a service does its work, as an exit code."""

from __future__ import annotations

import asyncio
import sys

from mesh.errors import Kind, MeshError
from mesh.server import MeshServer
from mesh.settings import MeshSettings
from mesh.telemetry import Telemetry


async def probe(*addresses: str) -> int:
    """The exit code of the probe, as a process of its own."""
    command = [sys.executable, "-m", "mesh.probe", *addresses]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await asyncio.wait_for(process.wait(), 60)


async def test_the_probe_tells_a_ready_service_from_others(tmp_path) -> None:
    """0 for a service whose dependencies work; 1 for one whose do not, or that is not there."""

    async def well() -> None:
        return None

    async def ill() -> None:
        raise MeshError(Kind.UNAVAILABLE, "STORE_DOWN", "the store is down")

    for check, code in ((well, 0), (ill, 1)):
        address = f"unix:{tmp_path / check.__name__}.sock"
        settings = MeshSettings(home=tmp_path, listen=address)
        async with MeshServer(
            settings, "t", services=[], readiness={"store": check}, telemetry=Telemetry("t")
        ):
            assert await probe(address) == code
    assert await probe(f"unix:{tmp_path}/nobody.sock") == 1


async def test_the_probe_takes_web_addresses(tmp_path) -> None:
    """0 for a page that answers, 1 for an error or nobody, 2 for no address at all."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if b"/well" in request else b"503 Service Unavailable"
        writer.write(b"HTTP/1.0 " + status + b"\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    assert await probe(f"{address}/well") == 0
    assert await probe(f"{address}/ill") == 1
    server.close()
    assert await probe(f"{address}/well") == 1
    assert await probe() == 2
