"""What following a frame's objects costs: ByteTrack for vehicles and plates, and their association.

    python -m bench.tracking [--vehicles 8] [--frames 600]

Vehicles with plates cross the picture on lanes of their own. Measured in one run: the edge's whole tracking
of a frame, and the package's bare ByteTrack on the same vehicles. The aim is below 1 ms a frame; the ratio
is the whole against two bare updates (vehicles and plates).
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

import numpy as np
import supervision
from trackers import ByteTrackTracker

from edge.tracking.tracker import Tracker
from edge.tuning import Tuning
from plates.event import Box, Detection, ObjectClass

AIM_MS = 1.0
FPS = 25


def traffic(vehicles: int, frames: int) -> list[list[Detection]]:
    """Detections of `vehicles` cars a frame, each with its plate, with the detector's jitter and misses."""
    rng = random.Random(1)
    speeds = [rng.uniform(4, 14) for _ in range(vehicles)]
    found = []
    for number in range(frames):
        objects = []
        for lane, speed in enumerate(speeds):
            if rng.random() < 0.03:
                continue
            x = (number * speed + lane * 210) % 1900 + rng.gauss(0, 1.5)
            y = 60 + 110 * lane % 900 + rng.gauss(0, 1.5)
            objects.append(Detection(ObjectClass.VEHICLE, Box(x, y, 180, 100), rng.uniform(0.4, 0.95)))
            plate = Box(x + 60, y + 70, 60, 15)
            objects.append(Detection(ObjectClass.PLATE, plate, rng.uniform(0.3, 0.95)))
        found.append(objects)
    return found


def median_ms(times: list[float]) -> float:
    """Median of seconds, in milliseconds."""
    return statistics.median(times) * 1000


def bare(frames: list[list[Detection]]) -> float:
    """Median time of the package's own update on the vehicles, milliseconds."""
    tracker, times = ByteTrackTracker(), []
    for number, objects in enumerate(frames):
        vehicles = [d for d in objects if d.object_class is ObjectClass.VEHICLE]
        boxes = np.array([(d.box.x, d.box.y, d.box.x + 180, d.box.y + 100) for d in vehicles], np.float32)
        scores = np.array([d.score for d in vehicles], np.float32)
        detections = supervision.Detections(xyxy=boxes.reshape(-1, 4), confidence=scores)
        started = time.perf_counter()
        tracker.update(detections, timestamp=number / FPS)
        times.append(time.perf_counter() - started)
    return median_ms(times)


def whole(frames: list[list[Detection]]) -> float:
    """Median time of the edge's tracking of a frame, milliseconds."""
    tracker, times = Tracker(Tuning()), []
    for number, objects in enumerate(frames):
        started = time.perf_counter()
        tracker.update(objects, number / FPS)
        times.append(time.perf_counter() - started)
    return median_ms(times)


def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vehicles", type=int, default=8)
    parser.add_argument("--frames", type=int, default=600)
    given = parser.parse_args()
    frames = traffic(given.vehicles, given.frames)
    bare(frames[:50])
    one, all_ = bare(frames), whole(frames)
    print(
        f"tracking {given.vehicles} vehicles with plates: {all_:.3f} ms a frame (aim < {AIM_MS}), "
        f"bare ByteTrack {one:.3f} ms, ratio to two bare updates {all_ / (2 * one):.2f}"
    )


if __name__ == "__main__":
    main()
