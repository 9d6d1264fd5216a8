"""TLS and mutual TLS from files, and certificates that are renewed while processes run."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mesh_parts import DETECTOR, Authority, detect

from cli.peers import is_ready
from mesh import client
from mesh.client import ClientOptions, connect
from mesh.errors import Kind, MeshError
from mesh.retry import RetryPolicy
from mesh.settings import ConfigError, MeshSettings
from mesh.testing import Harness, service_of, servicer_of
from mesh.tls import TlsFiles, files, server_credentials
from ovr.alpr.v1 import detector_pb2, detector_pb2_grpc

ONCE = ClientOptions(timeout=3.0, retry=RetryPolicy(attempts=1))


@pytest.fixture
async def mesh() -> AsyncIterator[Harness]:
    """A harness that goes with its test."""
    async with Harness() as harness:
        yield harness


async def serve(mesh: Harness, **tls: Path) -> str:
    """A detector behind TLS; its address by name, as certificates want it."""
    servicer = servicer_of(DETECTOR, Detect=lambda _: detector_pb2.DetectResponse(inference_ms=1))
    server = await mesh.serve("detector", service_of(DETECTOR, servicer), listen="127.0.0.1:0", **tls)
    return server.address.replace("127.0.0.1", "localhost")


async def call(address: str, tls: TlsFiles | None) -> None:
    """One call on a channel of its own."""
    async with connect(address, peer="detector", tls=tls, options=ONCE) as channel:
        assert (await detector_pb2_grpc.DetectorServiceStub(channel).Detect(detect())).inference_ms == 1


async def test_tls_checks_the_server(mesh: Harness, tmp_path: Path) -> None:
    """A client that trusts the authority is served; one that trusts another, or speaks plainly, is not."""
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    address = await serve(mesh, tls_cert=cert, tls_key=key)
    await call(address, TlsFiles(ca=authority.ca))
    for wrong in (TlsFiles(ca=Authority(tmp_path, "stranger").ca), None):
        with pytest.raises(MeshError) as caught:
            await call(address, wrong)
        assert caught.value.kind is Kind.UNAVAILABLE


async def test_mutual_tls_checks_the_client(mesh: Harness, tmp_path: Path) -> None:
    """With an authority set, the server takes only clients that have a certificate of it."""
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    address = await serve(mesh, tls_cert=cert, tls_key=key, tls_ca=authority.ca)
    await call(address, TlsFiles(*authority.issue("client"), authority.ca))
    stranger = Authority(tmp_path, "stranger")
    for wrong in (TlsFiles(ca=authority.ca), TlsFiles(*stranger.issue("stranger"), authority.ca)):
        with pytest.raises(MeshError) as caught:
            await call(address, wrong)
        assert caught.value.kind is Kind.UNAVAILABLE


async def test_the_command_line_asks_behind_tls_too(mesh: Harness, tmp_path: Path) -> None:
    """Whether a service is ready is asked with the certificates that the settings name."""
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    address = await serve(mesh, tls_cert=cert, tls_key=key)
    assert await is_ready(
        mesh.settings(MeshSettings, detector_target=address, tls_ca=authority.ca), "detector"
    )
    assert not await is_ready(mesh.settings(MeshSettings, detector_target=address), "detector")


async def served_certificate(address: str, authority: Authority) -> bytes:
    """The certificate that the server shows now."""
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return shown


async def test_a_renewed_server_certificate_is_used_without_restart(mesh: Harness, tmp_path: Path) -> None:
    """New connections see the new certificate; a half-written file keeps the old one in use."""
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    address = await serve(mesh, tls_cert=cert, tls_key=key)
    first = await served_certificate(address, authority)
    assert await served_certificate(address, authority) == first
    authority.issue("server")
    second = await served_certificate(address, authority)
    assert second != first
    cert.write_bytes(b"-----BEGIN CERTIFICATE-----\nhalf")
    assert await served_certificate(address, authority) == second
    await call_again(address, authority)


async def call_again(address: str, authority: Authority) -> None:
    """Rpcs go on all the while."""
    await call(address, TlsFiles(ca=authority.ca))


async def test_a_client_follows_its_files(
    mesh: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel reconnects with the new files when the authority or its own certificate has changed."""
    monkeypatch.setattr(client, "TLS_CHECK_SECONDS", 0.0)
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(old.ca.read_bytes())
    cert, key = new.issue("server")
    address = await serve(mesh, tls_cert=cert, tls_key=key)
    async with connect(address, peer="detector", tls=TlsFiles(ca=trusted), options=ONCE) as channel:
        stub = detector_pb2_grpc.DetectorServiceStub(channel)
        with pytest.raises(MeshError):
            await stub.Detect(detect())
        trusted.write_bytes(old.ca.read_bytes() + new.ca.read_bytes())
        assert (await stub.Detect(detect())).inference_ms == 1
        assert channel.epoch == 1
        assert (await stub.Detect(detect())).inference_ms == 1
        assert channel.epoch == 1


async def test_a_client_waits_for_files_that_are_being_exchanged(
    mesh: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a file is missing the old connection serves; the channel reconnects when it is there again."""
    monkeypatch.setattr(client, "TLS_CHECK_SECONDS", 0.0)
    authority = Authority(tmp_path)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.ca.read_bytes())
    cert, key = authority.issue("server")
    address = await serve(mesh, tls_cert=cert, tls_key=key)
    async with connect(address, peer="detector", tls=TlsFiles(ca=trusted), options=ONCE) as channel:
        stub = detector_pb2_grpc.DetectorServiceStub(channel)
        assert (await stub.Detect(detect())).inference_ms == 1
        trusted.unlink()
        assert (await stub.Detect(detect())).inference_ms == 1
        assert channel.epoch == 0
        trusted.write_bytes(authority.ca.read_bytes() + b"\n")
        assert (await stub.Detect(detect())).inference_ms == 1
        assert channel.epoch == 1


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    """A certificate without its key, a missing file and a file that is no PEM are named by path or
    variable."""
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    with pytest.raises(ConfigError, match="OVR_TLS_KEY"):
        files(MeshSettings(tls_cert=cert))
    with pytest.raises(ConfigError, match=r"none\.pem: cannot be read"):
        server_credentials(TlsFiles(tmp_path / "none.pem", key))
    (tmp_path / "text.pem").write_text("hello")
    with pytest.raises(ConfigError, match="not a whole PEM"):
        server_credentials(TlsFiles(tmp_path / "text.pem", key))
    assert files(MeshSettings()) is None
