"""From a frame as it travelled to pixels: shared memory, raw bytes or a compressed picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from mesh.errors import FieldViolation, Kind, MeshError
from mesh.frames import FrameReader, FrameRef
from mesh.payload import RAW_CHANNELS, FramePayload, PixelFormat
from vision.pictures import Limits, PictureError, decode_picture
from vision.port import Image

COMPRESSED = {PixelFormat.JPEG: "JPEG", PixelFormat.PNG: "PNG"}


class FrameOpener:
    """Opens frames; keeps the shared-memory segments it has seen mapped."""

    def __init__(self, reader: FrameReader, max_pixels: int) -> None:
        self._reader = reader
        self._max_pixels = max_pixels

    @contextmanager
    def open(self, frame: FramePayload, field: str = "frame") -> Iterator[Image]:
        """The picture for the body of the `with`, read-only; pixels in shared memory are not copied.

        Raises MeshError: INVALID naming `field` for what is no picture or too large, and what
        `mesh.frames.FrameReader.view` raises, also at the end of the body if the slot was used anew
        meanwhile.
        """
        if frame.format in COMPRESSED:
            yield self._decode(frame, field)
            return
        shape = self._shape(frame, field)
        if isinstance(frame.pixels, FrameRef):
            with self._reader.view(frame.pixels, shape, frame.stride) as pixels:
                yield _colour(pixels)
        else:
            yield _colour(_raw(frame, frame.pixels, shape, field))

    def _decode(self, frame: FramePayload, field: str) -> Image:
        if isinstance(frame.pixels, FrameRef):
            raise invalid(f"{field}.format", "compressed pictures travel inline, not by shared memory")
        limits = Limits(self._max_pixels, (COMPRESSED[frame.format],))
        try:
            return decode_picture(frame.pixels, name="the picture", limits=limits)
        except PictureError as error:
            raise invalid(f"{field}.inline_data", str(error)) from error

    def _shape(self, frame: FramePayload, field: str) -> tuple[int, ...]:
        if not frame.height or not frame.width:
            raise invalid(f"{field}.{'width' if frame.height else 'height'}", "raw pixels need it")
        if frame.height * frame.width > self._max_pixels:
            raise invalid(field, f"{frame.width} x {frame.height} pixels are more than {self._max_pixels}")
        channels = RAW_CHANNELS[frame.format]
        return (frame.height, frame.width, 3) if channels == 3 else (frame.height, frame.width)


def _raw(frame: FramePayload, data: bytes, shape: tuple[int, ...], field: str) -> Image:
    row = shape[1] * RAW_CHANNELS[frame.format]
    stride = frame.stride or row
    if stride < row:
        raise invalid(f"{field}.stride", f"{stride} bytes are less than a row of {row}")
    needed = stride * (shape[0] - 1) + row
    if not needed <= len(data) <= stride * shape[0]:
        raise invalid(
            f"{field}.inline_data", f"{len(data)} bytes, but {shape[1]} x {shape[0]} needs {needed}"
        )
    strides = (stride, 3, 1) if len(shape) == 3 else (stride, 1)
    pixels: Image = np.ndarray(shape, np.uint8, data, 0, strides)
    return pixels


def _colour(pixels: Image) -> Image:
    if pixels.ndim == 3:
        return pixels
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_GRAY2BGR), np.uint8)


def invalid(field: str, description: str) -> MeshError:
    """The error for a frame that is no usable picture."""
    return MeshError(
        Kind.INVALID, "INVALID_PICTURE", description, fields=(FieldViolation(field, description),)
    )
