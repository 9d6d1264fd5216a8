"""Follows vehicles and plates from frame to frame with ByteTrack (Zhang et al. 2022), by the `trackers`
package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import supervision
from trackers import BIoU, ByteTrackTracker

from edge.tracking.association import LETTERING, associate, split, without_doubles
from edge.tuning import TrackerTuning, Tuning
from plates.event import Detection

# The package counts its buffer in frames of this rate, whatever the real one is.
_REFERENCE_FPS = 30.0


@dataclass(frozen=True, slots=True)
class TrackedVehicle:
    """A vehicle in one frame; `track` is the same number in each frame in which it is the same vehicle."""

    track: int
    detection: Detection


@dataclass(frozen=True, slots=True)
class TrackedPlate:
    """A plate in one frame; `vehicle` is the track of the vehicle it sits on, None if it is on none.

    `track` is None while the plate was seen too briefly to be followed by itself; on a vehicle it counts all
    the same.
    """

    track: int | None
    detection: Detection
    vehicle: int | None


@dataclass(frozen=True, slots=True)
class TrackedFrame:
    """All that is followed in one frame."""

    vehicles: tuple[TrackedVehicle, ...] = ()
    plates: tuple[TrackedPlate, ...] = ()


class Tracker:
    """One camera's tracks. Not thread-safe. Times in seconds; one that does not grow is moved on a little."""

    def __init__(self, tuning: Tuning, frame_rate: float = _REFERENCE_FPS) -> None:
        self._tuning = tuning
        self._vehicles = _ByteTrack(tuning.vehicles, frame_rate)
        self._plates = _ByteTrack(tuning.plates, frame_rate)
        self._single = 0

    def update(self, detections: Sequence[Detection], at: float) -> TrackedFrame:
        """Follows the objects of one frame taken at `at`."""
        vehicles, plates = self._candidates(detections)
        vehicle_tracks = self._vehicles.update(vehicles, at)
        return self._join(vehicles, vehicle_tracks, plates, self._plates.update(plates, at))

    def single(self, detections: Sequence[Detection]) -> TrackedFrame:
        """The objects of a picture that stands alone: each is a track of its own, negative numbers."""
        vehicles, plates = self._candidates(detections)
        first = self._single
        self._single -= len(vehicles) + len(plates)
        tracks: list[int | None] = [first - 1 - i for i in range(len(vehicles) + len(plates))]
        return self._join(vehicles, tracks[: len(vehicles)], plates, tracks[len(vehicles) :])

    def _candidates(self, detections: Sequence[Detection]) -> tuple[list[Detection], list[Detection]]:
        vehicles, plates = split(detections)
        overlap = self._tuning.association.same_vehicle_overlap
        return (
            without_doubles([v for v in vehicles if _counts(v, self._tuning.vehicles)], overlap, nested=True),
            without_doubles([p for p in plates if _counts(p, self._tuning.plates)], 0.5),
        )

    def _join(
        self,
        vehicles: Sequence[Detection],
        vehicle_tracks: Sequence[int | None],
        plates: Sequence[Detection],
        plate_tracks: Sequence[int | None],
    ) -> TrackedFrame:
        # A plate on a vehicle that is not confirmed yet is not a lone plate: it waits for its vehicle.
        owners = associate(plates, vehicles, self._tuning.association)
        tracked = [
            TrackedPlate(track, plate, vehicle_tracks[owner] if owner is not None else None)
            for plate, track, owner in zip(plates, plate_tracks, owners, strict=True)
            if owner is None or (owner != LETTERING and vehicle_tracks[owner] is not None)
        ]
        return TrackedFrame(
            vehicles=tuple(
                TrackedVehicle(track, vehicle)
                for vehicle, track in zip(vehicles, vehicle_tracks, strict=True)
                if track is not None
            ),
            plates=tuple(tracked),
        )


def _counts(detection: Detection, tuning: TrackerTuning) -> bool:
    return (
        detection.score >= tuning.min_score
        and detection.box.height >= tuning.min_height_px
        and detection.box.width > 0
        and detection.box.height > 0
    )


class _ByteTrack:
    """ByteTrack for one kind of object: detections in, a track number or None for each out, in the same
    order."""

    def __init__(self, tuning: TrackerTuning, frame_rate: float) -> None:
        self._tracker = ByteTrackTracker(
            lost_track_buffer=max(1, round(tuning.lost_s * _REFERENCE_FPS)),
            frame_rate=frame_rate,
            track_activation_threshold=tuning.activation_score,
            minimum_consecutive_frames=tuning.confirm_frames,
            minimum_iou_threshold=tuning.min_overlap,
            high_conf_det_threshold=tuning.high_score,
            iou=BIoU(buffer_ratio=tuning.buffer),
        )
        self._last = -float("inf")

    def update(self, detections: Sequence[Detection], at: float) -> list[int | None]:
        # The package warns and does nothing when time stands still or runs backwards.
        self._last = at if at > self._last else self._last + 1e-3
        boxes = np.array(
            [(d.box.x, d.box.y, d.box.x + d.box.width, d.box.y + d.box.height) for d in detections],
            np.float32,
        ).reshape(-1, 4)
        result = self._tracker.update(
            supervision.Detections(
                xyxy=boxes,
                confidence=np.array([d.score for d in detections], np.float32),
                data={"index": np.arange(len(detections))},
            ),
            timestamp=self._last,
        )
        tracks: list[int | None] = [None] * len(detections)
        if result.tracker_id is not None and len(result):
            for index, track in zip(result.data["index"], result.tracker_id, strict=True):
                tracks[int(index)] = int(track) if track >= 0 else None
        return tracks
