"""Muon: momentum whose steps are orthogonalised, for convolution and matrix weights; AdamW for the rest.

After Jordan et al. (https://kellerjordan.github.io/posts/muon/), with the size of a step matched to AdamW,
as in Liu et al. (arXiv 2502.16982), so that one learning rate serves both.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


@torch.no_grad()
def orthogonalise(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Roughly U V^T of a [rows, columns] matrix's singular value decomposition."""
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Muon for groups with `muon: True`, AdamW for the others."""

    def __init__(self, model: nn.Module, lr: float, weight_decay: float, momentum: float = 0.95) -> None:
        parameters = [p for p in model.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in parameters if p.ndim > 1], "muon": True, "weight_decay": weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "muon": False, "weight_decay": 0.0},
        ]
        super().__init__(groups, {"lr": lr, "momentum": momentum, "betas": (0.9, 0.99)})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Take one step from the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                update = self._muon if group["muon"] else self._adam
                step = update(self.state[parameter], parameter.grad, group)
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(step, alpha=-group["lr"])

    @staticmethod
    def _muon(state: dict[str, Any], grad: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
        buffer = state.setdefault("momentum", torch.zeros_like(grad))
        buffer.lerp_(grad, 1 - group["momentum"])
        flat = grad.lerp(buffer, group["momentum"]).flatten(1)
        return (orthogonalise(flat) * 0.2 * max(flat.shape) ** 0.5).view_as(grad)

    @staticmethod
    def _adam(state: dict[str, Any], grad: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
        first = state.setdefault("first", torch.zeros_like(grad))
        second = state.setdefault("second", torch.zeros_like(grad))
        state["steps"] = state.get("steps", 0) + 1
        first.lerp_(grad, 1 - group["betas"][0])
        second.lerp_(grad * grad, 1 - group["betas"][1])
        bias = [1 - beta ** state["steps"] for beta in group["betas"]]
        return (first / bias[0]) / ((second / bias[1]).sqrt() + 1e-8)
