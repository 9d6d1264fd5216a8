"""Picture files and folders of them: each picture stands alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.capture.port import Picture, SourceError
from mesh.logs import logger
from plates.event import Clock

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
"""Files taken for pictures, by the end of their names."""


def is_picture(path: Path) -> bool:
    """Whether a file's name says that it is a picture."""
    return path.suffix.lower() in SUFFIXES


class ImageSource:
    """Picture files, one second apart. A file that is no picture is logged, counted and left out."""

    live = False
    clock = Clock.FILE

    def __init__(self, name: str, files: Sequence[Path]) -> None:
        self.name = name
        self._files = tuple(files)
        self._closed = threading.Event()
        self.damaged = 0

    def pictures(self) -> Iterator[Picture]:
        """Every file in order; SourceError at the end if not a single one is a picture."""
        given = 0
        for position, path in enumerate(self._files):
            if self._closed.is_set():
                return
            pixels = _read(path)
            if pixels is None:
                self.damaged += 1
                logger("edge.capture").warning("not a picture", file=str(path))
                continue
            given += 1
            yield Picture(pixels, float(position), single=True)
        if given == 0:
            raise SourceError(f"{self.name}: holds no picture", permanent=True)

    def close(self) -> None:
        """Ends `pictures` before the next file."""
        self._closed.set()


def image_source(path: Path) -> ImageSource:
    """A picture file, or a folder with the pictures in it and below it, by name."""
    if not path.is_dir():
        return ImageSource(str(path), [path])
    files = sorted(p for p in path.rglob("*") if p.is_file() and is_picture(p))
    if not files:
        raise SourceError(
            f"{path}: the folder holds no picture ({', '.join(sorted(SUFFIXES))})", permanent=True
        )
    return ImageSource(str(path), files)


def _read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    if data.size == 0:
        return None
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return None if pixels is None else np.asarray(pixels, np.uint8)
