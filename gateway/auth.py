"""API keys: who may ask. A key is shown once; only its SHA-256 is kept, in a file or a variable.

A line of the key file, and an entry of `OVR_GATEWAY_KEYS` (comma-separated), is `name:role:sha256`. Keys
carry 256 random bits, so a plain hash keeps them: there is nothing to guess that a slow hash would slow
down.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "ovr_"
NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
DIGEST = re.compile(r"[0-9a-f]{64}")


class Role(enum.Enum):
    """What a key allows; WRITE allows all that READ allows."""

    READ = "read"
    WRITE = "write"

    def allows(self, needed: Role) -> bool:
        """Whether who has this role may do what needs `needed`."""
        return self is Role.WRITE or self is needed


@dataclass(frozen=True)
class Caller:
    """Who asks: the key's name and role; an empty name for anybody on a gateway that needs no keys."""

    name: str
    role: Role


ANYBODY = Caller("", Role.WRITE)


class KeyFileError(ValueError):
    """A key file or variable that cannot be read; says where and why."""


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def parse(lines: Iterable[str], source: str) -> dict[str, Caller]:
    """Digest -> caller of each line; KeyFileError naming `source` and the line for one that is no entry."""
    callers: dict[str, Caller] = {}
    names: set[str] = set()
    for number, line in enumerate(lines, 1):
        entry = line.split("#", 1)[0].strip()
        if not entry:
            continue
        where = f"{source}, entry {number}"
        parts = entry.split(":")
        if len(parts) != 3:
            raise KeyFileError(f"{where}: expected name:role:sha256")
        name, role, sha256 = (part.strip() for part in parts)
        if not NAME.fullmatch(name) or name in names:
            raise KeyFileError(f"{where}, name: {name!r} is no name or is there twice")
        if role not in {item.value for item in Role}:
            raise KeyFileError(f"{where}, role: {role!r} is neither read nor write")
        if not DIGEST.fullmatch(sha256):
            raise KeyFileError(
                f"{where}, sha256: expected 64 hexadecimal digits (of a key, not the key itself)"
            )
        names.add(name)
        callers[sha256] = Caller(name, Role(role))
    return callers


def new_key(path: Path, name: str, role: Role) -> str:
    """Make a key, add it to the file at `path` (made if absent, readable by its owner only) and return it.

    The key itself is kept nowhere. KeyFileError for a bad name, a name that is taken, or a broken file.
    """
    if not NAME.fullmatch(name):
        raise KeyFileError(f"{name!r} is no name: 1 to 64 of A-Z a-z 0-9 . _ @ -")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _changing(path):
        if any(caller.name == name for caller in read_keys(path).values()):
            raise KeyFileError(f"{path}: there is a key named {name!r} already; revoke it first")
        key = PREFIX + secrets.token_urlsafe(32)
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8"
        ) as file:
            file.write(f"{name}:{role.value}:{digest(key)}\n")
    return key


def revoke_key(path: Path, name: str) -> bool:
    """Take the key named `name` out of the file; False if there is none. A running gateway notices within a
    second."""
    if not path.exists():
        return False
    with _changing(path):
        if name not in {caller.name for caller in read_keys(path).values()}:
            return False
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.split(":", 1)[0].strip() != name]
        draft = path.with_suffix(".new")
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.writelines(kept)
        draft.replace(path)
    return True


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Let one process at a time change the file: two at once would lose a key or give a name twice."""
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_keys(path: Path) -> dict[str, Caller]:
    """Digest -> caller of the file at `path`; empty if there is no file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: {error}") from error
    return parse(text.splitlines(), str(path))


class Keys:
    """The keys in force: those of the variable, and those of the file as it is now.

    The file is looked at again at most once a second; one that became unreadable keeps the keys that were in
    force.
    """

    def __init__(self, path: Path, fixed: Mapping[str, Caller]) -> None:
        self._path = path
        self._fixed = dict(fixed)
        self._stamp = self._look()
        self._callers = {**read_keys(path), **self._fixed}
        self._checked = 0.0

    def __len__(self) -> int:
        return len(self._callers)

    def caller(self, key: str, now: float) -> Caller | None:
        """Whose key it is at monotonic time `now`; None if nobody's."""
        if now - self._checked >= 1.0:
            self._checked = now
            self._refresh()
        return self._callers.get(digest(key))

    def _look(self) -> tuple[int, int, int]:
        try:
            stat = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._callers = {**read_keys(self._path), **self._fixed}
        except KeyFileError:
            # a half-written file locks nobody out; the next change is looked at again
            return
