"""Which source an address means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from edge.capture.avsource import device_source, file_source, network_source, rtsp_source
from edge.capture.gst import GstSource
from edge.capture.images import image_source, is_picture
from edge.capture.port import Source, SourceError

Backend = Literal["auto", "pyav", "gstreamer"]
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_NETWORK = ("rtmp://", "rtmps://", "http://", "https://", "srt://", "udp://", "tcp://", "rtp://")


def open_source(
    address: str, *, backend: Backend = "auto", transport: str = "tcp", read_timeout: float = 10.0
) -> Source:
    """The source of an RTSP or other stream address, a video file, a picture, a folder of pictures, or a
    camera.

    A camera is `/dev/video0` or its number. Nothing is opened yet but folders, which are listed.
    SourceError (permanent) if there is no such thing.
    """
    lower = address.lower()
    if lower.startswith(("rtsp://", "rtsps://")):
        if backend == "gstreamer":
            return GstSource(address, read_timeout=read_timeout)
        return rtsp_source(address, transport=transport, read_timeout=read_timeout)
    if lower.startswith(_NETWORK):
        return network_source(address, read_timeout=read_timeout)
    if _SCHEME.match(address) and not lower.startswith("file://"):
        raise SourceError(f"{address.split('://')[0]}://: no such kind of address", permanent=True)
    if address.isdigit():
        return device_source(f"/dev/video{address}")
    if address.startswith("/dev/"):
        return device_source(address)
    return _local(Path(address[len("file://") :] if lower.startswith("file://") else address), backend)


def _local(path: Path, backend: Backend) -> Source:
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder", permanent=True)
    if path.is_dir() or is_picture(path):
        return image_source(path)
    return GstSource(str(path)) if backend == "gstreamer" else file_source(str(path))


def camera_name(address: str) -> str:
    """A camera id made of an address: letters, digits, dot, underscore and hyphen, at most 64."""
    bare = re.sub(r"^[a-z][a-z0-9+.-]*://([^/]*@)?", "", address, flags=re.IGNORECASE).rstrip("/")
    last = bare.split("?")[0].split("/")[-1] or bare
    stem = Path(last).stem if "." in last else last
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")[:64]
    return name or "camera"
