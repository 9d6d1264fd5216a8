"""The embedded image store: a directory, one file a picture, named by its key."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from mesh.errors import Kind, MeshError
from storage.images.port import StoredImage, check_picture, parse_image_key

T = TypeVar("T")

_THREADS = 4
_PARTIAL = ".partial-"


class DirectoryImageStore:
    """`storage.images.port.ImageStore` on a directory. A file appears under its name whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="images")

    @classmethod
    async def open(cls, root: Path) -> DirectoryImageStore:
        """Open or make the directory; what a crash left half-written by this machine's processes is swept
        later, by `delete_older_than`."""
        store = cls(root)
        await store._run(lambda: root.mkdir(parents=True, exist_ok=True))
        return store

    async def put(self, key: str, data: bytes, media_type: str) -> None:
        """See the port."""
        await self._run(lambda: self._put(key, data, media_type))

    def _put(self, key: str, data: bytes, media_type: str) -> None:
        check_picture(key, data, media_type)
        path = self._root / key
        if _is_stored(path, data):
            _sync_directory(path.parent)  # whoever stored it may have crashed before this
            return
        _make_directories(path.parent, self._root)
        descriptor, partial = tempfile.mkstemp(prefix=_PARTIAL, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.replace(partial, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(partial)
            raise
        _sync_directory(path.parent)

    async def get(self, key: str) -> StoredImage | None:
        """See the port."""
        sha256, media_type = parse_image_key(key)
        data = await self._run(lambda: _read(self._root / key, sha256))
        return StoredImage(data, media_type) if data is not None else None

    async def exists(self, key: str) -> bool:
        """See the port."""
        parse_image_key(key)
        return await self._run((self._root / key).is_file)

    async def link(self, key: str, seconds: int) -> str | None:
        """See the port: a directory gives none."""
        parse_image_key(key)
        return None

    async def delete_older_than(self, moment: datetime) -> int:
        """See the port; also sweeps what crashes left half-written before `moment`."""
        return await self._run(lambda: self._delete(moment.timestamp()))

    def _delete(self, before: float) -> int:
        deleted = 0
        for path in self._root.glob("sha256/[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    deleted += not path.name.startswith(_PARTIAL)
        return deleted

    async def check(self) -> None:
        """See the port: writes a file and removes it."""

        def write() -> None:
            with tempfile.NamedTemporaryFile(prefix=_PARTIAL, dir=self._root) as file:
                file.write(b"check")
                file.flush()

        await self._run(write)

    async def close(self) -> None:
        """See the port."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except OSError as error:
            raise MeshError(Kind.UNAVAILABLE, "IMAGES_UNAVAILABLE", f"images: {error.strerror}") from error


def _is_stored(path: Path, data: bytes) -> bool:
    # makes it younger, too; compares the content so that putting a damaged picture again mends it
    try:
        os.utime(path)
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False


def _read(path: Path, sha256: str) -> bytes | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise MeshError(Kind.DATA_LOSS, "IMAGE_DAMAGED", f"stored picture {sha256} is damaged")
    return data


def _make_directories(directory: Path, root: Path) -> None:
    # a new directory is durable only when its parent is synced, too
    missing = []
    while directory != root and not directory.is_dir():
        missing.append(directory)
        directory = directory.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
