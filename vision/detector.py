"""A YOLO detector on any backend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from plates.event import Detection, ModelInfo, ObjectClass
from vision.boxes import STRIDE, Candidates, decode, detections, letterbox, to_tensor
from vision.corners import CornerFinder
from vision.port import Backend, Image, Letterbox, Prepared, Tensor, VisionError


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """What is wanted of a detector.

    The network's input is half as long as the picture, but at least `size` (0: as the model was made for)
    and at most `max_size` pixels: small plates are found better in large inputs, at a price. `scales`: the
    picture is looked at for each in turn, at that share of the size, until a plate scores `sure`, and what is
    found is merged: large plates are found better from afar. The first is the largest, and the others are
    made of it. `min_score`: weaker objects are not returned.
    `max_iou`: of two boxes of one class that overlap more, the weaker is dropped; `max_inside`: also of two
    plates of which more than this share of the smaller is within the other.
    """

    size: int = 0
    max_size: int = 640
    scales: tuple[float, ...] = (1.0, 0.5)
    sure: float = 0.5
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
        corners: CornerFinder | None = None,
    ) -> None:
        self.model = model
        self.settings = settings or DetectorSettings()
        self._backend = backend
        self._classes = tuple(classes)
        self._corners = corners

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """See `vision.port.DetectorEngine`."""
        return self.detect_prepared([self.prepare(image) for image in images])

    def prepare(self, image: Image, *, size: int = 0, min_score: float = 0.0) -> Prepared:
        """The picture at the network's size; `size` and `min_score`, unless 0, override the settings."""
        full = size or self._size_for(image)
        canvas, frame = letterbox(image, max(STRIDE, round(full * self.settings.scales[0])))
        return Prepared(canvas, frame, min_score or self.settings.min_score)

    def _size_for(self, image: Image) -> int:
        half = STRIDE * round(max(image.shape[:2]) / (2 * STRIDE))
        return max(self.settings.size, min(half, self.settings.max_size))

    def detect_prepared(self, prepared: Sequence[Prepared]) -> list[tuple[Detection, ...]]:
        """The objects of each prepared picture; looks of one turn and shape run as one batch."""
        candidates: list[list[Candidates]] = [[] for _ in prepared]
        found: list[tuple[Detection, ...]] = [() for _ in prepared]
        unsure = list(range(len(prepared)))
        for turn in range(len(self.settings.scales)):
            for index, seen in self._look(prepared, unsure, turn):
                candidates[index].append(seen)
                found[index] = self._merged(candidates[index])
            unsure = [index for index in unsure if not self._is_sure(found[index])]
        return [self._refined(item, objects) for item, objects in zip(prepared, found, strict=True)]

    def _refined(self, prepared: Prepared, found: tuple[Detection, ...]) -> tuple[Detection, ...]:
        """The objects with plates that have corners; of two that turn out to be one plate, the surer."""
        if self._corners is None:
            return found
        plates = [item for item in found if item.object_class is ObjectClass.PLATE]
        refined = iter(self._corners.refine(prepared.seen, prepared.frame.scale, plates))
        kept: list[Detection] = []
        for item in found:
            if item.object_class is ObjectClass.PLATE:
                item = next(refined)
                if any(item.box.iou(other.box) > self.settings.max_iou for other in kept if other.corners):
                    continue
            kept.append(item)
        return tuple(kept)

    def _look(
        self, prepared: Sequence[Prepared], indices: Sequence[int], turn: int
    ) -> Iterator[tuple[int, Candidates]]:
        """What the look of this turn sees in each of some prepared pictures."""
        groups: defaultdict[tuple[int, ...], list[tuple[int, Image, Letterbox]]] = defaultdict(list)
        for index in indices:
            canvas, frame = self._at(prepared[index], turn)
            groups[canvas.shape].append((index, canvas, frame))
        for members in groups.values():
            heads = self._heads([canvas for _, canvas, _ in members])
            for (index, _, frame), head in zip(members, heads, strict=True):
                yield index, decode(head, frame, prepared[index].min_score)

    def _at(self, item: Prepared, turn: int) -> tuple[Image, Letterbox]:
        """The network's input for this turn."""
        if turn == 0:
            return item.canvas, item.frame
        share = self.settings.scales[turn] / self.settings.scales[0]
        canvas, frame = letterbox(item.seen, max(STRIDE, round(max(item.seen.shape) * share)))
        return canvas, replace(item.frame, scale=item.frame.scale * frame.scale)

    def _merged(self, candidates: Sequence[Candidates]) -> tuple[Detection, ...]:
        return detections(candidates, self._classes, self.settings.max_iou, self.settings.max_inside)

    def _is_sure(self, found: Sequence[Detection]) -> bool:
        sure = self.settings.sure
        return any(item.object_class is ObjectClass.PLATE and item.score >= sure for item in found)

    def _heads(self, canvases: Sequence[Image]) -> Tensor:
        (heads,) = self._backend.run(to_tensor(canvases))
        if heads.shape[1] != 4 + len(self._classes):
            raise VisionError(
                f"{self.model.name}: the network gives {heads.shape[1] - 4} classes, the manifest names "
                f"{len(self._classes)}"
            )
        return heads
