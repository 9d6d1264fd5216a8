"""Pins the images of .env by digest: `make image-digests`, where Docker and the registries can be reached.

NAME_IMAGE=repository:tag becomes NAME_IMAGE=repository:tag@sha256:... ; one that has a digest is asked anew
by its tag. Images that are built here have none.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ENV = Path(__file__).resolve().parents[1] / ".env"
LINE = re.compile(r"^(?P<name>[A-Z_]+_IMAGE)=(?P<image>[^@\s]+)(@sha256:[0-9a-f]{64})?$")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
BUILT_HERE = ("OVR_IMAGE", "OVR_MINIO_IMAGE", "MLFLOW_IMAGE")


def pinned(text: str, digest_of: Callable[[str], str]) -> str:
    """The text of .env with a digest at each image; `digest_of` answers for repository:tag."""

    def pin(line: str) -> str:
        found = LINE.match(line)
        if found is None or found["name"] in BUILT_HERE:
            return line
        return f"{found['name']}={found['image']}@{digest_of(found['image'])}"

    return "".join(pin(line) + "\n" for line in text.splitlines())


def ask_registry(image: str) -> str:
    """The digest of the image's index, for all platforms. SystemExit naming an image that is not found."""
    argv = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = DIGEST.search(done.stdout)
    if done.returncode or found is None:
        raise SystemExit(f"{image}: {done.stderr.strip() or 'no digest'}")
    print(f"{image} {found[0]}", file=sys.stderr)
    return found[0]


if __name__ == "__main__":
    ENV.write_text(pinned(ENV.read_text("utf-8"), ask_registry), "utf-8")
