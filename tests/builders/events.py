"""Events as tests need them: valid by default, with what the test is about put in."""

from __future__ import annotations

import hashlib
import random
import uuid
from datetime import datetime, timedelta, timezone

from plates.event import (
    Box,
    CharAlternative,
    Clock,
    Evidence,
    EvidenceKind,
    ModelInfo,
    ObjectClass,
    Outcome,
    Plate,
    PlateEvent,
    Provenance,
    Reason,
    SingleRead,
    Vehicle,
)
from storage.images.port import image_key

MODEL = ModelInfo("m", "1", "0" * 64, "test")
START = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


def event_id(random_: random.Random | None = None) -> str:
    """A UUIDv7-shaped id, from the given source of chance or a fresh one."""
    bits = (random_ or random.SystemRandom()).getrandbits(128)
    value = uuid.UUID(int=bits)
    return f"{str(value)[:14]}7{str(value)[15:19]}8{str(value)[20:]}"


def plate(text: str = "AB12CDE", *, region: str = "gb", confidence: float = 0.875) -> Plate:
    """A plate, sure of each character."""
    posterior = tuple((CharAlternative(char, 0.9375),) for char in text)
    return Plate(text, text, region, "gb-current" if region == "gb" else "", confidence, posterior)


def event(
    text: str | None = "AB12CDE",
    *,
    id: str | None = None,
    at: datetime = START,
    camera: str = "cam-1",
    site: str = "site-1",
    node: str = "node-1",
    region: str = "gb",
    confidence: float = 0.875,
    vehicle: ObjectClass = ObjectClass.CAR,
    evidence: tuple[Evidence, ...] = (),
    trace_id: str = "",
) -> PlateEvent:
    """A pass that was read as `text`, or one without a plate for None."""
    read = SingleRead(7, at, text or "", 0.75, Box(10, 20, 120, 30), 0.5, 1.0)
    return PlateEvent(
        event_id=id or event_id(),
        site_id=site,
        node_id=node,
        camera_id=camera,
        first_seen_at=at - timedelta(seconds=1),
        last_seen_at=at + timedelta(seconds=1),
        best_seen_at=at,
        clock=Clock.WALL,
        outcome=Outcome.READ if text is not None else Outcome.NO_PLATE,
        reason=Reason.CONFIDENT if text is not None else Reason.NO_PLATE_SEEN,
        plate=plate(text, region=region, confidence=confidence) if text is not None else None,
        vehicle=Vehicle(vehicle, Box(0, 0, 200, 150)),
        evidence=evidence,
        provenance=Provenance(
            (ModelInfo("m", "1", "0" * 64, "test"),), 9, 1, (read,) if text else (), "test"
        ),
        trace_id=trace_id,
        closed_at=at + timedelta(seconds=2),
    )


def picture(content: bytes) -> tuple[Evidence, bytes]:
    """Bytes that stand for a picture, and the evidence item that names them."""
    sha256 = hashlib.sha256(content).hexdigest()
    item = Evidence(image_key(sha256, "image/jpeg"), sha256, EvidenceKind.PLATE, "image/jpeg", 120, 30)
    return item, content
