"""The configuration and the rules of Prometheus, held by its own checker."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.builders.engines import required

PROMETHEUS = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        shutil.which("promtool") is None and not required(), reason="needs promtool on the PATH"
    ),
]


def promtool(*arguments: str) -> None:
    """Runs it; AssertionError with what it says if it does not succeed."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_the_configuration_is_taken(tmp_path: Path) -> None:
    """promtool takes the configuration with all rules."""
    config = tmp_path / "prometheus.yml"
    text = (PROMETHEUS / "prometheus.yml").read_text("utf-8")
    config.write_text(text.replace("/etc/prometheus/rules", str(PROMETHEUS / "rules")), "utf-8")
    promtool("check", "config", str(config))


def test_alerts_fire_when_they_should_and_only_then() -> None:
    """The rules do on made-up series what their tests say."""
    promtool("test", "rules", str(PROMETHEUS / "rules_test.yml"))
