"""Vehicles and plates are followed from frame to frame, and each plate is found on its own vehicle."""

from __future__ import annotations

import subprocess
import sys

from edge_world import plate_of, vehicle
from hypothesis import given
from hypothesis import strategies as st

from edge.tracking.association import LETTERING, associate, part_of, without_doubles
from edge.tracking.tracker import Tracker
from edge.tuning import AssociationTuning, Tuning
from plates.event import Box, Detection, ObjectClass

boxes = st.builds(Box, st.floats(0, 1000), st.floats(0, 1000), st.floats(1, 400), st.floats(1, 400))
detections = st.builds(
    Detection,
    st.sampled_from([ObjectClass.CAR, ObjectClass.TRUCK, ObjectClass.PLATE]),
    boxes,
    st.floats(0, 1),
)


def test_moving_vehicle_keeps_its_track() -> None:
    """A vehicle that drives through the picture is one track, with its plate on it."""
    tracker = Tracker(Tuning())
    tracks, owners = set(), set()
    for i in range(30):
        box = Box(20.0 * i, 100 + 2 * i, 200, 150)
        frame = tracker.update([vehicle(box), plate_of(box)], i / 10)
        tracks |= {v.track for v in frame.vehicles}
        owners |= {p.vehicle for p in frame.plates}
    assert len(tracks) == 1
    assert owners == tracks


def test_track_survives_frames_without_detection() -> None:
    """A few missed frames do not break a track."""
    tracker = Tracker(Tuning())
    tracks = set()
    for i in range(40):
        seen = [vehicle(Box(10.0 * i, 100, 200, 150))] if i not in range(15, 21) else []
        tracks |= {v.track for v in tracker.update(seen, i / 10).vehicles}
    assert len(tracks) == 1


def test_time_that_stands_still_is_harmless() -> None:
    """Frames with the same or an earlier time are followed without a warning."""
    tracker = Tracker(Tuning())
    for at in (1.0, 1.0, 0.5, 1.1):
        frame = tracker.update([vehicle(Box(0, 0, 100, 100))], at)
    assert len(frame.vehicles) == 1


def test_plate_belongs_to_the_vehicle_that_has_it_low() -> None:
    """Where a near car hides the foot of a far one, a plate low in the far one's box is the far one's."""
    far, near = Box(100, 0, 200, 200), Box(60, 130, 280, 240)
    plate = Detection(ObjectClass.PLATE, Box(170, 150, 50, 14), 0.9)
    assert associate([plate, plate_of(near)], [vehicle(far), vehicle(near)], AssociationTuning()) == [0, 1]


def test_plate_beside_vehicles_is_alone() -> None:
    """A plate on no vehicle belongs to none."""
    plate = Detection(ObjectClass.PLATE, Box(500, 500, 60, 15), 0.9)
    assert associate([plate], [vehicle(Box(0, 0, 200, 200))], AssociationTuning()) == [None]


def test_two_boxes_of_one_vehicle_are_one() -> None:
    """A vehicle found as car and as truck is followed once."""
    tracker = Tracker(Tuning())
    for i in range(3):
        frame = tracker.update(
            [vehicle(Box(0, 0, 200, 150), 0.8), vehicle(Box(2, 3, 200, 150), 0.7, ObjectClass.TRUCK)], i / 10
        )
    assert [v.detection.object_class for v in frame.vehicles] == [ObjectClass.CAR]


def test_single_picture_needs_no_history() -> None:
    """Every object of a picture that stands alone counts at once, and none goes on in the next one."""
    tracker = Tracker(Tuning())
    box = Box(0, 0, 200, 150)
    first, second = (tracker.single([vehicle(box), plate_of(box)]) for _ in range(2))
    assert first.plates[0].vehicle == first.vehicles[0].track
    assert first.vehicles[0].track != second.vehicles[0].track


@given(st.lists(st.lists(detections, max_size=8), min_size=1, max_size=12))
def test_any_detections_can_be_followed(frames: list[list[Detection]]) -> None:
    """Whatever is detected, a frame has each track once, and the vehicle of each plate."""
    tracker = Tracker(Tuning())
    for i, found in enumerate(frames):
        frame = tracker.update(found, i / 10)
        tracks = [v.track for v in frame.vehicles]
        assert len(set(tracks)) == len(tracks)
        assert all(p.vehicle is None or p.vehicle in tracks for p in frame.plates)


@given(st.lists(detections, max_size=12), st.floats(0.1, 1))
def test_no_doubles_are_left(found: list[Detection], overlap: float) -> None:
    """What is kept overlaps less than asked, and the best detection is always kept."""
    kept = without_doubles(found, overlap)
    assert all(a.box.iou(b.box) < overlap for i, a in enumerate(kept) for b in kept[i + 1 :])
    assert not found or max(found, key=lambda d: d.score).score == kept[0].score


def test_tracking_needs_no_heavy_package() -> None:
    """Tracking is imported without drawing or training packages."""
    heavy = ("matplotlib", "torch", "shapely")
    code = f"import sys; sys.modules.update(dict.fromkeys({heavy})); import edge.tracking.tracker"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_cab_is_a_part_of_its_lorry_and_a_car_before_it_is_not() -> None:
    """A box within another, as wide and with its foot on the same line, is the same vehicle seen twice."""
    lorry = Box(100, 50, 200, 250)
    assert part_of(Box(110, 180, 170, 118), lorry)
    assert not part_of(Box(110, 180, 170, 180), lorry)
    assert not part_of(Box(220, 230, 70, 65), lorry)
    assert not part_of(lorry, Box(110, 180, 170, 118))


def test_lettering_on_a_vehicle_is_no_plate() -> None:
    """What looks like a plate high up on a vehicle is neither its plate nor a lone one."""
    bus = vehicle(Box(100, 50, 400, 300))
    sign = Detection(ObjectClass.PLATE, Box(220, 60, 120, 25), 0.9)
    assert associate([sign], [bus], AssociationTuning()) == [LETTERING]
    tracker = Tracker(Tuning())
    for i in range(5):
        frame = tracker.update([bus, sign, plate_of(bus.box)], i / 10)
    assert [p.detection.box.y for p in frame.plates] == [plate_of(bus.box).box.y]
