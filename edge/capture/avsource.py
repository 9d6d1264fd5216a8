"""Files, RTSP addresses and camera devices through PyAV, which is FFmpeg."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import av
import av.error
import numpy as np

from edge.capture.port import Picture, SourceError
from plates.event import Clock

# Damaged frames in a row after which a stream counts as broken; a lost packet spoils a few.
_MAX_DAMAGED = 100
_PASSWORD = re.compile(r"(?<=://)[^/\s]+@")


def without_password(address: str) -> str:
    """The address as it may be shown: user and password replaced by three dots."""
    return _PASSWORD.sub("...@", address)


class AvSource:
    """Anything FFmpeg opens. Not for pictures: see `images`."""

    def __init__(
        self,
        address: str,
        *,
        live: bool,
        clock: Clock,
        options: Mapping[str, str] | None = None,
        container: str | None = None,
        open_timeout: float = 10.0,
        read_timeout: float = 10.0,
    ) -> None:
        self._address = address
        self._live = live
        self._clock = clock
        self._options = dict(options or {})
        self._format = container
        self._timeout = (open_timeout, read_timeout)
        self._closed = threading.Event()
        self.damaged = 0

    @property
    def name(self) -> str:
        """The address without its password."""
        return without_password(self._address)

    @property
    def live(self) -> bool:
        """Whether pictures that are not taken in time are lost."""
        return self._live

    @property
    def clock(self) -> Clock:
        """Which clock positions are read from."""
        return self._clock

    def pictures(self) -> Iterator[Picture]:
        """Decodes the first video stream."""
        container = self._open()
        try:
            if not container.streams.video:
                raise SourceError(f"{self.name}: has no video stream", permanent=not self._live)
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if self._live:
                # frames as they come: a decoder that waits to sort them adds their time to every alert
                stream.codec_context.flags |= av.codec.context.Flags.low_delay
            yield from self._decode(container, stream)
        finally:
            container.close()

    def _open(self) -> Any:
        try:
            return av.open(
                self._address,
                format=self._format,
                options=self._options,
                timeout=self._timeout,
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            permanent = not self._live
            raise SourceError(
                f"{self.name}: cannot be opened: {_reason(error)}", permanent=permanent
            ) from None

    def _decode(self, container: Any, stream: Any) -> Iterator[Picture]:
        in_a_row = given = 0
        try:
            for packet in container.demux(stream):
                if self._closed.is_set():
                    return
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError as error:
                    self.damaged += 1
                    in_a_row += 1
                    if in_a_row >= _MAX_DAMAGED:
                        raise SourceError(
                            f"{self.name}: {in_a_row} damaged frames in a row: {_reason(error)}",
                            permanent=not self._live,
                        ) from None
                    continue
                for frame in frames:
                    in_a_row = 0
                    given += 1
                    yield Picture(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8), frame.time)
        except (av.error.FFmpegError, OSError) as error:
            # a recording is not begun again: its vehicles would pass twice
            what = f"no data for {self._timeout[1]:g} s" if _timed_out(error) else _reason(error)
            raise SourceError(f"{self.name}: broke off: {what}", permanent=not self._live) from None
        if not self._live and given == 0:
            raise SourceError(f"{self.name}: holds no picture that can be decoded", permanent=True)

    def close(self) -> None:
        """Ends `pictures` at the next packet, or when the read times out."""
        self._closed.set()


def file_source(path: str) -> AvSource:
    """A video file: every frame, times are positions in the recording."""
    return AvSource(path, live=False, clock=Clock.FILE)


def rtsp_source(address: str, *, transport: str = "tcp", read_timeout: float = 10.0) -> AvSource:
    """An RTSP camera. `transport`: tcp (whole pictures) or udp (less delay)."""
    options = {"rtsp_transport": transport, "fflags": "nobuffer", "max_delay": "500000"}
    return AvSource(address, live=True, clock=Clock.STREAM, options=options, read_timeout=read_timeout)


def network_source(address: str, *, read_timeout: float = 10.0) -> AvSource:
    """Any other live address FFmpeg reads: rtmp, http, srt, udp."""
    return AvSource(address, live=True, clock=Clock.STREAM, read_timeout=read_timeout)


def device_source(path: str, *, size: str = "", frame_rate: str = "") -> AvSource:
    """A camera at this machine by Video4Linux, for example /dev/video0. Its times are no wall clock."""
    options = {k: v for k, v in (("video_size", size), ("framerate", frame_rate)) if v}
    return AvSource(path, live=True, clock=Clock.WALL, options=options, container="v4l2")


def _timed_out(error: BaseException) -> bool:
    # PyAV interrupts FFmpeg when a timeout is over, and FFmpeg calls that an exit
    return isinstance(error, av.error.ExitError)


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return without_password(str(text))
