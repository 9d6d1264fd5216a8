"""Made-up vehicles and what the mesh would say of them: drawn, read with chosen doubts, fused, explained."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import cv2
import numpy as np

from plates.confusables import confusables
from plates.event import (
    Box,
    CharAlternative,
    Direction,
    Evidence,
    EvidenceKind,
    ObjectClass,
    Outcome,
    PlateEvent,
    PlateRead,
    Provenance,
    Reason,
    SingleRead,
    Vehicle,
)
from plates.fusion import WeightedRead, fuse
from storage.images.port import image_key
from synth.scene import Actor, cast, place, shadow, stand
from synth.street import paint_street
from tests.builders.events import event, event_id

WIDTH, HEIGHT = 640, 480
KINDS = {
    "hatchback": ObjectClass.CAR,
    "sedan": ObjectClass.CAR,
    "suv": ObjectClass.CAR,
    "van": ObjectClass.CAR,
    "truck": ObjectClass.TRUCK,
    "bus": ObjectClass.BUS,
}
REGIONS = ("gb", "de", "fr", "es", "ro", "us", "br", "pl", "it", "nl")


def jpeg(image: np.ndarray, kind: EvidenceKind) -> tuple[Evidence, bytes]:
    """A picture as evidence, and its bytes."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
    sha256 = hashlib.sha256(data).hexdigest()
    height, width = image.shape[:2]
    return Evidence(image_key(sha256, "image/jpeg"), sha256, kind, "image/jpeg", width, height), data


@lru_cache(maxsize=8)
def scene(
    seed: int, *, text: str | None = None, region: str | None = None
) -> tuple[np.ndarray, Actor, Box, Box]:
    """A street with one vehicle: the picture, the vehicle, its box and its plate's."""
    rng = np.random.default_rng(seed)
    kind = tuple(KINDS)[int(rng.integers(len(KINDS)))]
    canvas, _ = paint_street(WIDTH, HEIGHT, rng, 0.2, signs=False)
    region = region or REGIONS[seed % len(REGIONS)]
    actor = cast(kind, True, region, text, rng)
    scale = 150.0 if kind in ("truck", "bus") else 210.0
    shadow(canvas, WIDTH / 2, HEIGHT - 40, scale * 0.9)
    placed = place(canvas, actor, stand(actor.vehicle, WIDTH / 2, HEIGHT - 40, scale))
    assert placed is not None
    return canvas, actor, _box(placed[0].box), _box(placed[1].box)


def _box(corners: tuple[float, float, float, float]) -> Box:
    left, top, right, bottom = corners
    left, top = max(left, 0.0), max(top, 0.0)
    return Box(left, top, min(right, WIDTH) - left, min(bottom, HEIGHT) - top)


def cut(image: np.ndarray, box: Box, margin: float = 0.04) -> np.ndarray:
    """The picture under a box, a little wider."""
    extra = margin * max(box.width, box.height)
    top, left = max(int(box.y - extra), 0), max(int(box.x - extra), 0)
    return image[top : int(box.y + box.height + extra), left : int(box.x + box.width + extra)]


def read_of(text: str, chance: random.Random, *, doubt: float = 0.04) -> PlateRead:
    """What a reader might say of a plate: mostly sure, at look-alikes in doubt."""
    posterior = []
    for char in text:
        others = sorted(confusables(char))
        share = min(0.45, doubt * chance.uniform(0.2, 1.5) * (6 if others else 1))
        alternatives = [CharAlternative(char, 1 - share)]
        alternatives += [CharAlternative(other, share / len(others) * 0.95) for other in others]
        posterior.append(tuple(sorted(alternatives, key=lambda a: -a.probability)))
    confidence = float(np.prod([position[0].probability for position in posterior]))
    return PlateRead("".join(position[0].char for position in posterior), confidence, tuple(posterior))


@lru_cache(maxsize=64)
def made_up_pass(
    seed: int, at: datetime, camera: str, *, text: str | None = None, readable: bool = True
) -> tuple[PlateEvent, dict[str, bytes]]:
    """A pass with its pictures by key; a plate that cannot be read well when not `readable`."""
    chance = random.Random(seed)
    image, actor, vehicle, plate_box = scene(seed, text=text)
    items = [
        jpeg(cv2.resize(cut(image, plate_box), None, fx=2.5, fy=2.5), EvidenceKind.PLATE),
        jpeg(cut(image, vehicle), EvidenceKind.VEHICLE),
    ]
    doubt = 0.04 if readable else 0.3
    reads = [read_of(actor.text, chance, doubt=doubt) for _ in range(chance.randint(3, 7))]
    fused = fuse(
        [WeightedRead(read, chance.uniform(0.4, 1.0)) for read in reads], expected_regions=[actor.region]
    )
    total = sum(fused.weights) or 1.0
    singles = tuple(
        SingleRead(
            100 + 4 * n,
            at + timedelta(seconds=(n - len(reads)) * 0.16),
            read.text,
            read.confidence,
            plate_box,
            chance.uniform(0.3, 0.9),
            weight / total,
        )
        for n, (read, weight) in enumerate(zip(reads, fused.weights, strict=True))
    )
    base = event(actor.text, id=event_id(chance), at=at, camera=camera, site="car-park", node="box-1")
    made = replace(
        base,
        plate=fused.plate,
        outcome=Outcome.READ if readable else Outcome.UNREADABLE,
        reason=Reason.CONFIDENT if readable else Reason.LOW_CONFIDENCE,
        vehicle=Vehicle(_class_of(actor), vehicle, chance.choice(tuple(Direction)[1:3])),
        evidence=tuple(item for item, _ in items),
        provenance=Provenance(base.provenance.models, 24, len(reads), singles, "0.1.0"),
        trace_id=f"{chance.getrandbits(128):032x}",
    )
    return made, {item.key: data for item, data in items}


def _class_of(actor: Actor) -> ObjectClass:
    return {"bus": ObjectClass.BUS, "truck": ObjectClass.TRUCK}.get(actor.vehicle.label, ObjectClass.CAR)
