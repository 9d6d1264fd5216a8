"""The pictures of a pass that are worth keeping: its best moments, small enough to keep many passes in
memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from edge.frame import Frame, Pixels
from edge.passes.moment import Moment
from edge.passes.texts import alike
from edge.tuning import EvidenceTuning
from plates.event import Box
from vision.crops import crop_box

# A view must be this much better before it replaces the one at hand: copying pictures costs time.
_WORTH_COPYING = 1.05
_TEXTS_KEPT = 3


@dataclass(frozen=True, slots=True)
class View:
    """The pass at one moment. `plate` as cut for the reader; absent pictures are None."""

    moment: Moment
    plate: Pixels | None
    vehicle: Pixels | None
    scene: Pixels | None
    vehicle_box: Box | None


@dataclass(frozen=True, slots=True)
class Shot:
    """What to cut out of a frame, if the view is kept."""

    plate: Pixels | None
    vehicle_box: Box | None
    with_scene: bool
    tuning: EvidenceTuning

    def take(self, frame: Frame) -> View:
        """Copies the pictures out of the frame."""
        vehicle = crop_box(frame.pixels, self.vehicle_box, 0.05) if self.vehicle_box is not None else None
        return View(
            moment=Moment(frame.sequence, frame.captured_at, frame.single),
            plate=self.plate.copy() if self.plate is not None else None,
            vehicle=_within(vehicle, self.tuning.max_vehicle_px) if vehicle is not None else None,
            scene=_within(frame.pixels, self.tuning.max_scene_px) if self.with_scene else None,
            vehicle_box=self.vehicle_box,
        )


@dataclass(frozen=True, slots=True)
class Rank:
    """How good a view is: a plate that was read beats one that was only seen, which beats a bare vehicle."""

    kind: int
    value: float

    def worth_copying_over(self, other: Rank) -> bool:
        """Whether it is so much better than `other` that copying pictures makes sense."""
        return self.kind > other.kind or (
            self.kind == other.kind and self.value > other.value * _WORTH_COPYING
        )


VEHICLE, PLATE, READ = 0, 1, 2
"""Kinds of rank."""


@dataclass(slots=True)
class Views:
    """The best view of each text that was read; a few at most. One track can hold two vehicles' plates."""

    _slots: list[tuple[str, Rank, View]] = field(default_factory=list)

    def offer(self, text: str, rank: Rank, frame: Frame, shot: Shot) -> None:
        """Keeps this view if it is the best of those whose plate says much the same as `text`."""
        for i, (said, best, _) in enumerate(self._slots):
            if alike(said, text):
                if rank.worth_copying_over(best):
                    self._slots[i] = (text, rank, shot.take(frame))
                return
        if len(self._slots) == _TEXTS_KEPT:
            weakest = min(range(_TEXTS_KEPT), key=lambda i: _order(self._slots[i]))
            if not rank.worth_copying_over(self._slots[weakest][1]):
                return
            del self._slots[weakest]
        self._slots.append((text, rank, shot.take(frame)))

    def choose(self, text: str) -> View | None:
        """The best view of a plate that says `text`; if there is none, the best of all."""
        fitting = [slot for slot in self._slots if text and slot[0] and alike(slot[0], text)]
        return max(fitting or self._slots, key=_order)[2] if self._slots else None

    def take_over(self, other: Views) -> None:
        """Adds the other's views."""
        merged = sorted([*self._slots, *other._slots], key=_order, reverse=True)
        kept: list[tuple[str, Rank, View]] = []
        for slot in merged:
            if all(not alike(slot[0], better[0]) for better in kept):
                kept.append(slot)
        self._slots = kept[:_TEXTS_KEPT]


def _order(slot: tuple[str, Rank, View]) -> tuple[int, float]:
    return slot[1].kind, slot[1].value


def _within(pixels: Pixels, longest: int) -> Pixels:
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return np.array(pixels, np.uint8)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
