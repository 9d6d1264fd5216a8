"""Why a process of the mesh ended, from its log."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

LAST_BYTES = 64 << 10


def why(log: Path, begin: int = 0, lines: int = 5) -> str:
    """The problems that a process logged in its last life, from byte `begin` on; else its last lines.

    Empty if there is no log.
    """
    problems: list[str] = []
    said = _tail(log, begin)
    for line in said:
        with contextlib.suppress(json.JSONDecodeError, AttributeError):
            entry = json.loads(line)
            if entry.get("event") == "started":
                problems.clear()
            problem = entry.get("problem") or (entry.get("why") if entry.get("state") == "failed" else None)
            if problem and problem not in problems:
                problems.append(str(problem))
    return "\n".join(problems or said[len(said) - lines if lines < len(said) else 0 :])


def problem(log: Path) -> str:
    """The problem that a process logged in its last life, on one line; empty if it logged none."""
    return why(log, lines=0).replace("\n", "; ")


def _tail(log: Path, begin: int) -> list[str]:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(begin, size - LAST_BYTES))
            return file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []
