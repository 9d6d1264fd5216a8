"""A YOLO detector on any backend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from plates.event import Detection, ModelInfo, ObjectClass
from vision.boxes import decode, letterbox, to_tensor
from vision.port import Backend, Image, Prepared, VisionError


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """What is wanted of a detector.

    `size`: long side of the network's input, pixels; 0: as the model was made for. `min_score`: weaker
    objects are not returned. `max_iou`: of two boxes of one class that overlap more, the weaker is dropped.
    """

    size: int = 0
    min_score: float = 0.25
    max_iou: float = 0.5


class YoloDetector:
    """Finds objects with a network whose output is the raw YOLO head [n, 4 + classes, anchors]."""

    def __init__(
        self,
        backend: Backend,
        model: ModelInfo,
        classes: Sequence[ObjectClass],
        settings: DetectorSettings | None = None,
    ) -> None:
        self.model = model
        self.settings = settings or DetectorSettings()
        self._backend = backend
        self._classes = tuple(classes)

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """See `vision.port.DetectorEngine`."""
        return self.detect_prepared([self.prepare(image) for image in images])

    def prepare(self, image: Image, *, size: int = 0, min_score: float = 0.0) -> Prepared:
        """The picture at the network's size; `size` and `min_score`, unless 0, override the settings."""
        canvas, frame = letterbox(image, size or self.settings.size)
        return Prepared(canvas, frame, min_score or self.settings.min_score)

    def detect_prepared(self, prepared: Sequence[Prepared]) -> list[tuple[Detection, ...]]:
        """The objects of each prepared picture; those of one shape run as one batch."""
        groups: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, item in enumerate(prepared):
            groups[item.canvas.shape].append(index)
        found: dict[int, tuple[Detection, ...]] = {}
        for members in groups.values():
            (heads,) = self._backend.run(to_tensor([prepared[i].canvas for i in members]))
            if heads.shape[1] != 4 + len(self._classes):
                raise VisionError(
                    f"{self.model.name}: the network gives {heads.shape[1] - 4} classes, the manifest names "
                    f"{len(self._classes)}"
                )
            for index, head in zip(members, heads, strict=True):
                item = prepared[index]
                found[index] = decode(head, item.frame, self._classes, item.min_score, self.settings.max_iou)
        return [found[index] for index in range(len(prepared))]
