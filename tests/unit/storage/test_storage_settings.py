"""The settings that choose engines."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mesh.settings import load
from storage.settings import CLIENTS, StorageSettings


def test_every_endpoint_is_taken_when_its_client_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the clients installed, as in development, endpoints are kept as they are set."""
    monkeypatch.setenv("OVR_HOME", str(tmp_path))
    for name in CLIENTS:
        monkeypatch.setenv(f"OVR_{name.upper()}", "somewhere:1")
    monkeypatch.setenv("OVR_SCHEMA_REGISTRY", "http://somewhere:2")
    settings = load(StorageSettings)
    assert {getattr(settings, name) for name in CLIENTS} == {"somewhere:1"}


def test_kafka_without_a_schema_registry_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kafka alone is refused at once, with the variable that is missing."""
    monkeypatch.setenv("OVR_HOME", str(tmp_path))
    monkeypatch.setenv("OVR_KAFKA", "somewhere:1")
    with pytest.raises(SystemExit):
        load(StorageSettings)
    assert "OVR_SCHEMA_REGISTRY" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["OVR_S3_CA", "OVR_OPENSEARCH_CA"])
def test_authorities_that_are_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A file to trust that does not exist is refused at once, not by the first call."""
    monkeypatch.setenv("OVR_HOME", str(tmp_path))
    monkeypatch.setenv(name, str(tmp_path / "none.pem"))
    with pytest.raises(SystemExit):
        load(StorageSettings)
    told = capsys.readouterr().err
    assert name in told
    assert "none.pem" in told


@pytest.mark.parametrize("name", CLIENTS)
def test_an_endpoint_without_its_client_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """An endpoint whose client package is missing is refused at once, with what to do."""
    monkeypatch.setenv("OVR_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, CLIENTS[name], None)
    load(StorageSettings)
    monkeypatch.setenv(f"OVR_{name.upper()}", "somewhere:1")
    with pytest.raises(SystemExit):
        load(StorageSettings)
    told = capsys.readouterr().err
    assert f"OVR_{name.upper()}='somewhere:1'" in told
    assert f"needs the package {CLIENTS[name]}" in told
    assert "make setup-engines" in told
