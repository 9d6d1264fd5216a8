"""A SQLite file as the embedded adapters use it: one writing thread, a few reading ones, nothing on the event
loop.

Write-ahead log, so that readers and the writer of any process go on side by side. A durable write is on disk
when it returns (synchronous=FULL); one that may be repeated after a power failure can be written without the
wait.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from mesh.errors import Kind, MeshError

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_BUSY_SECONDS = 10.0
_WAL_LIMIT_BYTES = 64 << 20


class Database:
    """Runs functions on connections to one file. Errors of SQLite become MeshError: UNAVAILABLE for what can
    pass (disk full, locked, cannot be opened), DATA_LOSS for a file that is damaged or none of ours."""

    def __init__(self, path: Path, readers: int) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"{path.stem}-write")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix=f"{path.stem}-read")
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._write_connection: sqlite3.Connection | None = None
        self._connections: list[sqlite3.Connection] = []

    @classmethod
    async def open(cls, path: Path, migrations: Sequence[str], *, readers: int = 2) -> Database:
        """Open or make the file and bring its schema up to date. `migrations` are scripts; the file's
        user_version says how many it has had. FAILED_PRECONDITION if the file is of a later version of this
        software."""
        database = cls(path, readers)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(database._writer, partial(database._start, migrations, readers))
        except BaseException:
            await database.close()
            raise
        return database

    def _start(self, migrations: Sequence[str], readers: int) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._write_connection = connect(self._path)
            self._connections.append(self._write_connection)
            _migrate(self._write_connection, self._path, migrations)
            for _ in range(readers):
                connection = connect(self._path)
                connection.execute("PRAGMA query_only = ON")
                self._connections.append(connection)
                self._idle.put(connection)
        except OSError as error:
            raise _unavailable(self._path, error) from error
        except sqlite3.Error as error:
            raise self._mesh_error(error) from error

    async def write(self, work: Work[T], *, durable: bool = True) -> T:
        """Run `work` in a transaction of its own; it is committed when this returns, rolled back if `work`
        raises.

        Cancelling the caller leaves open whether it was committed.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._write, work, durable)

    async def sweep(self, chunk: Work[int]) -> int:
        """Run `chunk` in a transaction each until it says 0; the sum. A power failure may undo the last ones.

        For removals: other writers get their turn between the chunks."""
        total = 0
        while count := await self.write(chunk, durable=False):
            total += count
        return total

    def _write(self, work: Work[T], durable: bool) -> T:
        connection = self._write_connection
        assert connection is not None
        try:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._mesh_error(error) from error
        return result

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a consistent snapshot. Cancelling the caller interrupts the query."""
        call = _Interruptible()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers, self._read, work, call)
        except asyncio.CancelledError:
            call.interrupt()
            raise

    def _read(self, work: Work[T], call: _Interruptible) -> T:
        connection = self._idle.get()
        try:
            call.begin(connection)
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._mesh_error(error) from error
        finally:
            call.end()
            self._idle.put(connection)

    async def check(self) -> None:
        """Return if the file can be written now: takes and gives back the write lock."""
        await self.write(lambda connection: None, durable=False)
        await self.read(lambda connection: connection.execute("SELECT 1").fetchone())

    async def close(self) -> None:
        """Wait for what runs, then close all connections."""
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _mesh_error(self, error: sqlite3.Error) -> MeshError:
        if isinstance(error, sqlite3.OperationalError):
            return _unavailable(self._path, error)
        return MeshError(Kind.DATA_LOSS, "STORE_DAMAGED", f"{self._path.name}: {error}")


class _Interruptible:
    """Lets one thread interrupt the query that another runs, and never the one that comes after it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._interrupted = False

    def begin(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if self._interrupted:
                raise sqlite3.OperationalError("interrupted")
            self._connection = connection

    def end(self) -> None:
        with self._lock:
            self._connection = None

    def interrupt(self) -> None:
        with self._lock:
            self._interrupted = True
            if self._connection is not None:
                self._connection.interrupt()


def connect(path: Path) -> sqlite3.Connection:
    """A connection to `path` for any one thread at a time, in autocommit mode."""
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(migrations):
            raise MeshError(
                Kind.FAILED_PRECONDITION,
                "STORE_TOO_NEW",
                f"{path.name} has schema version {version}, this software knows up to {len(migrations)}",
            )
        for number in range(version, len(migrations)):
            for statement in _statements(migrations[number]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _statements(script: str) -> list[str]:
    # executescript would commit the transaction that makes a migration whole or nothing
    return [statement for part in script.split(";") if (statement := part.strip())]


def _unavailable(path: Path, error: Exception) -> MeshError:
    return MeshError(Kind.UNAVAILABLE, "STORE_UNAVAILABLE", f"{path.name}: {error}")
