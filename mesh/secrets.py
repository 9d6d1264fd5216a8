"""Secrets kept in files, as container runtimes hand them over."""

from __future__ import annotations

from pathlib import Path

_MAX_BYTES = 64 << 10


def read_secret(file: Path) -> str:
    """What a file with a secret holds, without white space around it, at most 64 KiB.

    ValueError that names the file and why it cannot be read, and shows nothing of it.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is no text"
        raise ValueError(f"{file}: {why}") from None
