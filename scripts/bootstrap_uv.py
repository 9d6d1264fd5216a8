"""Install the pinned uv into .uv/, with its hash checked, by whatever this Python brings along.

Needs Python 3.10 to 3.13 and either `venv` with `ensurepip`, or `pip`. Standard library only.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / ".uv"
PINS = ROOT / "requirements" / "uv.txt"


def main() -> None:
    """Make .uv/bin/uv; SystemExit with what to install when neither venv nor pip is there."""
    if not (3, 10) <= sys.version_info < (3, 14):
        version = ".".join(map(str, sys.version_info[:3]))
        raise SystemExit(
            f"OVR-ALPR needs Python 3.10 to 3.13, this is {version}: make PYTHON=/path/to/python3.12 ..."
        )
    install = ["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(PINS)]
    try:
        venv.create(TARGET, with_pip=True, clear=True)
        subprocess.run([str(TARGET / "bin" / "python"), "-m", "pip", *install], check=True)
    except subprocess.CalledProcessError:
        # Debian splits ensurepip off into python3-venv; a pip that is there already does as well.
        command = [sys.executable, "-m", "pip", *install, "--target", str(TARGET), "--upgrade"]
        if subprocess.run(command, check=False).returncode:
            raise SystemExit(
                "cannot install uv: this Python has neither ensurepip nor pip "
                "(on Debian and Ubuntu: apt-get install python3-venv), or the package index cannot be reached"
            ) from None
    (TARGET / "bin" / "uv").touch()


if __name__ == "__main__":
    main()
