"""Every vehicle gives one pass, however tracks break, and every pass ends exactly once."""

from __future__ import annotations

from edge_world import START, Car, Road, moment, plate_of, read_of, vehicle
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.passes.book import PassBook
from edge.passes.record import Ending, Read
from edge.passes.verdict import FusionJudge
from edge.tracking.tracker import TrackedFrame, TrackedPlate, TrackedVehicle
from edge.tuning import PassTuning, Tuning
from plates.event import Box, Clock, Detection, ObjectClass

A, B = "KX53RTL", "9846MWD"
CROSSING = {"start": (0.0, 100.0), "end": (900.0, 100.0)}


def test_one_vehicle_is_one_pass() -> None:
    """A vehicle with its plate that drives through gives one pass with its text."""
    road = Road([Car(A, 2, **CROSSING)])
    road.run(range(60))
    assert road.texts() == [A]
    assert road.book.opened == 1


def test_pass_closes_by_itself() -> None:
    """A pass closes a while after its vehicle has left, without waiting for the end of the stream."""
    road = Road([Car(A, 0, **CROSSING)])
    for index in range(60):
        road.step(index)
    assert [c.ending for c in road.closed] == [Ending.GONE]


def test_parked_car_is_one_pass_over_gaps() -> None:
    """A car that parks is one pass although it is hidden for seconds, several times."""
    hidden = frozenset([*range(80, 120), *range(160, 250), *range(300, 301)])
    road = Road([Car(A, 0, (0, 100), (400, 100), frames=30, wait=370, hidden=hidden)])
    road.run(range(420))
    assert road.texts() == [A]
    assert road.book.opened == 1


def test_parked_car_without_plate_is_one_pass_over_gaps() -> None:
    """Its place alone finds a parked car again when no plate is to be seen."""
    car = Car(A, 0, (0, 100), (400, 100), 30, 200, hidden=frozenset(range(80, 130)), shows_plate=False)
    road = Road([car])
    road.run(range(240))
    assert road.book.opened == 1


def test_long_parked_car_gets_its_event_while_it_stands() -> None:
    """A car that stands for long gets its event at once and opens no second pass afterwards."""
    tuning = Tuning(passes=PassTuning(settle_s=10))
    road = Road([Car(A, 0, (0, 100), (400, 100), frames=20, wait=380)], tuning)
    for index in range(200):
        road.step(index)
    assert [c.ending for c in road.closed] == [Ending.SETTLED]
    road.run(range(200, 420))
    assert road.texts() == [A]
    assert road.book.opened == 1


def test_another_car_on_the_same_place_is_another_pass() -> None:
    """When a parked car is replaced unseen, the other text tells: two passes."""
    first = Car(A, 0, (0, 100), (400, 100), frames=20, wait=80)
    second = Car(B, 150, (400, 100), (400, 100), frames=60)
    road = Road([first, second])
    road.run(range(260))
    assert road.texts() == [A, B]


def test_returning_vehicle_is_another_pass() -> None:
    """A vehicle that comes back after its pass has closed gives a second one."""
    road = Road([Car(A, 0, **CROSSING), Car(A, 80, **CROSSING)])
    road.run(range(140))
    assert road.texts() == [A, A]


def test_same_text_on_two_vehicles_at_once_is_two_passes() -> None:
    """A stolen plate shown twice at the same time is reported twice."""
    road = Road([Car(A, 0, (0, 50), (900, 50), 40), Car(A, 3, (0, 450), (900, 450), 40)])
    road.run(range(90))
    assert road.texts() == [A, A]
    assert all(c.ending is Ending.GONE for c in road.closed)


def test_track_that_jumps_to_the_next_vehicle_is_split() -> None:
    """One track over two vehicles, one after the other at the same place, gives both texts."""
    road = Road([Car(A, 0, (100, 100), (140, 100), 30), Car(B, 30, (100, 100), (140, 100), 30)])
    road.run(range(100))
    assert sorted(road.texts()) == sorted([A, B])


def test_broken_track_is_found_again_by_its_text() -> None:
    """A vehicle lost and found elsewhere in the time of a pass is one, its second view a duplicate."""
    tuning = Tuning(passes=PassTuning(close_after_s=4))
    road = Road([Car(A, 0, (0, 100), (1200, 100), 40, hidden=frozenset(range(12, 30)))], tuning)
    road.run(range(100))
    assert road.texts() == [A]
    assert road.book.opened == len(road.closed)


def test_lone_plate_is_a_pass() -> None:
    """A plate on no vehicle gives one pass without vehicle."""
    book = PassBook("cam", Clock.FILE, PassTuning(), FusionJudge(), lambda: "id")
    plate = plate_of(Box(100, 100, 200, 150))
    for i in range(10):
        book.observe(moment(i), TrackedFrame(plates=(TrackedPlate(1, plate, None),)))
    (closing,) = book.close_all(Ending.GONE)
    assert closing.subject.lone_plate
    assert closing.subject.frames_seen >= 5
    assert closing.subject.first.captured_at == START


def test_vehicle_joins_the_pass_of_its_plate() -> None:
    """A plate seen before its vehicle is found makes no pass beside the vehicle's."""
    ids = iter(["one", "two"])
    book = PassBook("cam", Clock.FILE, PassTuning(), FusionJudge(), lambda: next(ids))
    box = Box(100, 100, 200, 150)
    for i in range(6):
        book.observe(moment(i), TrackedFrame(plates=(TrackedPlate(1, plate_of(box), None),)))
    for i in range(6, 12):
        book.observe(
            moment(i), TrackedFrame((TrackedVehicle(7, vehicle(box)),), (TrackedPlate(1, plate_of(box), 7),))
        )
    closed = book.close_all(Ending.GONE)
    assert [c.ending for c in closed] == [Ending.GONE]
    assert not closed[0].subject.lone_plate
    assert book.opened == 1


def test_reads_of_a_sticker_do_not_split_a_pass() -> None:
    """Two texts read in turns on one vehicle are one pass with the text that was read better."""
    book = PassBook("cam", Clock.FILE, PassTuning(), FusionJudge(), lambda: "id")
    box = Box(100, 100, 200, 150)
    for i in range(12):
        (sighting,) = book.observe(
            moment(i), TrackedFrame((TrackedVehicle(1, vehicle(box)),), (TrackedPlate(1, plate_of(box), 1),))
        )
        read = read_of("TAXI5550", 0.8) if i % 3 == 0 else read_of(A)
        book.add_read(sighting.subject, Read(moment(i), plate_of(box).box, read, 0.5, 1.0))
    (closing,) = book.close_all(Ending.GONE)
    plate = closing.subject.verdict(FusionJudge()).plate
    assert plate is not None
    assert plate.text == A


def test_nothing_moves_nothing_closes() -> None:
    """Frames in which nothing moved keep what is there and let go what has left."""
    road = Road([Car(A, 0, (400, 100), (400, 100), 30, wait=1000), Car(B, 0, (0, 400), (900, 400), 25)])
    for index in range(30):
        road.step(index)
    for index in range(30, 400):
        road.book.still(moment(index))
        road.closed += road.book.due(moment(index).at)
    assert road.texts() == [B]
    assert len(road.book.open) == 1


cars = st.builds(
    Car,
    text=st.sampled_from([A, B, "7ABC123", "TN12BK4455"]),
    enters=st.integers(0, 40),
    start=st.tuples(st.floats(-100, 1000), st.floats(0, 600)),
    end=st.tuples(st.floats(-100, 1000), st.floats(0, 600)),
    frames=st.integers(1, 50),
    wait=st.integers(0, 40),
    hidden=st.frozensets(st.integers(0, 120), max_size=40),
    shows_plate=st.booleans(),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(cars, max_size=6), st.sampled_from([Ending.GONE, Ending.SHUTDOWN, Ending.STREAM_LOST]))
def test_every_pass_ends_exactly_once(traffic: list[Car], ending: Ending) -> None:
    """Whatever drives by, passes opened equals passes closed, each once, and none is left open."""
    road = Road(traffic, Tuning(passes=PassTuning(settle_s=3, parked_close_after_s=2)))
    road.run(range(110), ending)
    ids = [c.subject.event_id for c in road.closed]
    assert len(ids) == len(set(ids)) == road.book.opened
    assert road.book.present == ()
    for closing in road.closed:
        assert closing.subject.first.sequence <= closing.subject.last.sequence
        assert closing.subject.frames_seen >= 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 5), st.floats(0, 500), st.floats(0, 500), st.integers(-1, 6), st.booleans()
            ),
            max_size=5,
            unique_by=lambda t: t[0],
        ),
        max_size=40,
    )
)
def test_any_tracks_keep_the_books_balanced(frames: list[list[tuple[int, float, float, int, bool]]]) -> None:
    """Tracks that jump, swap plates and share numbers still end as many passes as they open."""
    ids = iter(range(10_000))
    book = PassBook("cam", Clock.FILE, PassTuning(settle_s=2.5), FusionJudge(), lambda: str(next(ids)))
    closed = []
    for i, tracks in enumerate(frames):
        vehicles = tuple(TrackedVehicle(t, vehicle(Box(x, y, 150, 120))) for t, x, y, _, _ in tracks)
        plates = tuple(
            TrackedPlate(
                p if p >= 0 else None,
                Detection(ObjectClass.PLATE, Box(x + 50, y + 80, 50, 12), 0.9),
                t if on else None,
            )
            for t, x, y, p, on in tracks
        )
        for sighting in book.observe(moment(i, 4), TrackedFrame(vehicles, plates)):
            if sighting.plate is not None and sighting.subject in book.present:
                text = [A, B][(i // 7) % 2]
                book.add_read(
                    sighting.subject, Read(moment(i, 4), sighting.plate.box, read_of(text), 0.5, 1.0)
                )
        closed += book.due(moment(i, 4).at)
    closed += book.close_all(Ending.GONE)
    assert sorted(c.subject.event_id for c in closed) == sorted(str(i) for i in range(book.opened))


def test_sign_stays_apart_from_the_vehicles_that_pass_it() -> None:
    """A plate that stood there before a vehicle came by is not that vehicle's, and never becomes its pass."""
    ids = iter(range(10))
    book = PassBook("cam", Clock.FILE, PassTuning(), FusionJudge(), lambda: str(next(ids)))
    sign = Detection(ObjectClass.PLATE, Box(400, 170, 60, 15), 0.9)
    for i in range(60):
        x = 20.0 * (i - 30)
        over = i >= 30 and x < 430 < x + 200
        vehicles = (TrackedVehicle(5, vehicle(Box(x, 60, 200, 160))),) if i >= 30 else ()
        book.observe(moment(i), TrackedFrame(vehicles, (TrackedPlate(1, sign, 5 if over else None),)))
    closed = book.close_all(Ending.GONE)
    assert sorted(c.subject.lone_plate for c in closed) == [False, True]
    assert [c.subject.plates_seen for c in closed if not c.subject.lone_plate] == [0]
    assert not any(c.subject.moved for c in closed if c.subject.lone_plate)


def test_track_that_jumps_to_a_parked_car_opens_nothing() -> None:
    """A track that leaves its vehicle for a parked car it passed goes on with the parked car's pass."""
    parked = Car(A, 0, (400, 300), (400, 300), 30, wait=120, hidden=frozenset(range(60, 151)))
    road = Road([parked])
    for index in range(60):
        road.step(index)
    # another car drives in before it; the tracker then takes the parked car for that one
    for index in range(60, 100):
        box = Box(20.0 * min(index - 60, 19), 300, 200, 160)
        text = B if index < 78 else A
        track = TrackedFrame((TrackedVehicle(99, vehicle(box)),), (TrackedPlate(None, plate_of(box), 99),))
        for sighting in road.book.observe(moment(index), track):
            if index % 3 == 0:
                read = Read(moment(index), plate_of(box).box, read_of(text), 0.5, 1.0)
                road.book.add_read(sighting.subject, read)
        road.closed += road.book.due(moment(index).at)
    road.closed += road.book.close_all(Ending.GONE)
    assert sorted(road.texts()) == sorted([A, B])
    assert road.book.opened == 2


def test_parked_car_whose_track_was_taken_is_still_one_pass() -> None:
    """A parked car's track that jumps to a passing vehicle leaves the car's pass open; the car keeps it."""
    ids = iter(range(10))
    book = PassBook("cam", Clock.FILE, PassTuning(), FusionJudge(), lambda: str(next(ids)))
    place = Box(400, 300, 200, 160)
    closed = []
    for i in range(200):
        if i < 80:
            track, box, text = 1, place, A
        elif i < 110:  # the same track, on a vehicle that drives on
            track, box, text = 1, Box(400 + 12.0 * (i - 80), 320, 200, 160), B
        else:
            track, box, text = 2, place, A
        seen = TrackedFrame(
            (TrackedVehicle(track, vehicle(box)),), (TrackedPlate(None, plate_of(box), track),)
        )
        for sighting in book.observe(moment(i), seen):
            if i % 3 == 0 and (i < 20 or i > 80):
                book.add_read(sighting.subject, Read(moment(i), plate_of(box).box, read_of(text), 0.5, 1.0))
        closed += book.due(moment(i).at)
    closed += book.close_all(Ending.GONE)
    found = [c.subject.verdict(FusionJudge()).plate for c in closed]
    assert sorted(plate.text for plate in found if plate) == sorted([A, B])
    assert book.opened == 2


def test_parked_car_that_is_being_hidden_seems_to_move() -> None:
    """A parked car whose box shrinks behind a lorry, and is gone for seconds, is the same afterwards."""
    ids = iter(range(10))
    book = PassBook("cam", Clock.FILE, PassTuning(), FusionJudge(), lambda: str(next(ids)))
    closed = []
    for i in [*range(50), *range(100, 130)]:
        hidden = max(0, i - 40) * 16.0 if i < 50 else 0.0
        box = Box(300, 200, 220 - hidden, 180)
        book.observe(moment(i), TrackedFrame((TrackedVehicle(1 if i < 50 else 2, vehicle(box)),)))
        closed += book.due(moment(i).at)
    closed += book.close_all(Ending.GONE)
    assert len(closed) == book.opened == 1


def test_stray_read_goes_to_the_vehicle_of_the_plate() -> None:
    """One read of a neighbour's plate does not make that plate a vehicle's that never had it."""
    road = Road([Car(A, 0, (0, 50), (900, 50), 40), Car(B, 0, (0, 450), (900, 450), 30, shows_plate=False)])
    for index in range(30):
        for sighting in road.step(index):
            if index == 10 and sighting.subject.box.y > 300:
                box = plate_of(sighting.subject.box).box
                road.book.add_read(sighting.subject, Read(moment(index), box, read_of(A), 0.5, 1.0))
    road.run(range(30, 90))
    assert sorted(road.texts()) == ["", A]
    assert all(c.ending is Ending.GONE for c in road.closed)
