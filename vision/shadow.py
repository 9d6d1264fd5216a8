"""A candidate beside the model in production: it sees a share of the traffic, and nobody waits for it."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

import cv2
from pydantic import BaseModel, ConfigDict, Field

from mesh import names
from mesh.logs import logger
from mesh.telemetry import Telemetry
from plates.event import Detection, ModelInfo, PlateRead
from vision.port import Image

SURE = 0.5
_SAME_IOU = 0.5
_NICE = 10


class Model(Protocol):
    """An engine, as far as a shadow must know it."""

    @property
    def model(self) -> ModelInfo:
        """Which model it runs."""


E = TypeVar("E", bound=Model)
Answer = TypeVar("Answer")
Detail = Mapping[str, Any]


class ShadowConfig(BaseModel):
    """`shadow:` of a service's file: which candidate sees how much of the traffic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        default="", description="As `model`, such as models:/yolo11n-plate@staging; empty: none."
    )
    share: float = Field(default=0.1, gt=0, le=1, description="Of the pictures or crops.")
    queue: int = Field(
        default=16, ge=1, le=1024, description="What may wait for the candidate; more is dropped."
    )
    keep: int = Field(default=10_000, ge=1, description="Disagreements that are kept; the oldest go.")
    pictures: bool = Field(default=False, description="Keep their pictures too, not only their SHA-256.")


class Record(Protocol):
    """Where comparisons go."""

    def add(
        self,
        camera: str,
        picture: str,
        production: ModelInfo,
        candidate: ModelInfo,
        detail: Detail | None,
        jpeg: bytes | None = None,
    ) -> None:
        """Count a comparison, and keep it if there is a `detail`: how the models differ.

        `picture` is the SHA-256 of its pixels, `jpeg` the picture itself where that is to be kept.
        """


class Shadow(Generic[Answer]):
    """Runs a candidate on offered pictures, one at a time, in a thread of its own at low priority.

    `candidate` gives its engine, None while there is none, and `ask` that engine's answer to a picture; one
    that is in production itself is not asked. `differ` says how the candidate's answer (second) differs from
    production's, None if it does not.
    """

    def __init__(
        self,
        candidate: Callable[[], E | None],
        ask: Callable[[E, Image], Answer],
        differ: Callable[[Answer, Answer], Detail | None],
        record: Record,
        config: ShadowConfig,
        telemetry: Telemetry,
    ) -> None:
        self._candidate: Callable[[], Model | None] = candidate
        self._ask: Callable[[Any, Image], Answer] = ask  # of what `candidate` gives
        self._differ = differ
        self._record, self._config = record, config
        self._items = telemetry.counter(names.SHADOW_ITEMS)
        self._random = random.Random()
        self._lock = threading.Lock()
        self._waiting = 0
        self._pool = ThreadPoolExecutor(1, "shadow", initializer=_yield_to_others)
        self._log = logger("vision.shadow")

    def wants(self) -> bool:
        """Whether a picture is of the share and there is room for it. From any thread; waits for nothing."""
        if self._random.random() >= self._config.share:
            return False
        return self._waiting < self._config.queue or self._drop()

    def offer(self, camera: str, image: Image, production: ModelInfo, answer: Answer) -> None:
        """Let the candidate answer a picture too, some time. The picture must stay as it is."""
        with self._lock:
            room = self._waiting < self._config.queue
            self._waiting += room
        if room:
            self._pool.submit(self._compare, camera, image, production, answer)
        else:
            self._drop()

    def close(self) -> None:
        """Give up what waits, finish what runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _compare(self, camera: str, image: Image, production: ModelInfo, answer: Answer) -> None:
        try:
            engine = self._candidate()
            if engine is None or engine.model == production:
                return
            model = engine.model
            detail = self._differ(answer, self._ask(engine, image))
            jpeg = self._jpeg(image, detail)
            self._record.add(camera, _digest(image), production, model, detail, jpeg)
            self._count("agreed" if detail is None else "disagreed")
        except Exception:  # a candidate may fail in any way: that is counted and said, and harms nobody
            self._count("failed")
            log = self._log
            log.exception("shadow failed")
        finally:
            with self._lock:
                self._waiting -= 1

    def _jpeg(self, image: Image, detail: Detail | None) -> bytes | None:
        if detail is None or not self._config.pictures:
            return None
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()

    def _drop(self) -> bool:
        self._count("dropped")
        return False

    def _count(self, result: str) -> None:
        self._items.labels(self._config.model, result).inc()


def detections_differ(ours: Sequence[Detection], theirs: Sequence[Detection]) -> Detail | None:
    """The objects that one model is sure of (score >= 0.5) and the other does not have at all: no object of
    the class with an IoU of 0.5."""
    missed = [_object(item) for item in _alone(ours, theirs)]
    added = [_object(item) for item in _alone(theirs, ours)]
    return {"only_production": missed, "only_candidate": added} if missed or added else None


def reads_differ(ours: PlateRead, theirs: PlateRead) -> Detail | None:
    """The two texts with their confidences, if they differ and at least one is surer than 0.5."""
    if ours.text == theirs.text or max(ours.confidence, theirs.confidence) < SURE:
        return None
    return {
        "production": ours.text,
        "production_confidence": round(ours.confidence, 4),
        "candidate": theirs.text,
        "candidate_confidence": round(theirs.confidence, 4),
    }


def _alone(items: Sequence[Detection], others: Sequence[Detection]) -> list[Detection]:
    return [
        item
        for item in items
        if item.score >= SURE
        and not any(
            other.object_class is item.object_class and other.box.iou(item.box) >= _SAME_IOU
            for other in others
        )
    ]


def _object(item: Detection) -> dict[str, Any]:
    box = item.box
    return {
        "class": item.object_class.value,
        "score": round(item.score, 4),
        "box": [round(value, 1) for value in (box.x, box.y, box.width, box.height)],
    }


def _digest(image: Image) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def _yield_to_others() -> None:
    """Linux gives every thread a priority of its own; elsewhere the candidate runs at the process's."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
