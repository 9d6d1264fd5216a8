"""Secrets kept in files, as container runtimes hand them over."""

from __future__ import annotations

from pathlib import Path

_MAX_BYTES = 64 << 10


def read_secret(file: Path) -> str:
    """What a file with a secret holds, without white space around it.

    ValueError that names the file and why it cannot be read, and shows nothing of it; more than 64 KiB is no
    secret.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ValueError(f"{file}: more than {_MAX_BYTES >> 10} KiB, which is no secret")
        return content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is no text"
        raise ValueError(f"{file}: {why}") from None
