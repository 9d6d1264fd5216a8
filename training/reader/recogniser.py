"""PP-OCR's line recogniser as a torch network: its ONNX graph replayed node by node, its weights trainable.

The graph's batch normalisation is already folded into its convolutions, so nothing depends on the batch. Its
18 thousand classes are cut down to the blank and the 36 characters of plates; their rows are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnxslim import slim
from torch import Tensor, nn
from torch.nn import functional

from training.reader.contract import ALPHABET

LINE_HEIGHT, LINE_WIDTH = 48, 192
"""Pixels of the input; a line of any shape is stretched to it."""

STEPS = LINE_WIDTH // 8
"""Positions at which the network names a character or none."""


@dataclass(frozen=True)
class Node:
    """One operation of the graph: names of what goes in and comes out."""

    operation: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


def classes_of(characters: Sequence[str]) -> list[int]:
    """Where the blank and the characters of plates stand among PP-OCR's classes (0 is its blank)."""
    return [0, *(list(characters).index(char) + 1 for char in ALPHABET)]


class LineRecogniser(nn.Module):
    """Lines in, log-odds of each class at each step out.

    Input: float (N, 3, LINE_HEIGHT, LINE_WIDTH), BGR, value / 127.5 - 1. Output: (N, STEPS, CLASSES).
    """

    def __init__(self, graph: Path, frozen: int = 0) -> None:
        """`graph`: PP-OCR's ONNX file; its weights are where training starts. `frozen`: operations that do
        not learn, from the input on.
        """
        super().__init__()
        self.frozen = frozen
        model = onnx.load(str(graph))
        characters = next(p.value for p in model.metadata_props if p.key == "character").split("\n")
        model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = LINE_WIDTH
        model = slim(model)
        self.source, self.target = model.graph.input[0].name, ""
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.nodes = _fused([_node(node) for node in model.graph.node], values)
        last = self.nodes.pop()
        if last.operation != "Softmax":
            raise ValueError(f"{graph}: the last operation is {last.operation}, not Softmax")
        self.target = last.inputs[0]
        self.weights, self.constants = nn.ParameterDict(), {}
        for node in self.nodes:
            for name in node.inputs:
                if name in values:
                    self._keep(name, values[name])
        self._cut_head(classes_of(characters))

    def _keep(self, name: str, value: np.ndarray[Any, Any]) -> None:
        if value.dtype == np.float32 and value.ndim:
            self.weights[parameter_name(name)] = nn.Parameter(torch.from_numpy(value.copy()))
        else:
            self.constants[name] = value.tolist()

    def _cut_head(self, classes: list[int]) -> None:
        for name in self.head:
            self.weights[name] = nn.Parameter(self.weights[name].data[..., classes].clone())

    @property
    def head(self) -> tuple[str, str]:
        """Names of the weights and biases of the classes."""
        matmul, add = self.nodes[-2:]
        return parameter_name(matmul.inputs[1]), parameter_name(add.inputs[1])

    @property
    def learning(self) -> dict[str, nn.Parameter]:
        """The weights behind the frozen operations."""
        names = {parameter_name(name) for node in self.nodes[self.frozen :] for name in node.inputs}
        return {name: weight for name, weight in self.weights.items() if name in names}

    def forward(self, lines: Tensor) -> Tensor:
        values: dict[str, Any] = {self.source: lines}
        with torch.no_grad():
            self._run(self.nodes[: self.frozen], values)
        self._run(self.nodes[self.frozen :], values)
        scores: Tensor = values[self.target]
        return scores.float()

    def _run(self, nodes: list[Node], values: dict[str, Any]) -> None:
        for node in nodes:
            inputs = [self._value(values, name) for name in node.inputs]
            values[node.output] = _OPERATIONS[node.operation](*inputs, **node.attributes)

    def _value(self, values: dict[str, Any], name: str) -> Any:
        if name in values:
            return values[name]
        return self.constants[name] if name in self.constants else self.weights[parameter_name(name)]


def parameter_name(name: str) -> str:
    """The name under which the network keeps a weight of the graph."""
    return name.replace(".", "_")


def _node(node: onnx.NodeProto) -> Node:
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return Node(node.op_type, tuple(node.input), node.output[0], attributes)


def _fused(nodes: list[Node], values: dict[str, np.ndarray[Any, Any]]) -> list[Node]:
    """The nodes with those of each GELU and layer normalisation as one, as torch computes them faster."""
    users: dict[str, list[Node]] = {}
    for node in nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)
    makers = {node.output: node for node in nodes}
    instead: dict[str, Node] = {}
    gone: set[str] = set()
    for node in nodes:
        if node.operation == "Erf":
            chain = [makers[node.inputs[0]], node, *_following(node, users, 3)]
            new = Node("Gelu", chain[0].inputs[:1], chain[-1].output, {})
        elif node.operation == "Sub":
            power = users[node.output][0]
            divide = users[node.output][1]
            mean, add, root = _following(power, users, 3)
            scale, shift = _following(divide, users, 2)
            chain = [makers[node.inputs[1]], node, power, mean, add, root, divide, scale, shift]
            epsilon = float(values[add.inputs[1]])
            inputs = (node.inputs[0], scale.inputs[1], shift.inputs[1])
            new = Node("LayerNorm", inputs, shift.output, {"epsilon": epsilon})
        else:
            continue
        gone |= {part.output for part in chain}
        instead[new.output] = new
    return [
        instead.get(node.output, node) for node in nodes if node.output not in gone or node.output in instead
    ]


def _following(node: Node, users: dict[str, list[Node]], count: int) -> list[Node]:
    found = []
    for _ in range(count):
        (node,) = users[node.output]
        found.append(node)
    return found


def _same_upper(x: Tensor, kernel_shape: Sequence[int]) -> Tensor:
    down, right = (size - 1 for size in kernel_shape)
    return functional.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))


def _convolve(x: Tensor, weight: Tensor, bias: Tensor, **a: Any) -> Tensor:
    if a.get("auto_pad") == b"SAME_UPPER":
        x, padding = _same_upper(x, a["kernel_shape"]), (0, 0)
    else:
        padding = tuple(a["pads"][:2])
    return functional.conv2d(x, weight, bias, a["strides"], padding, a["dilations"], a["group"])


def _max_pool(x: Tensor, **a: Any) -> Tensor:
    # What comes in is never negative, so padding with zeros is padding with nothing.
    return functional.max_pool2d(_same_upper(x, a["kernel_shape"]), a["kernel_shape"], a["strides"])


def _reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    return x.reshape(len(x), *shape[1:])


def _slice(x: Tensor, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> Tensor:
    return x.narrow(axes[0], starts[0], ends[0] - starts[0])


_OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda a, b: a + b,
    "Mul": lambda a, b: a * (b[0] if isinstance(b, list) else b),
    "MatMul": lambda a, b: a @ b,
    "Conv": _convolve,
    "MaxPool": _max_pool,
    "AveragePool": lambda x, **a: functional.avg_pool2d(x, a["kernel_shape"], a["strides"]),
    "ReduceMean": lambda x, **a: x.mean(tuple(a["axes"]), keepdim=True),
    "Relu": functional.relu,
    "Gelu": functional.gelu,
    "Sigmoid": torch.sigmoid,
    "HardSigmoid": lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1),
    "Softmax": lambda x, axis: x.softmax(axis),
    "LayerNorm": lambda x, scale, shift, epsilon: functional.layer_norm(
        x, scale.shape, scale, shift, epsilon
    ),
    "Concat": lambda *parts, axis: torch.cat(parts, axis),
    "Transpose": lambda x, perm: x.permute(perm),
    "Squeeze": lambda x, axes: x.squeeze(axes[0]),
    "Reshape": _reshape,
    "Slice": _slice,
}


def normalise(images: Tensor) -> Tensor:
    """uint8 (N, LINE_HEIGHT, LINE_WIDTH, 3) BGR to the network's float input, channels last in memory."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1
