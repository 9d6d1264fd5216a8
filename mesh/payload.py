"""A frame as it travels between processes: its bytes or where they lie, and how they are to be understood."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.frames import FrameRef


class PixelFormat(enum.Enum):
    """How the bytes of a picture are to be understood."""

    BGR24 = "bgr24"
    GRAY8 = "gray8"
    JPEG = "jpeg"
    PNG = "png"


RAW_CHANNELS = {PixelFormat.BGR24: 3, PixelFormat.GRAY8: 1}
"""Bytes a pixel of the raw formats."""


@dataclass(frozen=True)
class FramePayload:
    """One picture of a camera. `pixels` is the bytes themselves or a slot of a shared-memory ring.

    `height` and `width` are needed for raw formats; `stride` is bytes from row to row, 0: rows follow
    closely.
    """

    camera_id: str
    format: PixelFormat
    pixels: bytes | FrameRef
    height: int = 0
    width: int = 0
    stride: int = 0
