"""The YOLO detection loss with regions that teach nothing about a class."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.loss import v8DetectionLoss
from ultralytics.utils.tal import make_anchors

GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}


def build_model(architecture: str, classes: list[str]) -> DetectionModel:
    """A randomly initialised detector."""
    model = DetectionModel(architecture, ch=3, nc=len(classes), verbose=False)
    model.args = SimpleNamespace(**GAINS)
    model.names = dict(enumerate(classes))
    return model


class MaskedBce(nn.Module):
    """Binary cross-entropy whose negatives are left out where `ignored` [batch, anchors, classes] is true."""

    def __init__(self) -> None:
        super().__init__()
        self.ignored: torch.Tensor | None = None

    def forward(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss for each score, same shape as `scores`."""
        loss = nn.functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        if self.ignored is None:
            return loss
        return loss.masked_fill(self.ignored & (targets == 0), 0.0)


class DetectionLoss(v8DetectionLoss):
    """Ultralytics' loss; `batch["ignore"]` rows are [image, class, x1, y1, x2, y2] in pixels."""

    def __init__(self, model: DetectionModel) -> None:
        super().__init__(model)
        self.masked = MaskedBce()
        self.bce = self.masked

    def __call__(
        self, preds: dict[str, Any], batch: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss terms (box, cls, dfl) times the batch size, and their detached values."""
        points, strides = make_anchors(preds["feats"], self.stride, 0.5)
        centres = points * strides
        ignored = torch.zeros_like(preds["scores"].permute(0, 2, 1), dtype=torch.bool)
        for image, kind, x1, y1, x2, y2 in batch["ignore"].tolist():
            inside = (centres[:, 0] > x1) & (centres[:, 0] < x2) & (centres[:, 1] > y1) & (centres[:, 1] < y2)
            ignored[int(image), inside, int(kind)] = True
        self.masked.ignored = ignored
        loss: tuple[torch.Tensor, dict[str, torch.Tensor]] = super().__call__(preds, batch)
        return loss
