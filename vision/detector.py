"""A YOLO detector on any backend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from plates.event import Detection, ModelInfo, ObjectClass
from vision.boxes import STRIDE, Candidates, decode, detections, letterbox, to_tensor
from vision.port import Backend, Image, Letterbox, Prepared, Tensor, VisionError


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """What is wanted of a detector.

    The network's input is half as long as the picture, but at least `size` (0: as the model was made for)
    and at most `max_size` pixels: small plates are found better in large inputs, at a price. `scales`: the
    picture is looked at once for each, at that share of the size, and what is found is merged: large plates
    are found better from afar. `min_score`: weaker objects are not returned. `max_iou`: of two boxes of one
    class that overlap more, the weaker is dropped; `max_inside`: also of two plates of which more than this
    share of the smaller is within the other.
    """

    size: int = 0
    max_size: int = 640
    scales: tuple[float, ...] = (1.0, 0.5)
    min_score: float = 0.25
    max_iou: float = 0.5
    max_inside: float = 1.0


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
        """The picture at the network's sizes; `size` and `min_score`, unless 0, override the settings."""
        full = size or self._size_for(image)
        looks = tuple(letterbox(image, max(STRIDE, round(full * scale))) for scale in self.settings.scales)
        return Prepared(looks, min_score or self.settings.min_score)

    def _size_for(self, image: Image) -> int:
        half = STRIDE * round(max(image.shape[:2]) / (2 * STRIDE))
        return max(self.settings.size, min(half, self.settings.max_size))

    def detect_prepared(self, prepared: Sequence[Prepared]) -> list[tuple[Detection, ...]]:
        """The objects of each prepared picture; looks of one shape run as one batch."""
        groups: defaultdict[tuple[int, ...], list[tuple[int, Image, Letterbox]]] = defaultdict(list)
        for index, item in enumerate(prepared):
            for canvas, frame in item.looks:
                groups[canvas.shape].append((index, canvas, frame))
        candidates: list[list[Candidates]] = [[] for _ in prepared]
        for members in groups.values():
            heads = self._heads([canvas for _, canvas, _ in members])
            for (index, _, frame), head in zip(members, heads, strict=True):
                candidates[index].append(decode(head, frame, prepared[index].min_score))
        settings = self.settings
        return [
            detections(items, self._classes, settings.max_iou, settings.max_inside) for items in candidates
        ]

    def _heads(self, canvases: Sequence[Image]) -> Tensor:
        (heads,) = self._backend.run(to_tensor(canvases))
        if heads.shape[1] != 4 + len(self._classes):
            raise VisionError(
                f"{self.model.name}: the network gives {heads.shape[1] - 4} classes, the manifest names "
                f"{len(self._classes)}"
            )
        return heads
