"""Which plate sits on which vehicle, and which two boxes are one vehicle seen twice. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from edge.tuning import AssociationTuning
from plates.event import Box, Detection, ObjectClass

_WITHIN, _SAME_FOOT, _AS_WIDE = 0.85, 0.1, 0.65


def split(detections: Sequence[Detection]) -> tuple[list[Detection], list[Detection]]:
    """The detections of a frame as (vehicles, plates)."""
    vehicles = [d for d in detections if d.object_class is not ObjectClass.PLATE]
    return vehicles, [d for d in detections if d.object_class is ObjectClass.PLATE]


def without_doubles(
    detections: Sequence[Detection], max_overlap: float, *, nested: bool = False
) -> list[Detection]:
    """The detections, best first, without those whose IoU with a better one is `max_overlap` or more.

    With `nested` also without those that are a part of a better one, or the whole of it: see `part_of`.
    """
    kept: list[Detection] = []
    for candidate in sorted(detections, key=lambda d: d.score, reverse=True):
        near = [better for better in kept if not _apart(candidate, better)]
        if all(
            candidate.box.iou(better.box) < max_overlap
            and not (nested and (part_of(candidate.box, better.box) or part_of(better.box, candidate.box)))
            for better in near
        ):
            kept.append(candidate)
    return kept


def part_of(part: Box, whole: Box) -> bool:
    """Whether a box is a part of a vehicle's: within it, nearly as wide, and with its foot on the same line.

    So is a lorry's cab in the lorry. A car before a lorry is not: its foot is lower, or it is much narrower.
    """
    if part.area <= 0 or part.area > whole.area or part.intersection(whole) < _WITHIN * part.area:
        return False
    feet = abs(part.y + part.height - whole.y - whole.height)
    return feet <= _SAME_FOOT * whole.height and part.width >= _AS_WIDE * whole.width


def fit(plate: Detection, vehicle: Detection, tuning: AssociationTuning) -> float:
    """How well the plate sits on the vehicle, 0 (not at all) to 1.

    Vehicles hide one another: where boxes overlap, the plate is likelier that of the vehicle that has it in
    its lower half and away from its sides, because the other one shows its roof or its flank there.
    """
    if plate.box.area <= 0 or vehicle.box.width <= 0 or vehicle.box.height <= 0:
        return 0.0
    inside = plate.box.intersection(vehicle.box) / plate.box.area
    if inside < tuning.min_inside or plate.box.width > tuning.max_width_share * vehicle.box.width:
        return 0.0
    x, y = plate.box.center
    down = (y - vehicle.box.y) / vehicle.box.height
    if down < tuning.min_down:
        return 0.0
    aside = abs(x - vehicle.box.center[0]) / (vehicle.box.width / 2)
    low = min(1.0, max(0.0, (down - 0.1) / 0.5))
    return inside * (0.15 + 0.85 * low) * (1.0 - 0.35 * min(1.0, aside))


LETTERING = -1
"""Said of a plate on a vehicle where no plate can be: a sign-writer's work, a bus's destination."""


def associate(
    plates: Sequence[Detection], vehicles: Sequence[Detection], tuning: AssociationTuning
) -> list[int | None]:
    """For each plate the index of its vehicle, None if it is on none, or LETTERING."""
    return [_owner(plate, vehicles, tuning) for plate in plates]


def _owner(plate: Detection, vehicles: Sequence[Detection], tuning: AssociationTuning) -> int | None:
    near = [index for index, vehicle in enumerate(vehicles) if not _apart(plate, vehicle)]
    fits = {index: fit(plate, vehicles[index], tuning) for index in near}
    best = max(fits, key=fits.__getitem__, default=None)
    if best is not None and fits[best] > 0:
        return best
    on_one = any(plate.box.intersection(vehicles[index].box) >= 0.9 * plate.box.area for index in near)
    return LETTERING if on_one else None


def _apart(one: Detection, other: Detection) -> bool:
    # most pairs of a frame: this is much cheaper than their overlap
    a, b = one.box, other.box
    return a.x >= b.x + b.width or b.x >= a.x + a.width or a.y >= b.y + b.height or b.y >= a.y + a.height
