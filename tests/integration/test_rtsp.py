"""Cameras over RTSP, against a real server: frames, breaks, silence, and what is told of them.

OVR_TEST_RTSP names a server that relays what is published to any of its paths, for example rtsp://127.0.0.1:8554.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import uuid
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest

from edge.capture.avsource import rtsp_source
from edge.capture.camera import Backoff, CameraCapture, CaptureOptions, State
from edge.capture.gst import GstSource, available
from edge.frame import Frame
from plates.event import Clock
from tests.builders.engines import needs

SERVER = os.environ.get("OVR_TEST_RTSP", "")
pytestmark = [*needs("OVR_TEST_RTSP"), pytest.mark.timeout(90)]
FPS = 12
QUICK = Backoff(0.1, 0.5)


class Publisher:
    """A camera: publishes a moving picture until it is stopped; can hold its breath."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stop = threading.Event()
        self.silent = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with av.open(self._address, "w", format="rtsp", options={"rtsp_transport": "tcp"}) as container:
            stream = container.add_stream("mpeg4", rate=FPS)
            stream.width, stream.height, stream.pix_fmt, stream.gop_size = 320, 192, "yuv420p", 6
            number = 0
            while not self._stop.is_set():
                if not self.silent.is_set():
                    pixels = np.full((192, 320, 3), 60, np.uint8)
                    pixels[40:120, (8 * number) % 240 : (8 * number) % 240 + 60] = 220
                    frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
                    frame.pts, frame.time_base = number, Fraction(1, FPS)
                    container.mux(stream.encode(frame))
                number += 1
                time.sleep(1 / FPS)

    def stop(self) -> None:
        """Ends the publication."""
        self._stop.set()
        self._thread.join(5)


@pytest.fixture
def address() -> str:
    """A path of its own on the server."""
    return f"{SERVER.rstrip('/')}/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def publisher(address: str) -> Iterator[Publisher]:
    """A camera that publishes to the path."""
    found = Publisher(address)
    yield found
    found.stop()


def capture_of(address: str, read_timeout: float = 2.0, no_frames_s: float = 0.7) -> CameraCapture:
    """Capture with short patience."""
    options = CaptureOptions(backoff=QUICK, no_frames_s=no_frames_s)
    return CameraCapture("cam", rtsp_source(address, read_timeout=read_timeout), options)


async def take(capture: CameraCapture, count: int, within: float = 20.0) -> list[Frame]:
    """So many frames, in time."""
    frames: list[Frame] = []
    until = time.monotonic() + within
    while len(frames) < count and time.monotonic() < until:
        frame = await capture.take(0.5)
        if frame is not None:
            frames.append(frame)
    assert len(frames) == count, capture.state()
    return frames


async def test_frames_of_a_camera(address: str, publisher: Publisher) -> None:
    """A camera's frames arrive, with times of its own clock that follow the wall clock."""
    capture = capture_of(address)
    capture.start()
    frames = await take(capture, 20)
    state = capture.state()[0]
    await capture.stop()
    assert state is State.STREAMING
    assert frames[0].pixels.shape == (192, 320, 3)
    assert {f.clock for f in frames} == {Clock.STREAM}
    span = (frames[-1].captured_at - frames[0].captured_at).total_seconds()
    assert span == pytest.approx((frames[-1].sequence - frames[0].sequence) / FPS, rel=0.5, abs=0.5)


async def test_camera_that_comes_back(address: str) -> None:
    """A camera that goes away is connected to again when it is back; the frames' numbers go on."""
    first = Publisher(address)
    capture = capture_of(address)
    capture.start()
    before = await take(capture, 5)
    first.stop()
    await asyncio.sleep(1.5)
    gone = capture.state()
    second = Publisher(address)
    after = await take(capture, 5)
    second.stop()
    await capture.stop()
    assert gone[0] in (State.CONNECTING, State.STALLED)
    assert capture.count.reconnects >= 1
    assert after[0].sequence > before[-1].sequence
    assert after[0].captured_at > before[-1].captured_at


async def test_silent_camera_is_stalled_then_opened_again(address: str, publisher: Publisher) -> None:
    """A camera that stays connected but sends nothing is called stalled, and its connection is given up."""
    capture = capture_of(address)
    capture.start()
    await take(capture, 5)
    publisher.silent.set()
    states, before = set(), capture.count.reconnects
    until = time.monotonic() + 20
    while capture.count.reconnects == before and time.monotonic() < until:
        await capture.take(0.1)
        states.add(capture.state()[0])
    publisher.silent.clear()
    await take(capture, 3)
    await capture.stop()
    assert State.STALLED in states
    assert capture.count.reconnects > before


async def test_path_without_camera(address: str) -> None:
    """A path nobody publishes to is tried again and again, and the camera says why it has no frames."""
    capture = capture_of(address)
    capture.start()
    for _ in range(60):
        assert await capture.take(0.1) is None
        if capture.count.reconnects >= 2:
            break
    state, detail = capture.state()
    await capture.stop()
    assert state is State.CONNECTING
    assert "cannot be opened" in detail
    assert capture.count.reconnects >= 2


async def test_stop_while_connected(address: str, publisher: Publisher) -> None:
    """Stopping does not wait for the network."""
    capture = capture_of(address, read_timeout=30)
    capture.start()
    await take(capture, 3)
    started = time.monotonic()
    await capture.stop()
    assert time.monotonic() - started < 3


@pytest.mark.skipif(bool(available()), reason=available() or "usable")
async def test_frames_through_gstreamer(address: str, publisher: Publisher) -> None:
    """GStreamer, where it is installed, gives the same camera's frames."""
    await asyncio.sleep(1)
    pictures = GstSource(address).pictures()
    assert [next(pictures).pixels.shape for _ in range(5)] == [(192, 320, 3)] * 5
