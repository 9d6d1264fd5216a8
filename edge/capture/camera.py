"""One camera's capture: a thread that opens the source, reads it, watches over it, and opens it again when it
breaks."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from edge.capture.clock import CaptureClock, utc_now
from edge.capture.freeze import FreezeWatch, Stall
from edge.capture.mailbox import Mailbox
from edge.capture.port import Picture, Source, SourceError
from edge.frame import Frame
from plates.event import Clock

# A stream that held this long was good: the next break starts with a short wait again.
_GOOD_STREAM_S = 10.0


class State(str, Enum):
    """What a camera does; the words of the contract."""

    CONNECTING = "connecting"
    STREAMING = "streaming"
    STALLED = "stalled"
    ENDED = "ended"
    FAILED = "failed"


class Drop(str, Enum):
    """Why a captured frame was not searched."""

    SUPERSEDED = "superseded"
    FPS_LIMIT = "fps_limit"
    SHUTDOWN = "shutdown"
    DETECT_FAILED = "detect_failed"
    DETECT_REFUSED = "detect_refused"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait before attempt `n` (from 0): doubling, bounded, with jitter so that cameras do not come
    at once."""

    first_s: float = 0.5
    longest_s: float = 30.0

    def wait(self, attempt: int, rng: random.Random) -> float:
        """Between half and all of the bound for this attempt."""
        bound = min(self.longest_s, self.first_s * 2.0 ** min(attempt, 16))
        return bound * rng.uniform(0.5, 1.0)


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """How one camera is captured. `fps_limit` 0 means every frame; `realtime` plays a recording as if it were
    live."""

    fps_limit: float = 0.0
    realtime: bool = False
    no_frames_s: float = 10.0
    backoff: Backoff = Backoff()
    same_time_s: float = 5.0
    same_picture_s: float = 30.0
    black_s: float = 30.0


@dataclass(slots=True)
class CaptureCount:
    """What became of the frames of one camera since the start."""

    captured: int = 0
    reconnects: int = 0
    dropped: Counter[Drop] = field(default_factory=Counter)
    decode_s: float = 0.0
    last_frame_at: datetime | None = None


class CameraCapture:
    """Frames of one camera for the event loop. `start` once, `take` until `ended`, `stop` at any time."""

    def __init__(
        self,
        camera_id: str,
        source: Source,
        options: CaptureOptions,
        *,
        on_change: Callable[[State, str], None] = lambda state, detail: None,
    ) -> None:
        self.camera_id = camera_id
        self.source = source
        self.count = CaptureCount()
        self.newest_wins = source.live or options.realtime
        self._options = options
        self._on_change = on_change
        self._clock = CaptureClock(source.clock)
        self._watch = FreezeWatch(options.same_time_s, options.same_picture_s, options.black_s)
        self._rng = random.Random(camera_id)
        self._stopping = threading.Event()
        self._state, self._detail = State.CONNECTING, ""
        self._last_arrival = time.monotonic()
        self._next_due = 0.0
        self._mailbox: Mailbox | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name=f"capture-{camera_id}", daemon=True)

    @property
    def clock(self) -> Clock:
        """Which clock the frames' times come from."""
        return self.source.clock

    def start(self) -> None:
        """Starts the thread; called in the loop that takes the frames."""
        self._loop = asyncio.get_running_loop()
        self._mailbox = Mailbox(self._loop, newest_wins=self.newest_wins)
        self._thread.start()

    async def take(self, timeout: float) -> Frame | None:
        """The next frame, None if none comes in time; then look at `ended` and `state`."""
        assert self._mailbox is not None
        return await self._mailbox.take(timeout)

    @property
    def ended(self) -> bool:
        """Whether there will be no more frames."""
        return self._mailbox is not None and self._mailbox.ended

    def state(self) -> tuple[State, str]:
        """What the camera does, and why if it does not stream."""
        quiet = time.monotonic() - self._last_arrival
        if self._state is State.STREAMING and self.source.live and quiet > self._options.no_frames_s:
            return State.STALLED, f"no frame for {quiet:.0f} s"
        return self._state, self._detail

    def lost_for(self) -> float:
        """Seconds since the last frame of a live source; 0 for a recording, which waits for us."""
        return time.monotonic() - self._last_arrival if self.source.live else 0.0

    async def stop(self) -> None:
        """Ends the thread; frames that were not taken are counted as dropped by the shutdown."""
        self._stopping.set()
        self.source.close()
        if self._mailbox is not None:
            self._mailbox.close()
            left = self._mailbox.discard()
            if left:
                self.count.dropped[Drop.SHUTDOWN] += left
        # A read that hangs in the network ends by its own timeout; the process need not wait for it.
        await asyncio.to_thread(self._thread.join, 2.0)

    # -- in the thread

    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            opened = time.monotonic()
            try:
                self._read_once()
                if not self.source.live:
                    self._change(State.ENDED, "")
                    break
                raise SourceError(f"{self.source.name}: the stream ended")
            except SourceError as error:
                if error.permanent:
                    self._change(State.FAILED, str(error))
                    break
                attempt = 0 if time.monotonic() - opened > _GOOD_STREAM_S else attempt
                self._change(State.CONNECTING, str(error))
            self.count.reconnects += 1
            self._stopping.wait(self._options.backoff.wait(attempt, self._rng))
            attempt += 1
        assert self._mailbox is not None
        self._mailbox.close()

    def _read_once(self) -> None:
        """Opens the source and hands on its pictures until it ends, breaks or freezes."""
        self._clock.reopen()
        self._watch.reset()
        self._next_due = 0.0
        started: tuple[float, float] | None = None
        pictures = iter(self.source.pictures())
        while not self._stopping.is_set():
            before = time.perf_counter()
            picture = next(pictures, None)
            self.count.decode_s += time.perf_counter() - before
            if self.source.damaged:
                self.count.dropped[Drop.DAMAGED] = self.source.damaged
            if picture is None:
                return
            if self._options.realtime and not self.source.live and picture.position is not None:
                started = started or (time.monotonic() - picture.position, picture.position)
                self._stopping.wait(max(0.0, started[0] + picture.position - time.monotonic()))
            self._hand_on(picture)

    def _hand_on(self, picture: Picture) -> None:
        now = time.monotonic()
        self._last_arrival = now
        self._watch_over(picture, now)
        captured_at = self._clock.time(picture.position, utc_now())
        sequence = self.count.captured
        self.count.captured += 1
        self.count.last_frame_at = captured_at
        if not self._due(captured_at.timestamp()):
            self.count.dropped[Drop.FPS_LIMIT] += 1
            return
        frame = Frame(self.camera_id, sequence, captured_at, self.clock, picture.pixels, picture.single)
        assert self._mailbox is not None
        displaced = self._mailbox.put(frame)
        if displaced:
            self.count.dropped[Drop.SUPERSEDED] += displaced

    def _watch_over(self, picture: Picture, now: float) -> None:
        stall = self._watch.look(picture.pixels, picture.position, now) if self.source.live else None
        if stall is None:
            self._change(State.STREAMING, "")
        elif stall is Stall.BLACK:
            # a dark lens is told, not cured: opening the stream again would not help
            self._change(State.STALLED, "the picture is black")
        else:
            what = "its times stand still" if stall is Stall.SAME_TIME else "its picture does not change"
            self._change(State.STALLED, what)
            raise SourceError(f"{self.source.name}: frozen: {what}")

    def _due(self, at: float) -> bool:
        if self._options.fps_limit <= 0:
            return True
        step = 1.0 / self._options.fps_limit
        if at < self._next_due - step / 10:
            return False
        # keeps the rhythm, but does not catch up after a gap
        self._next_due = step + (self._next_due if at - self._next_due < step else at)
        return True

    def _change(self, state: State, detail: str) -> None:
        if (state, detail) == (self._state, self._detail):
            return
        self._state, self._detail = state, detail
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_change, state, detail)
