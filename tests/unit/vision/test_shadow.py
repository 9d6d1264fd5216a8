"""A shadow model sees a share of the traffic, holds nobody up, and what it says otherwise is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from prometheus_client import generate_latest

from mesh.telemetry import Telemetry
from plates.event import Box, Detection, ModelInfo, ObjectClass, PlateRead
from storage.shadow import ShadowStore, report
from vision.port import Image
from vision.shadow import Shadow, ShadowConfig, detections_differ, reads_differ

OURS, THEIRS = ModelInfo("m", "1", "a" * 64, "e"), ModelInfo("m", "2", "b" * 64, "e")
PICTURE = np.zeros((8, 8, 3), np.uint8)


class World:
    """A shadow whose candidate waits until it may go on; answers are numbers."""

    def __init__(self, home: Path, **config: Any) -> None:
        self.go = threading.Event()
        self.answer: int | Exception = 1
        self.models = [THEIRS]  # of the next answers, the last for all further ones
        self.store = ShadowStore(home, "detector", config.get("keep", 10))
        self.telemetry = Telemetry("test")
        settings = ShadowConfig(model="it", **{"share": 1.0, "queue": 3} | config)
        self.shadow: Shadow[int] = Shadow(
            self.candidate, self.ask, self.differ, self.store, settings, self.telemetry
        )
        self.asked = 0
        self.home = home

    def candidate(self) -> Any:
        """An engine of the next model."""
        return SimpleNamespace(model=self.models.pop(0) if len(self.models) > 1 else self.models[0])

    def ask(self, engine: Any, image: Image) -> int:
        """What the candidate answers."""
        self.asked += 1
        self.go.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def differ(self, ours: int, theirs: int) -> dict[str, int] | None:
        """Numbers differ if they are unlike."""
        return None if ours == theirs else {"ours": ours, "theirs": theirs}

    def offer(self, answer: int, times: int = 1) -> None:
        """Answer pictures as a service does."""
        for number in range(times):
            if self.shadow.wants():
                self.shadow.offer("cam", PICTURE + number, OURS, answer)

    def counted(self, result: str, count: int) -> None:
        """Wait until so many are counted."""
        line = f'ovr_shadow_items_total{{model="it",result="{result}"}} {float(count)}'
        until = time.monotonic() + 10
        while line not in generate_latest(self.telemetry.registry).decode():
            assert time.monotonic() < until, line
            time.sleep(0.01)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world that ends with the test."""
    world = World(tmp_path)
    yield world
    end(world)


def end(world: World) -> None:
    """Let the candidate go and close everything."""
    world.go.set()
    world.shadow.close()
    world.store.close()


def test_nobody_waits_for_the_candidate(world: World) -> None:
    """While it is busy offers return at once, up to the queue's room; the rest is dropped and counted."""
    started = time.monotonic()
    world.offer(1, times=10)
    assert time.monotonic() - started < 1
    world.counted("dropped", 7)
    world.go.set()
    world.counted("agreed", 3)
    world.offer(1)
    world.counted("agreed", 4)


def test_disagreements_are_kept_and_reported(world: World) -> None:
    """Both kinds are counted by pair of models; a disagreement is kept by its picture's digest."""
    world.go.set()
    world.offer(1)
    world.counted("agreed", 1)
    world.offer(2)
    world.counted("disagreed", 1)
    (compared,), (kept,) = report(world.home, 10)
    assert (compared.service, compared.agreed, compared.disagreed) == ("detector", 1, 1)
    assert (compared.production, compared.candidate) == (f"m 1 {'a' * 12}", f"m 2 {'b' * 12}")
    assert (kept.camera, kept.detail, len(kept.picture)) == ("cam", {"ours": 2, "theirs": 1}, 64)
    assert not (world.home / "shadow").exists()


def test_a_candidate_that_fails_harms_nobody(world: World) -> None:
    """Its failures are counted, and the next picture is tried again."""
    world.go.set()
    world.answer = ValueError("strange shapes")
    world.offer(1)
    world.counted("failed", 1)
    world.answer = 1
    world.offer(1)
    world.counted("agreed", 1)


def test_the_model_in_production_is_not_held_against_itself(world: World) -> None:
    """After a promotion the candidate is what serves: nothing is compared, and nothing is run for it."""
    world.go.set()
    world.models = [OURS, THEIRS]
    world.offer(1, times=2)
    world.counted("agreed", 1)
    (compared,), _ = report(world.home, 10)
    assert compared.agreed == 1
    assert world.asked == 1


def test_only_the_newest_are_kept_with_their_pictures(tmp_path: Path) -> None:
    """Beyond `keep` the oldest go, and their pictures with them."""
    world = World(tmp_path, keep=2, pictures=True, queue=8)
    world.go.set()
    world.offer(2, times=5)
    world.counted("disagreed", 5)
    end(world)
    (compared,), kept = report(tmp_path, 10)
    assert compared.disagreed == 5
    assert {path.stem for path in (tmp_path / "shadow").iterdir()} == {item.picture for item in kept}
    assert len(kept) == 2


def test_a_share_is_a_share(tmp_path: Path) -> None:
    """Of many pictures about the configured share is wanted."""
    world = World(tmp_path, share=0.2)
    wanted = sum(world.shadow.wants() for _ in range(5000))
    end(world)
    assert 800 < wanted < 1200


def test_no_report_without_a_shadow(tmp_path: Path) -> None:
    """Where no shadow ran, the report is empty and makes no file."""
    assert report(tmp_path, 10) == ([], [])
    assert list(tmp_path.iterdir()) == []


def found(score: float, x: float = 0, kind: ObjectClass = ObjectClass.PLATE) -> Detection:
    """An object of 100 x 50 pixels."""
    return Detection(kind, Box(x, 0, 100, 50), score)


def test_detections_differ_by_what_one_is_sure_of_and_the_other_lacks() -> None:
    """A faint object, another score or a small shift is no difference; another class or place is."""
    assert detections_differ([found(0.9)], [found(0.3, x=10)]) is None
    assert detections_differ([found(0.4)], []) is None
    missed = detections_differ([found(0.9)], [found(0.9, kind=ObjectClass.VEHICLE)])
    assert missed is not None
    assert [item["class"] for item in missed["only_production"]] == ["plate"]
    assert [item["class"] for item in missed["only_candidate"]] == ["vehicle"]
    added = detections_differ([], [found(0.8, x=300)])
    assert added is not None
    assert added["only_candidate"] == [{"class": "plate", "score": 0.8, "box": [300, 0, 100, 50]}]


def read(text: str, confidence: float) -> PlateRead:
    """What a crop says."""
    return PlateRead(text, confidence, ())


def test_reads_differ_by_their_texts() -> None:
    """Texts that differ count where at least one of the two is sure."""
    assert reads_differ(read("AB12", 0.9), read("AB12", 0.2)) is None
    assert reads_differ(read("AB12", 0.3), read("AB1", 0.2)) is None
    detail = reads_differ(read("AB12", 0.9), read("A812", 0.4))
    assert detail is not None
    assert (detail["production"], detail["candidate"]) == ("AB12", "A812")
