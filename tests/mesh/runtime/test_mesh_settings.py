"""Settings: by environment, with errors that name the variable; files, with errors that name file, line and
field."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import SettingsConfigDict

from mesh.settings import ConfigError, MeshSettings, load, load_yaml, table, variable


class ToySettings(MeshSettings):
    """A process's own settings."""

    model_config = SettingsConfigDict(env_prefix="OVR_TOY_")
    service: ClassVar[str] = "toy"
    batch: int = Field(default=4, ge=1, le=64, description="Frames a batch.")
    smtp_password: str = Field(default="", description="Password.")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OVR_")]:
        monkeypatch.delenv(name)


def test_defaults_stand_without_any_variable() -> None:
    """A process starts without configuration, on a socket in its data directory."""
    settings = load(ToySettings)
    assert settings.batch == 4
    assert settings.address() == "unix:var/run/toy.sock"
    assert settings.target("ingest") == "unix:var/run/ingest.sock"


def test_shared_and_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared settings have plain names, a process's own have its prefix."""
    monkeypatch.setenv("OVR_HOME", "/data")
    monkeypatch.setenv("OVR_TOY_LISTEN", "0.0.0.0:50051")
    monkeypatch.setenv("OVR_TOY_BATCH", "16")
    monkeypatch.setenv("OVR_INGEST_TARGET", "central:50053")
    settings = load(ToySettings)
    assert (settings.batch, settings.address()) == (16, "0.0.0.0:50051")
    assert settings.target("ingest") == "central:50053"
    assert settings.target("query") == "unix:/data/run/query.sock"
    assert variable(ToySettings, "home") == "OVR_HOME"
    assert variable(ToySettings, "batch") == "OVR_TOY_BATCH"


def test_a_wrong_variable_is_named_with_value_and_rule(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every wrong setting is reported at once, by variable, value and rule, and the exit code is 2."""
    monkeypatch.setenv("OVR_TOY_BATCH", "0")
    monkeypatch.setenv("OVR_LOG_LEVEL", "loud")
    with pytest.raises(SystemExit) as exit_info:
        load(ToySettings)
    said = capsys.readouterr().err
    assert exit_info.value.code == 2
    assert "OVR_TOY_BATCH='0': Input should be greater than or equal to 1" in said
    assert "OVR_LOG_LEVEL='loud'" in said


def test_a_socket_path_that_no_socket_can_have_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A data directory too deep for a socket is named before bind fails with something cryptic."""
    monkeypatch.setenv("OVR_HOME", "/" + "deep/" * 30)
    with pytest.raises(SystemExit):
        load(ToySettings)
    assert "OVR_TOY_LISTEN=host:port" in capsys.readouterr().err


def test_secrets_are_masked() -> None:
    """The table of settings in force never shows a secret."""
    shown = table(ToySettings(smtp_password="hunter2"))
    assert shown["OVR_TOY_SMTP_PASSWORD"] == "***"
    assert "hunter2" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:hunter2@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://admin:hun@ter2@cam:554/1", "rtsp://admin:***@cam:554/1"),
        ("rtsp://cam:554/a@b:c", "rtsp://cam:554/a@b:c"),
        ("kafka:9092", "kafka:9092"),
    ],
)
def test_passwords_in_addresses_are_masked(
    address: str, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table and the errors show an address without its password."""
    assert table(ToySettings(otlp_endpoint=address))["OVR_OTLP_ENDPOINT"] == shown
    monkeypatch.setenv("OVR_TOY_BATCH", address)
    with pytest.raises(SystemExit):
        load(ToySettings)
    assert f"OVR_TOY_BATCH='{shown}'" in capsys.readouterr().err


class PairSettings(ToySettings):
    """Settings of which some fit together or not."""

    @model_validator(mode="after")
    def _together(self) -> PairSettings:
        raise ConfigError("rules.yaml:3: rules: given twice")


def test_a_fault_of_settings_together_shows_no_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a check of all settings says is printed as it stands, without the settings' values."""
    monkeypatch.setenv("OVR_TOY_SMTP_PASSWORD", "hunter2")
    with pytest.raises(SystemExit):
        load(PairSettings)
    assert capsys.readouterr().err == "configuration: rules.yaml:3: rules: given twice\n"


def test_a_metrics_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """The process leaves with 2 and names the address; its main does not run."""
    script = tmp_path / "toy.py"
    script.write_text(
        "from mesh.process import run\nfrom mesh.settings import MeshSettings\n"
        "async def main(settings, process):\n    print('started')\n    return 0\n"
        "run(main, MeshSettings, 'toy')\n"
    )
    root = str(Path(__file__).parents[3])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root}/gen"}
        done = subprocess.run(
            [sys.executable, str(script)],
            env={**environment, "OVR_METRICS_PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"metrics page on 127.0.0.1:{port}" in done.stderr


def test_check_config_of_a_process(tmp_path: Path) -> None:
    """`--check-config` prints what is in force and leaves with 0, or with 2 for a wrong setting, starting
    nothing."""
    script = tmp_path / "toy.py"
    script.write_text(
        "from mesh.process import run\nfrom mesh.settings import MeshSettings\n"
        "async def main(settings, process):\n    raise SystemExit('started')\n"
        "run(main, MeshSettings, 'toy')\n"
    )
    command = [sys.executable, str(script), "--check-config"]
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root}/gen"}
    good = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    bad = subprocess.run(
        command, env={**environment, "OVR_TRACE_FRAMES": "2"}, capture_output=True, text=True, check=False
    )
    assert good.returncode == 0
    assert "OVR_HOME=var" in good.stdout.splitlines()
    assert bad.returncode == 2
    assert "OVR_TRACE_FRAMES='2'" in bad.stderr


class Rule(BaseModel):
    """A part of a file."""

    model_config = ConfigDict(extra="forbid")
    name: str
    score: float = Field(default=0.5, ge=0, le=1)


class Rules(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid")
    rules: list[Rule] = []


def test_a_file_is_read_as_its_model(tmp_path: Path) -> None:
    """A valid file gives its values, an empty one the defaults."""
    path = tmp_path / "rules.yaml"
    path.write_text("rules:\n  - name: a\n    score: 0.25\n")
    assert load_yaml(path, Rules) == Rules(rules=[Rule(name="a", score=0.25)])
    path.write_text("")
    assert load_yaml(path, Rules) == Rules()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules:\n  - name: a\n    score: 7\n", ":3: rules.0.score: "),
        ("rules:\n  - name: a\n  - score: 0.1\n", ":3: rules.1.name: Field required"),
        ("rules:\n  - name: a\n    colour: red\n", ":3: rules.0.colour: Extra inputs"),
        ("rules: [\n", ":2: not YAML"),
        ("rules:\n  - name: a\n    name: b\n", ":3: name: given twice"),
        ("- a\n", ":1: file: "),
        ("rules: !!python/object:os.system {}\n", ":1: not YAML"),
    ],
)
def test_a_wrong_file_is_named_with_line_and_field(tmp_path: Path, text: str, said: str) -> None:
    """Each fault of a file names file, line and field."""
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, Rules)
    assert f"{path}{said}" in str(caught.value)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    """A missing file and one that is no text are reported by their path."""
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load_yaml(tmp_path / "none.yaml", Rules)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"bytes\.yaml: cannot be read"):
        load_yaml(tmp_path / "bytes.yaml", Rules)


@pytest.mark.parametrize("address", ["0.0.0.0:abc", "50051", ":50051", "host:70000"])
def test_an_address_that_is_none_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A LISTEN that is neither a socket nor HOST:PORT is named before anything starts."""
    monkeypatch.setenv("OVR_LISTEN", address)
    with pytest.raises(SystemExit):
        load(MeshSettings)
    assert "OVR_LISTEN" in capsys.readouterr().err


def test_a_certificate_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A TLS file that does not exist is named with its variable."""
    monkeypatch.setenv("OVR_TLS_CERT", "/nowhere/cert.pem")
    with pytest.raises(SystemExit):
        load(MeshSettings)
    assert "OVR_TLS_CERT=/nowhere/cert.pem" in capsys.readouterr().err
