"""Notices that any process has committed to a SQLite file, within a few milliseconds and at next to no
cost."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

from storage.sqlite import connect

_INTERVAL_SECONDS = 0.02


class ChangeWatcher:
    """One thread that asks for the file's data_version (some microseconds) while anybody waits, and sleeps
    otherwise."""

    def __init__(self, path: Path, interval: float = _INTERVAL_SECONDS) -> None:
        self._path = path
        self._interval = interval
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._version = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._thread = threading.Thread(target=self._watch, name=f"{path.stem}-watch", daemon=True)
        self._thread.start()

    @property
    def version(self) -> int:
        """Grows with each change seen: take it, look at the file, then `wait` for what comes after."""
        return self._version

    async def wait(self, seen: int, timeout: float) -> None:
        """Return when the file has changed since `version` was `seen`, or after `timeout` seconds. May return
        early."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._version != seen or self._closed.is_set():
                return
            self._waiters.add(waiter)
            self._wanted.set()
        try:
            await asyncio.wait([waiter], timeout=timeout)
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    def _watch(self) -> None:
        connection = connect(self._path)
        try:
            last = None
            while not self._closed.is_set():
                self._wanted.wait()
                last = self._look(connection, last)
                self._closed.wait(self._interval)
        finally:
            connection.close()

    def _look(self, connection: sqlite3.Connection, last: object) -> object:
        try:
            current = connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.OperationalError:
            current = object()  # wake everybody: who reads the file next says what is wrong with it
        with self._lock:
            if current != last:
                self._version += 1
                self._wake()
            if not self._waiters:
                self._wanted.clear()
        return current

    def _wake(self) -> None:
        for waiter in self._waiters:
            waiter.get_loop().call_soon_threadsafe(_finish, waiter)
        self._waiters.clear()

    def close(self) -> None:
        """Wake everybody and end the thread; blocks for one interval at most."""
        with self._lock:
            self._closed.set()
            self._wake()
            self._wanted.set()
        self._thread.join()


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
