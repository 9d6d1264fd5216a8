"""Picture files and bytes: found, checked before they are unpacked, turned upright, decoded."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from vision.port import Image, VisionError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


class PictureError(VisionError):
    """Bytes or a file cannot be used as a picture; the message names the file and why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is unpacked at most: `pixels` in all, and of these `formats` (Pillow's names)."""

    pixels: int = 64_000_000
    formats: tuple[str, ...] = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")


def find_pictures(paths: Iterable[Path]) -> list[Path]:
    """Files as given, folders as the pictures in and below them, sorted by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        else:
            found.append(path)
    return found


def load_picture(path: Path, limits: Limits | None = None) -> Image:
    """The picture of a file, turned as its EXIF says; PictureError if it is none or too large."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {error.strerror or error}") from error
    return decode_picture(data, name=str(path), limits=limits)


def decode_picture(data: bytes, *, name: str = "picture", limits: Limits | None = None) -> Image:
    """A picture from the bytes of a file, turned as its EXIF says.

    The size is read from the header first, so that a small file that unpacks to a huge picture costs nothing.
    PictureError, in words beginning with `name`, for anything that is no picture or breaks the limits.
    """
    limits = limits or Limits()
    if not data:
        raise PictureError(f"{name}: is empty")
    width, height = _declared_size(data, name, limits.formats)
    if width * height > limits.pixels:
        raise PictureError(f"{name}: {width} x {height} pixels are more than {limits.pixels} allowed")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise PictureError(f"{name}: cannot be decoded: {error.err}") from error
    if image is None:
        raise PictureError(f"{name}: is damaged and cannot be decoded")
    return np.asarray(image, np.uint8)


def _declared_size(data: bytes, name: str, formats: Sequence[str]) -> tuple[int, int]:
    try:
        with PIL.Image.open(io.BytesIO(data), formats=list(formats)) as header:
            width, height = header.size
            return int(width), int(height)
    except PIL.UnidentifiedImageError as error:
        raise PictureError(f"{name}: is no picture ({', '.join(formats)} are read)") from error
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise PictureError(f"{name}: its header cannot be read: {error}") from error
