"""Small videos and pictures for tests, and sources made of lists."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from edge.capture.port import Picture
from edge.frame import Pixels
from plates.event import Clock


def picture(shade: int = 90, width: int = 160, height: int = 96, mark: int | None = None) -> Pixels:
    """A grey picture; `mark` puts a white block at that column."""
    pixels = np.full((height, width, 3), shade, np.uint8)
    if mark is not None:
        pixels[20:60, mark : mark + 40] = 255
    return pixels


def write_video(path: Path, frames: Sequence[Pixels], fps: int = 10) -> Path:
    """An MPEG-4 video of these frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(fps))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")))
        container.mux(stream.encode())
    return path


class ListSource:
    """A source that gives what each opening in turn says: pictures, or an error to raise after them."""

    name = "list"
    damaged = 0

    def __init__(
        self,
        openings: Sequence[Sequence[Picture | Exception]],
        *,
        live: bool = True,
        before_each: Callable[[], None] = lambda: None,
    ) -> None:
        self.live, self.clock = live, Clock.STREAM if live else Clock.FILE
        self.opened = 0
        self._openings = list(openings)
        self._before_each = before_each
        self._closed = threading.Event()

    def pictures(self) -> Iterator[Picture]:
        """The pictures of the next opening; the last one is repeated."""
        items = self._openings[min(self.opened, len(self._openings) - 1)]
        self.opened += 1
        for item in items:
            self._before_each()
            if self._closed.is_set():
                return
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self) -> None:
        """Ends `pictures`."""
        self._closed.set()
