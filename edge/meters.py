"""What the edge counts, for the metrics page and for the summary of a run."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from edge.capture.camera import CaptureCount
from mesh import names
from mesh.telemetry import Telemetry
from plates.event import Outcome, Reason

# Durations kept of each stage for its percentiles; a fair sample once there are more.
_SAMPLE = 4096


@dataclass(slots=True)
class StageTimes:
    """Durations of one stage, seconds."""

    count: int = 0
    total: float = 0.0
    _sample: list[float] = field(default_factory=list)
    _rng: random.Random = field(default_factory=lambda: random.Random(0))

    def add(self, seconds: float) -> None:
        """One more duration."""
        self.count += 1
        self.total += seconds
        if len(self._sample) < _SAMPLE:
            self._sample.append(seconds)
        elif (place := self._rng.randrange(self.count)) < _SAMPLE:
            self._sample[place] = seconds

    def percentile_ms(self, share: float) -> float:
        """The duration, milliseconds, that `share` of all stay within; 0 if there are none."""
        if not self._sample:
            return 0.0
        ordered = sorted(self._sample)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000

    def mean_ms(self) -> float:
        """Their mean, milliseconds; 0 if there are none."""
        return self.total / self.count * 1000 if self.count else 0.0


class Stages:
    """Times of every stage of a process."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._seconds = telemetry.histogram(names.STAGE_SECONDS)
        self.times: dict[str, StageTimes] = {}

    def add(self, stage: str, seconds: float) -> None:
        """One more duration of a stage."""
        self.times.setdefault(stage, StageTimes()).add(seconds)
        self._seconds.labels(stage).observe(seconds)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Times the body, also when it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)


class CameraMeter:
    """What happened at one camera since the start."""

    def __init__(self, camera_id: str, telemetry: Telemetry) -> None:
        self.searched = self.still = self.opened = self.crops_read = 0
        self.closed: Counter[Outcome] = Counter()
        self.reasons: Counter[Reason] = Counter()
        self._camera = camera_id
        self._captured = telemetry.counter(names.FRAMES_CAPTURED).labels(camera_id)
        self._dropped = telemetry.counter(names.FRAMES_DROPPED)
        self._reconnects = telemetry.counter(names.CAMERA_RECONNECTS).labels(camera_id)
        self._searched = telemetry.counter(names.FRAMES_SEARCHED).labels(camera_id)
        self._still = telemetry.counter(names.FRAMES_STILL).labels(camera_id)
        self._opened = telemetry.counter(names.PASSES_OPENED).labels(camera_id)
        self._closed = telemetry.counter(names.PASSES_CLOSED)
        self._open = telemetry.gauge(names.PASSES_OPEN).labels(camera_id)
        self._crops = telemetry.counter(names.CROPS_READ).labels(camera_id)
        self._told = CaptureCount()

    def frame_searched(self) -> None:
        """The detector has searched a frame."""
        self.searched += 1
        self._searched.inc()

    def frame_still(self) -> None:
        """A frame was not searched because nothing moved."""
        self.still += 1
        self._still.inc()

    def pass_opened(self) -> None:
        """A pass has opened."""
        self.opened += 1
        self._opened.inc()
        self._open.inc()

    def pass_closed(self, outcome: Outcome, reason: Reason) -> None:
        """A pass has ended."""
        self.closed[outcome] += 1
        self.reasons[reason] += 1
        self._closed.labels(self._camera, outcome.value, reason.value).inc()
        self._open.dec()

    def crops(self, count: int) -> None:
        """Crops were read."""
        self.crops_read += count
        self._crops.inc(count)

    def follow(self, count: CaptureCount) -> None:
        """Brings the metrics up to what capture has counted in its thread."""
        captured, reconnects, dropped = count.captured, count.reconnects, Counter(count.dropped)
        self._captured.inc(captured - self._told.captured)
        self._reconnects.inc(reconnects - self._told.reconnects)
        for reason, number in dropped.items():
            self._dropped.labels(self._camera, reason.value).inc(number - self._told.dropped[reason])
        self._told = CaptureCount(captured, reconnects, dropped)
