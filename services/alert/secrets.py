"""Secrets of channels: named in the rules' file by an environment variable or a file, read when needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mesh.secrets import read_secret


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is found: the variable `env`, or else the file `file`. Never holds the secret itself."""

    env: str = ""
    file: Path | None = None

    def read(self) -> str:
        """The secret, without white space around it. ValueError that names variable or file if there is
        none."""
        if self.env:
            value = os.environ.get(self.env, "").strip()
            if not value:
                raise ValueError(f"environment variable {self.env} is not set")
            return value
        if self.file is None:
            raise ValueError("no secret is configured")
        value = read_secret(self.file)
        if not value:
            raise ValueError(f"file {self.file} is empty")
        return value
