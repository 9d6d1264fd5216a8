"""Frames come from files, folders and streams; breaks are mended, freezes noticed, drops counted."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from datetime import datetime, timedelta, timezone
from itertools import count, pairwise
from pathlib import Path

import cv2
import pytest
from edge_media import ListSource, picture, write_video
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.avsource import file_source, without_password
from edge.capture.camera import Backoff, CameraCapture, CaptureOptions, Drop, State
from edge.capture.clock import CaptureClock
from edge.capture.freeze import FreezeWatch, Stall
from edge.capture.images import image_source
from edge.capture.opener import camera_name, open_source
from edge.capture.port import Picture, SourceError
from edge.frame import Frame
from plates.event import Clock

NOW = datetime(2030, 5, 1, tzinfo=timezone.utc)
QUICK = Backoff(0.01, 0.02)


async def everything(capture: CameraCapture, pause: float = 0.0) -> list[Frame]:
    """Takes frames until there are none left."""
    frames = []
    while not capture.ended:
        frame = await capture.take(0.2)
        if frame is not None:
            frames.append(frame)
            await asyncio.sleep(pause)
    await capture.stop()
    return frames


def stream(length: int, start: float = 0.0) -> list[Picture]:
    """A live stream whose picture changes."""
    return [Picture(picture(mark=i % 100), start + i / 10) for i in range(length)]


async def test_recording_gives_every_frame(tmp_path: Path) -> None:
    """A video file gives all its frames in order, also to a slow reader, at the recording's times."""
    path = write_video(tmp_path / "clip.mp4", [picture(mark=4 * i) for i in range(12)])
    capture = CameraCapture("cam", file_source(str(path)), CaptureOptions())
    capture.start()
    frames = await everything(capture, pause=0.01)
    assert [f.sequence for f in frames] == list(range(12))
    assert all(f.clock is Clock.FILE and f.pixels.shape == (96, 160, 3) for f in frames)
    steps = {round((b.captured_at - a.captured_at).total_seconds(), 2) for a, b in pairwise(frames)}
    assert steps == {0.1}
    assert capture.state()[0] is State.ENDED
    assert not capture.count.dropped


async def test_recording_in_real_time_drops_the_older_frames(tmp_path: Path) -> None:
    """Played at its own pace to a slow reader, a recording loses frames, and each loss is counted."""
    path = write_video(tmp_path / "clip.mp4", [picture(mark=3 * i) for i in range(20)], fps=50)
    capture = CameraCapture("cam", file_source(str(path)), CaptureOptions(realtime=True))
    capture.start()
    frames = await everything(capture, pause=0.08)
    assert capture.count.captured == 20
    assert capture.count.dropped[Drop.SUPERSEDED] == 20 - len(frames) > 0


async def test_frame_limit_drops_evenly() -> None:
    """A limit of frames a second keeps every n-th frame and counts the others."""
    capture = CameraCapture("cam", ListSource([stream(20)], live=False), CaptureOptions(fps_limit=5))
    capture.start()
    frames = await everything(capture)
    assert [f.sequence for f in frames] == list(range(0, 20, 2))
    assert capture.count.dropped == {Drop.FPS_LIMIT: 10}


async def test_broken_stream_is_opened_again() -> None:
    """A stream that breaks or ends is opened again; frames are numbered on, times never run backwards."""
    source = ListSource([[*stream(3, 100.0), SourceError("gone")], stream(2, 5.0), stream(1)])
    told: list[State] = []
    capture = CameraCapture(
        "cam", source, CaptureOptions(backoff=QUICK), on_change=lambda state, _: told.append(state)
    )
    capture.start()
    frames: list[Frame] = []
    while source.opened < 4:
        frame = await capture.take(0.5)
        if frame is not None:
            frames.append(frame)
    await capture.stop()
    assert capture.count.reconnects >= 3
    assert [a.captured_at < b.captured_at for a, b in pairwise(frames)] == [True] * (len(frames) - 1)
    assert {State.STREAMING, State.CONNECTING} <= set(told)


async def test_source_of_no_use_is_told_once() -> None:
    """A source that can never work is not tried again; the camera says that it failed and why."""
    source = ListSource([[SourceError("no video", permanent=True)]])
    capture = CameraCapture("cam", source, CaptureOptions(backoff=QUICK))
    capture.start()
    assert await everything(capture) == []
    assert capture.state() == (State.FAILED, "no video")
    assert source.opened == 1


async def test_frozen_stream_is_opened_again() -> None:
    """A stream that repeats its time or its picture is opened again."""
    same = [Picture(picture(mark=10), 1.0)] * 400
    for options in (
        CaptureOptions(backoff=QUICK, same_time_s=0.05, same_picture_s=0),
        CaptureOptions(backoff=QUICK, same_time_s=0, same_picture_s=0.05),
    ):
        source = ListSource([same], before_each=lambda: time.sleep(0.002))
        capture = CameraCapture("cam", source, options)
        capture.start()
        while source.opened < 2:
            await capture.take(0.2)
        await capture.stop()
        assert capture.count.reconnects >= 1


async def test_silent_stream_is_called_stalled() -> None:
    """A live source that gives nothing for a while is called stalled before its read times out."""
    turn, silence = count(), threading.Event()
    source = ListSource([stream(50)], before_each=lambda: silence.wait(20) if next(turn) else None)
    capture = CameraCapture("cam", source, CaptureOptions(no_frames_s=0.1))
    capture.start()
    await capture.take(10.0)
    await asyncio.sleep(0.2)
    assert capture.state()[0] is State.STALLED
    assert capture.lost_for() > 0.1
    silence.set()
    await capture.stop()


async def test_stop_ends_a_recording_that_waits() -> None:
    """A recording that waits for its reader ends at once when stopped, its frames counted as dropped."""
    capture = CameraCapture("cam", ListSource([stream(50)], live=False), CaptureOptions())
    capture.start()
    await capture.take(10.0)
    await asyncio.sleep(0.05)
    await asyncio.wait_for(capture.stop(), 20)  # unless it is ended, it waits for ever
    assert capture.count.dropped[Drop.SHUTDOWN] >= 1
    assert capture.ended


async def test_folder_gives_each_picture_alone(tmp_path: Path) -> None:
    """A folder gives its pictures by name, each a scene of its own, and counts the files that are none."""
    for name in ("b.jpg", "a.png"):
        cv2.imwrite(str(tmp_path / name), picture())
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("not looked at")
    capture = CameraCapture("cam", image_source(tmp_path), CaptureOptions())
    capture.start()
    assert [frame.single for frame in await everything(capture)] == [True, True]
    assert capture.count.dropped == {Drop.DAMAGED: 1}


@pytest.mark.parametrize(
    ("address", "message"),
    [("/no/such/file.mp4", "no such file"), ("ftp://host/x", "no such kind of address")],
)
def test_address_that_means_nothing(address: str, message: str) -> None:
    """An address that cannot be opened says what is wrong with it."""
    with pytest.raises(SourceError, match=message) as failure:
        open_source(address)
    assert failure.value.permanent


def test_damaged_video_gives_what_is_whole(tmp_path: Path) -> None:
    """A video with damage in it gives its other frames, and counts what could not be decoded."""
    path = write_video(tmp_path / "clip.mp4", [picture(mark=4 * i) for i in range(30)])
    data = bytearray(path.read_bytes())
    start = len(data) // 4  # the index lies at the end
    data[start : start + 400] = bytes(400)
    path.write_bytes(data)
    source = file_source(str(path))
    given = len(list(source.pictures()))
    assert given >= 10
    assert given + source.damaged <= 31


def test_folder_without_pictures_and_file_that_is_no_video(tmp_path: Path) -> None:
    """What holds no picture says so, by name."""
    with pytest.raises(SourceError, match="holds no picture"):
        open_source(str(tmp_path))
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"x" * 2000)
    with pytest.raises(SourceError, match=r"bad\.mp4: cannot be opened") as failure:
        list(open_source(str(bad)).pictures())
    assert failure.value.permanent


def test_kinds_of_addresses() -> None:
    """RTSP and devices are live by their own clocks."""
    assert open_source("rtsp://10.0.0.5/a").clock is Clock.STREAM
    assert open_source("rtsp://10.0.0.5/a", backend="gstreamer").live
    assert open_source("0").clock is Clock.WALL
    assert open_source("http://10.0.0.5/a.mjpg").live


def test_passwords_are_not_shown() -> None:
    """Neither a source's name nor its errors show the password of its address."""
    source = open_source("rtsp://user:se@cret@127.0.0.1:9/x", read_timeout=0.5)
    assert "cret" not in source.name
    with pytest.raises(SourceError) as failure:
        next(iter(source.pictures()))
    assert "cret" not in str(failure.value)
    assert without_password("rtsp://a:b@h/x") == "rtsp://...@h/x"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/videos/gate north.mp4", "gate-north"),
        ("rtsp://u:p@10.0.0.5:554/stream1?x=y", "stream1"),
        ("rtsp://10.0.0.5", "10.0.0"),
        ("0", "0"),
        ("///", "camera"),
    ],
)
def test_camera_names(address: str, name: str) -> None:
    """A camera is named after the last part of its address, without anything secret in it."""
    assert camera_name(address) == name


@given(st.text(max_size=200))
def test_camera_names_fit_the_contract(address: str) -> None:
    """Whatever the address, the name is one the contract takes."""
    name = camera_name(address)
    assert 1 <= len(name) <= 64
    assert all(c.isascii() and (c.isalnum() or c in "._-") for c in name)


def test_stream_times_are_anchored_and_follow_the_wall_clock() -> None:
    """Stream times start at the wall clock, go by the stream, and are anchored anew when they run away."""
    clock = CaptureClock(Clock.STREAM)
    assert clock.time(1000.0, NOW) == NOW
    assert clock.time(1000.5, NOW + timedelta(seconds=0.6)) == NOW + timedelta(seconds=0.5)
    assert clock.time(1001.0, NOW + timedelta(seconds=9)) == NOW + timedelta(seconds=9)


def test_recording_times_are_positions() -> None:
    """A recording's times are its positions, however fast it is read."""
    clock = CaptureClock(Clock.FILE)
    clock.time(0.0, NOW)
    assert clock.time(60.0, NOW + timedelta(seconds=1)) == NOW + timedelta(seconds=60)


@given(st.lists(st.tuples(st.none() | st.floats(0, 1e6), st.floats(0, 5), st.booleans()), max_size=30))
def test_times_never_run_backwards(steps: list[tuple[float | None, float, bool]]) -> None:
    """Whatever a stream says of its times, frames come later and later."""
    for kind in Clock:
        clock, now, last = CaptureClock(kind), NOW, None
        for position, wait, reopened in steps:
            now += timedelta(seconds=wait)
            if reopened:
                clock.reopen()
            moment = clock.time(position, now)
            assert last is None or moment > last
            last = moment


def test_black_and_standing_pictures_are_noticed_late_enough() -> None:
    """A stall is told after its time, not before, and forgotten as soon as something moves."""
    watch = FreezeWatch(same_time_s=5, same_picture_s=10, black_s=3)
    black = picture(0)
    assert [watch.look(black, float(t), float(t)) for t in range(5)] == [
        None,
        None,
        None,
        Stall.BLACK,
        Stall.BLACK,
    ]
    still = [watch.look(picture(80), 10.0 + t, 10.0 + t) for t in range(13)]
    assert still[:11] == [None] * 11
    assert still[12] is Stall.SAME_PICTURE
    assert watch.look(picture(81), 30.0, 30.0) is None


def test_backoff_grows_within_bounds() -> None:
    """Waits double, stay within their bound, and differ between cameras."""
    backoff = Backoff(0.5, 8)
    waits = [backoff.wait(n, random.Random(1)) for n in range(10)]
    assert all(0.5 * min(8, 0.5 * 2**n) <= w <= min(8, 0.5 * 2**n) for n, w in enumerate(waits))
    assert backoff.wait(3, random.Random(1)) != backoff.wait(3, random.Random(2))
