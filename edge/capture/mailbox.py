"""Hands frames from a capture thread to the event loop: the newest one of a live source, every one of a
recording."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from edge.frame import Frame

# Decoded ahead of time, so that decoding and detection overlap; more would only fill the memory.
_RECORDING_DEPTH = 2


class Mailbox:
    """One writer in a thread, one reader in the loop it was made for. Bounded in both modes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, newest_wins: bool) -> None:
        self._loop = loop
        self._newest_wins = newest_wins
        self._frames: deque[Frame] = deque()
        self._room = threading.Condition()
        self._filled = asyncio.Event()
        self._closed = False

    def put(self, frame: Frame) -> int:
        """Writer: leaves a frame. Returns how many older ones it displaced.

        Of a recording it waits for room instead; closing the mailbox ends the wait, and the frame is left
        out.
        """
        with self._room:
            if not self._newest_wins:
                self._room.wait_for(lambda: self._closed or len(self._frames) < _RECORDING_DEPTH)
            if self._closed:
                return 0
            displaced = len(self._frames) if self._newest_wins else 0
            if self._newest_wins:
                self._frames.clear()
            self._frames.append(frame)
        self._wake()
        return displaced

    def close(self) -> None:
        """Either side: no more frames. Those that lie there can still be taken."""
        with self._room:
            self._closed = True
            self._room.notify_all()
        self._wake()

    def discard(self) -> int:
        """Reader: leaves no frame. Returns how many there were."""
        with self._room:
            count = len(self._frames)
            self._frames.clear()
            self._room.notify_all()
        return count

    async def take(self, timeout: float) -> Frame | None:
        """Reader: the next frame, or None when none comes within `timeout` seconds or ever."""
        while True:
            with self._room:
                if self._frames:
                    frame = self._frames.popleft()
                    self._room.notify_all()
                    return frame
                if self._closed:
                    return None
                self._filled.clear()
            try:
                await asyncio.wait_for(self._filled.wait(), timeout)
            except asyncio.TimeoutError:
                return None

    @property
    def ended(self) -> bool:
        """Whether nothing is left and nothing will come."""
        with self._room:
            return self._closed and not self._frames

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._filled.set)
