"""A YOLO detector on any backend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from plates.event import Detection, ModelInfo, ObjectClass
from vision.boxes import Letterbox, decode, letterbox, to_tensor
from vision.port import Backend, Image, VisionError


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """What is wanted of a detector.

    `size`: long side of the network's input, pixels. `min_score`: weaker objects are not returned.
    `max_iou`: of two boxes of one class that overlap more, the weaker is dropped.
    """

    size: int = 640
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

    def detect(
        self, images: Sequence[Image], *, size: int | None = None, min_score: float | None = None
    ) -> list[tuple[Detection, ...]]:
        """See `vision.port.DetectorEngine`; `size` and `min_score` override the settings for this call.

        Pictures of one shape run as one batch.
        """
        prepared = [letterbox(image, size or self.settings.size) for image in images]
        groups: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, (canvas, _) in enumerate(prepared):
            groups[canvas.shape].append(index)
        found: dict[int, tuple[Detection, ...]] = {}
        floor = self.settings.min_score if min_score is None else min_score
        for members in groups.values():
            (heads,) = self._backend.run(to_tensor([prepared[i][0] for i in members]))
            if heads.shape[1] != 4 + len(self._classes):
                raise VisionError(
                    f"{self.model.name}: the network gives {heads.shape[1] - 4} classes, the manifest names "
                    f"{len(self._classes)}"
                )
            for index, head in zip(members, heads, strict=True):
                frame: Letterbox = prepared[index][1]
                found[index] = decode(head, frame, self._classes, floor, self.settings.max_iou)
        return [found[index] for index in range(len(images))]
