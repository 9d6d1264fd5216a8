"""RTSP cameras and files through GStreamer, with the Jetson's or the GPU's own decoder when there is one.

Needs PyGObject and GStreamer's introspection data (Debian 12: python3-gi, gir1.2-gst-plugins-base-1.0,
gstreamer1.0-plugins-good and -bad, gstreamer1.0-libav); without them `available` says why, and PyAV does the
work. The software pipeline runs in the tests where these are installed (GStreamer 1.22, PyGObject 3.42). The
hardware pipelines follow NVIDIA's documentation of their elements; they have not run on such a machine yet.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edge.capture.avsource import without_password
from edge.capture.port import Picture, SourceError
from plates.event import Clock

_SINK = "appsink name=sink max-buffers=2 drop={drop} sync=false"
_FRAME_WAIT_NS = 200_000_000


def decoder(has_element: Callable[[str], bool]) -> str:
    """The part of the pipeline that makes BGR pictures of H.264 or H.265, by the elements of this machine."""
    if has_element("nvv4l2decoder") and has_element("nvvidconv"):  # Jetson: NVDEC, then its own converter
        convert = "nvvidconv ! video/x-raw,format=BGRx ! videoconvert"
        return f"nvv4l2decoder ! {convert} ! video/x-raw,format=BGR"
    if has_element("nvh264dec") and has_element("cudadownload"):  # a PC with an NVIDIA card
        return "decodebin ! cudadownload ! videoconvert ! video/x-raw,format=BGR"
    return "decodebin ! videoconvert ! video/x-raw,format=BGR"


def pipeline(
    address: str, has_element: Callable[[str], bool], *, codec: str = "h264", latency_ms: int = 200
) -> str:
    """The pipeline's description for an RTSP address or a file's path. `codec`: h264 or h265, for hardware
    decoders."""
    if codec not in ("h264", "h265"):
        raise ValueError(f"codec {codec!r}: h264 or h265")
    decode = decoder(has_element)
    live = address.startswith(("rtsp://", "rtsps://"))
    if live:
        source = f'rtspsrc location="{_quoted(address)}" latency={latency_ms} protocols=tcp'
        parse = f"rtp{codec}depay ! {codec}parse ! " if decode.startswith("nvv4l2decoder") else ""
    else:
        source = f'filesrc location="{_quoted(address)}"'
        parse = f"qtdemux ! {codec}parse ! " if decode.startswith("nvv4l2decoder") else ""
    return f"{source} ! {parse}{decode} ! {_SINK.format(drop='true' if live else 'false')}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def available() -> str:
    """Why GStreamer cannot be used here; empty if it can."""
    try:
        _load()
    except (ImportError, ValueError) as error:
        return f"GStreamer is not usable from Python here: {error}"
    return ""


def _load() -> Any:
    gi = importlib.import_module("gi")
    gi.require_version("Gst", "1.0")
    gi.require_version("GstApp", "1.0")
    gst = importlib.import_module("gi.repository.Gst")
    importlib.import_module("gi.repository.GstApp")
    if not gst.is_initialized():
        gst.init(None)
    return gst


class GstSource:
    """An RTSP camera or a video file through GStreamer."""

    def __init__(
        self, address: str, *, codec: str = "h264", latency_ms: int = 200, read_timeout: float = 10.0
    ) -> None:
        self._address = address
        self._codec = codec
        self._latency_ms = latency_ms
        self._read_timeout = read_timeout
        self._closed = threading.Event()
        self.damaged = 0  # GStreamer conceals what it cannot decode and does not say so
        self.live = address.startswith(("rtsp://", "rtsps://"))
        self.clock = Clock.STREAM if self.live else Clock.FILE

    @property
    def name(self) -> str:
        """The address without its password."""
        return without_password(self._address)

    def pictures(self) -> Iterator[Picture]:
        """Plays the pipeline and gives what its sink gets."""
        try:
            gst = _load()
        except (ImportError, ValueError) as error:
            raise SourceError(f"{self.name}: GStreamer is not usable here: {error}", permanent=True) from None
        if not self.live and not Path(self._address).is_file():
            raise SourceError(f"{self.name}: no such file", permanent=True)
        running = self._launch(gst)
        try:
            yield from self._pull(gst, running)
        finally:
            running.set_state(gst.State.NULL)

    def _launch(self, gst: Any) -> Any:
        def has_element(name: str) -> bool:
            return gst.ElementFactory.find(name) is not None

        text = pipeline(self._address, has_element, codec=self._codec, latency_ms=self._latency_ms)
        glib = importlib.import_module("gi.repository.GLib")
        try:
            running = gst.parse_launch(text)
        except glib.Error as error:
            raise SourceError(
                f"{self.name}: no pipeline: {without_password(str(error))}", permanent=True
            ) from None
        running.set_state(gst.State.PLAYING)
        return running

    def _pull(self, gst: Any, running: Any) -> Iterator[Picture]:
        sink, bus = running.get_by_name("sink"), running.get_bus()
        waited = 0
        while not self._closed.is_set():
            sample = sink.try_pull_sample(_FRAME_WAIT_NS)
            if sample is not None:
                waited = 0
                yield _picture(gst, sample)
                continue
            message = bus.pop_filtered(gst.MessageType.ERROR | gst.MessageType.EOS)
            if message is not None and message.type == gst.MessageType.ERROR:
                error, _ = message.parse_error()
                raise SourceError(
                    f"{self.name}: broke off: {without_password(error.message)}", permanent=not self.live
                )
            if message is not None or sink.is_eos():
                return
            waited += _FRAME_WAIT_NS
            if waited > self._read_timeout * 1e9:
                raise SourceError(f"{self.name}: no frame for {self._read_timeout:.0f} s")

    def close(self) -> None:
        """Ends `pictures` within a fifth of a second."""
        self._closed.set()


def _picture(gst: Any, sample: Any) -> Picture:
    buffer, structure = sample.get_buffer(), sample.get_caps().get_structure(0)
    height, width = structure.get_value("height"), structure.get_value("width")
    mapped, memory = buffer.map(gst.MapFlags.READ)
    if not mapped:
        raise SourceError("a decoded frame cannot be read")
    try:
        rows = np.frombuffer(memory.data, np.uint8)
        stride = rows.size // height  # rows are padded to multiples of four bytes
        pixels = (
            rows[: stride * height].reshape(height, stride)[:, : width * 3].reshape(height, width, 3).copy()
        )
    finally:
        buffer.unmap(memory)
    position = buffer.pts / 1e9 if buffer.pts != gst.CLOCK_TIME_NONE else None
    return Picture(pixels, position)
