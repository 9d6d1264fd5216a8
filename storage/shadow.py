"""Where shadow models differ: counts and the newest disagreements, in `shadow.db` of the data directory.

Written from the shadow's own thread, so that it is synchronous; several processes may write to one file.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from plates.event import ModelInfo
from storage.sqlite import connect

_SCHEMA = """
CREATE TABLE IF NOT EXISTS compared (
    service TEXT, production TEXT, candidate TEXT, agreed INTEGER NOT NULL, disagreed INTEGER NOT NULL,
    PRIMARY KEY (service, production, candidate)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS disagreements (
    id INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, at_us INTEGER NOT NULL, camera TEXT NOT NULL,
    picture TEXT NOT NULL, production TEXT NOT NULL, candidate TEXT NOT NULL, detail TEXT NOT NULL
);
"""
FILE_NAME = "shadow.db"
_PICTURES = "shadow"


@dataclass(frozen=True, slots=True)
class Compared:
    """How often two models of a service answered the same pictures, and how often otherwise."""

    service: str
    production: str
    candidate: str
    agreed: int
    disagreed: int


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One picture, by the SHA-256 of its pixels, that two models answered differently; `detail` says how."""

    service: str
    at: datetime
    camera: str
    picture: str
    production: str
    candidate: str
    detail: Mapping[str, Any]


class ShadowStore:
    """Keeps the newest `keep` disagreements of a service, with their pictures where they are given."""

    def __init__(self, home: Path, service: str, keep: int) -> None:
        self._service, self._keep = service, keep
        self._pictures = home / _PICTURES
        home.mkdir(parents=True, exist_ok=True)
        self._connection = connect(home / FILE_NAME)
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def add(
        self,
        camera: str,
        picture: str,
        production: ModelInfo,
        candidate: ModelInfo,
        detail: Mapping[str, Any] | None,
        jpeg: bytes | None = None,
    ) -> None:
        """Count a comparison, and keep it if there is a `detail`. sqlite3.Error or OSError if that fails."""
        names = _name(production), _name(candidate)
        agreed = detail is None
        with self._connection as work:
            work.execute("BEGIN IMMEDIATE")
            work.execute(
                "INSERT INTO compared VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " agreed = agreed + excluded.agreed, disagreed = disagreed + excluded.disagreed",
                (self._service, *names, agreed, not agreed),
            )
            if detail is not None:
                row = (
                    self._service,
                    time.time_ns() // 1000,
                    camera,
                    picture,
                    *names,
                    json.dumps(dict(detail)),
                )
                work.execute(
                    "INSERT INTO disagreements (service, at_us, camera, picture, production, candidate,"
                    " detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
                self._forget(work)
        if jpeg is not None:
            self._pictures.mkdir(exist_ok=True)
            (self._pictures / f"{picture}.jpg").write_bytes(jpeg)

    def _forget(self, work: sqlite3.Connection) -> None:
        old = "FROM disagreements WHERE service = ? ORDER BY id DESC LIMIT -1 OFFSET ?"
        for number, picture in work.execute(
            f"SELECT id, picture {old}", (self._service, self._keep)
        ).fetchall():
            work.execute("DELETE FROM disagreements WHERE id = ?", (number,))
            (self._pictures / f"{picture}.jpg").unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def report(home: Path, latest: int) -> tuple[list[Compared], list[Disagreement]]:
    """The counts of every pair of models, and the latest disagreements, the newest first."""
    if not (home / FILE_NAME).exists():
        return [], []
    with closing(connect(home / FILE_NAME)) as connection:
        counts = connection.execute(
            "SELECT * FROM compared ORDER BY service, production, candidate"
        ).fetchall()
        rows = connection.execute(
            "SELECT service, at_us, camera, picture, production, candidate, detail FROM disagreements"
            " ORDER BY id DESC LIMIT ?",
            (latest,),
        ).fetchall()
    return [Compared(*row) for row in counts], [_disagreement(row) for row in rows]


def _disagreement(row: tuple[Any, ...]) -> Disagreement:
    service, at_us, camera, picture, production, candidate, detail = row
    at = datetime.fromtimestamp(at_us / 1e6, timezone.utc)
    return Disagreement(service, at, camera, picture, production, candidate, json.loads(detail))


def _name(model: ModelInfo) -> str:
    return f"{model.name} {model.version} {model.sha256[:12]}"
