"""The commands as people type them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from cli.main import app
from storage.settings import CLIENTS
from synth.scene import render_scene

COMMANDS = (
    ["read"],
    ["run"],
    ["up"],
    ["demo"],
    ["search"],
    ["watch"],
    ["doctor"],
    ["spool"],
    ["config"],
    ["models"],
    ["keys"],
    ["bench"],
    ["spool", "ls"],
    ["spool", "verify"],
    ["spool", "drain"],
    ["config", "check"],
    ["config", "show"],
    ["config", "reference"],
    ["models", "ls"],
    ["models", "verify"],
    ["models", "export"],
    ["models", "register"],
    ["models", "registered"],
    ["models", "promote"],
    ["models", "rollback"],
    ["models", "shadow"],
    ["keys", "new"],
    ["keys", "ls"],
    ["keys", "revoke"],
    ["bench", "accuracy"],
    ["dlq"],
    ["dlq", "ls"],
    ["dlq", "show"],
    ["dlq", "replay"],
    ["kafka"],
    ["kafka", "init"],
    ["storage"],
    ["storage", "init"],
    ["storage", "policy"],
    ["search-index"],
    ["search-index", "rebuild"],
)


@pytest.fixture
def ovr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A runner whose data directory is empty."""
    monkeypatch.setenv("OVR_HOME", str(tmp_path / "home"))
    return CliRunner()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A rendered street scene, as a file."""
    path = tmp_path / "pictures" / "scene.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), render_scene(np.random.default_rng(3), (640, 480)).image)
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example(ovr: CliRunner, command: list[str]) -> None:
    """`--help` of each command shows how it is typed."""
    result = ovr.invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Example:" in result.stdout


def test_read_prints_one_json_object_a_picture(ovr: CliRunner, picture: Path) -> None:
    """`read --json` prints the documented fields, boxes lying in the picture."""
    result = ovr.invoke(app, ["read", str(picture), "--json"])
    assert result.exit_code == 0, result.stderr
    line = json.loads(result.stdout)
    assert line.keys() == {"image", "plates", "elapsed_ms"}
    assert line["image"] == str(picture)
    for plate in line["plates"]:
        assert plate.keys() == {"text", "confidence", "box", "region", "alternatives"}
        x, y, width, height = plate["box"]
        assert 0 <= x <= x + width <= 640.1
        assert 0 <= y <= y + height <= 480.1


def test_read_goes_on_after_a_file_that_is_no_picture(ovr: CliRunner, picture: Path) -> None:
    """A file that is no picture is named on stderr, the others are read, and the exit code is 1."""
    broken = picture.parent / "broken.jpg"
    broken.write_text("no picture")
    result = ovr.invoke(app, ["read", str(broken), str(picture), "--json"])
    assert result.exit_code == 1
    assert "broken.jpg" in result.stderr
    assert [json.loads(line)["image"] for line in result.stdout.splitlines()] == [str(picture)]


def test_read_says_that_a_folder_holds_no_picture(ovr: CliRunner, tmp_path: Path) -> None:
    """A wrong folder is not passed over in silence."""
    result = ovr.invoke(app, ["read", str(tmp_path)])
    assert result.exit_code == 1
    assert "the folder holds no picture" in result.output


def test_up_does_not_start_what_cannot_run(
    ovr: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong cameras file is named with its line before any process starts."""
    monkeypatch.setenv("OVR_EDGE_CAMERAS", "")  # which the command sets; here, for this test alone
    cameras = tmp_path / "cameras.yaml"
    cameras.write_text("cameras:\n  - id: gate\n    sorce: gate.mp4\n", "utf-8")
    result = ovr.invoke(app, ["up", "--cameras", str(cameras)])
    assert result.exit_code == 2
    assert f"{cameras}:3: cameras.0.sorce" in result.output
    assert not (tmp_path / "home").exists()


def test_read_draws_into_copies(ovr: CliRunner, picture: Path, tmp_path: Path) -> None:
    """`--show` writes a drawn copy a picture and leaves the original alone."""
    before = picture.read_bytes()
    result = ovr.invoke(app, ["read", str(picture.parent), "--show", str(tmp_path / "seen")])
    assert result.exit_code == 0, result.stderr
    assert [path.name for path in (tmp_path / "seen").iterdir()] == ["scene.jpg"]
    assert picture.read_bytes() == before


def test_run_names_a_source_that_is_not_there(ovr: CliRunner) -> None:
    """A missing file is an error before anything is started."""
    result = ovr.invoke(app, ["run", "no-such-clip.mp4"])
    assert result.exit_code == 1
    assert "no-such-clip.mp4" in result.stderr


def test_search_says_that_no_mesh_runs(ovr: CliRunner) -> None:
    """Without a mesh the error says where was looked and how to start one, and nothing of gRPC's own."""
    result = ovr.invoke(app, ["search", "AB12"])
    assert result.exit_code == 1
    assert "failed to connect" not in result.stderr
    assert "query.sock" in result.stderr
    assert "ovr up" in result.stderr


def test_config_check_passes_as_shipped(ovr: CliRunner) -> None:
    """The shipped configuration is right."""
    result = ovr.invoke(app, ["config", "check"])
    assert result.exit_code == 0, result.stderr


def test_config_check_names_the_variable(ovr: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value is named with its variable."""
    monkeypatch.setenv("OVR_MAX_CALLS", "none")
    result = ovr.invoke(app, ["config", "check"])
    assert result.exit_code == 1
    assert "OVR_MAX_CALLS" in result.stderr


def test_config_check_finds_faults_of_the_rules(
    ovr: CliRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A wrong alert rule is named with file, line and field."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n  - {id: a, patterns: [AB1], match: nearly}\n")
    monkeypatch.setenv("OVR_ALERT_RULES", str(rules))
    result = ovr.invoke(app, ["config", "check"])
    assert result.exit_code == 1
    assert f"{rules}:2: rules.0.match" in result.stderr


def test_configuration_reference_is_current(ovr: CliRunner) -> None:
    """docs/configuration.md is what the settings classes say."""
    result = ovr.invoke(app, ["config", "reference"])
    assert result.stdout == Path("docs/configuration.md").read_text("utf-8")


def test_models_are_what_the_manifest_says(ovr: CliRunner) -> None:
    """Every shipped model has the SHA-256 of its entry."""
    assert ovr.invoke(app, ["models", "verify"]).exit_code == 0


def test_keys_are_made_listed_and_revoked(ovr: CliRunner) -> None:
    """A key is shown once, listed by name, and gone after it is revoked."""
    made = ovr.invoke(app, ["keys", "new", "barrier"])
    assert made.stdout.startswith("ovr_")
    assert ovr.invoke(app, ["keys", "ls"]).stdout == "barrier\tread\n"
    assert ovr.invoke(app, ["keys", "new", "barrier"]).exit_code == 1
    assert ovr.invoke(app, ["keys", "revoke", "barrier"]).exit_code == 0
    assert ovr.invoke(app, ["keys", "ls"]).stdout == ""


def test_doctor_looks_at_everything(ovr: CliRunner) -> None:
    """The doctor finds the models right and the mesh not running."""
    result = ovr.invoke(app, ["doctor", "--json"])
    findings = {line["name"]: line for line in map(json.loads, result.stdout.splitlines())}
    assert findings["python"]["state"] == "ok"
    assert findings["yolo11n-plate"]["state"] == "ok"
    assert findings["mesh"]["state"] == "absent"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("kafka init", "OVR_KAFKA is not set"),
        ("storage init", "neither OVR_S3 nor OVR_OPENSEARCH is set"),
        ("storage policy", "s3:GetObject"),
        ("db status", "OVR_DATABASE is not set"),
        ("dlq ls", "letter"),
    ],
)
def test_commands_of_engines_speak_without_their_clients(tmp_path: Path, command: str, says: str) -> None:
    """Without the clients of the engines, as by default, each says what is missing or does its work."""
    hidden = dict.fromkeys(CLIENTS.values())
    run = f"import sys; sys.modules.update({hidden}); from cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, *command.split()],
        capture_output=True,
        text=True,
        env={"OVR_HOME": str(tmp_path), "COLUMNS": "100"},
    )
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
