"""ONNX files of a few operators, written byte by byte, so that engines are tested without trained weights.

Only what is needed of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (protobuf wire format).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

FLOAT, UINT8, INT64 = 1, 2, 7
TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.uint8): UINT8, np.dtype(np.int64): INT64}


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _bytes(5, _bytes(1, name) + _number(3, value) + _number(20, 2))
    return _bytes(5, _bytes(1, name) + b"".join(_number(8, v) for v in value) + _number(20, 7))


def node(op: str, inputs: Sequence[str], output: str, **attributes: int | Sequence[int]) -> bytes:
    """One operator with one output."""
    body = b"".join(_bytes(1, name) for name in inputs) + _bytes(2, output) + _bytes(4, op)
    return _bytes(1, body + b"".join(_attribute(name, value) for name, value in attributes.items()))


def constant(name: str, value: np.ndarray) -> bytes:
    """An initializer."""
    dims = b"".join(_number(1, side) for side in value.shape)
    body = (
        dims
        + _number(2, TYPES[value.dtype])
        + _bytes(8, name)
        + _bytes(9, np.ascontiguousarray(value).tobytes())
    )
    return _bytes(5, body)


def value(field: int, name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    """An input (field 11) or output (field 12); a side given as text is free."""
    sides = b"".join(_bytes(1, _bytes(2, s) if isinstance(s, str) else _number(1, s)) for s in shape)
    return _bytes(field, _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, sides))))


def model(parts: Sequence[bytes], metadata: Mapping[str, str] | None = None) -> bytes:
    """The file: nodes, initializers, inputs and outputs of one graph."""
    graph = b"".join(parts[:1]) + _bytes(2, "tiny") + b"".join(parts[1:])
    meta = b"".join(_bytes(14, _bytes(1, k) + _bytes(2, v)) for k, v in (metadata or {}).items())
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 17)) + meta


def tiny_detector(path: Path) -> Path:
    """A YOLO head over 128 x 64 inputs: each 32 px cell is a plate, its brightness the score.

    Two classes, plate and vehicle; the latter always scores 0.
    """
    columns, rows = 4, 2
    centres = np.array(
        [[32 * x + 16, 32 * y + 16, 32, 32] for y in range(rows) for x in range(columns)], np.float32
    )
    parts = [
        node("AveragePool", ["images"], "cells", kernel_shape=(32, 32), strides=(32, 32)),
        node("ReduceMean", ["cells"], "grey", axes=(1,), keepdims=1),
        node("Reshape", ["grey", "flat"], "score"),
        node("Sub", ["score", "score"], "zero"),
        node("Add", ["zero", "centres"], "boxes"),
        node("Concat", ["boxes", "score", "zero"], "output0", axis=1),
        constant("flat", np.array([0, 1, rows * columns], np.int64)),
        constant("centres", np.ascontiguousarray(centres.T)[None]),
        value(11, "images", FLOAT, ("batch", 3, 32 * rows, 32 * columns)),
        value(12, "output0", FLOAT, ("batch", 6, rows * columns)),
    ]
    path.write_bytes(model(parts, {"names": "plate,vehicle"}))
    return path


def tiny_reader(path: Path, text: str = "B123ABC", regions: int = 3) -> Path:
    """A `plate-reader` that always says `text` and the last region, surer the brighter the crop is."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    slots = np.full((1, 10, 37), 0.002, np.float32)
    for i in range(10):
        slots[0, i, alphabet.index(text[i]) + 1 if i < len(text) else 0] = 0.93
    region = np.full((1, regions), 0.1, np.float32)
    region[0, -1] = 0.8
    lines = np.array([[0.05, 0.9, 0.05]], np.float32)
    parts = [
        node("Cast", ["image"], "float", to=FLOAT),
        node("ReduceMean", ["float"], "mean", axes=(1, 2, 3), keepdims=0),
        node("Div", ["mean", "full"], "legible"),
        node("Sub", ["legible", "legible"], "zero"),
        node("Reshape", ["zero", "cube"], "zero3"),
        node("Reshape", ["zero", "square"], "zero2"),
        node("Add", ["zero3", "slot"], "slots"),
        node("Add", ["zero2", "where"], "region"),
        node("Add", ["zero2", "line"], "lines"),
        constant("full", np.array([255], np.float32)),
        constant("cube", np.array([-1, 1, 1], np.int64)),
        constant("square", np.array([-1, 1], np.int64)),
        constant("slot", slots),
        constant("where", region),
        constant("line", lines),
        value(11, "image", UINT8, ("batch", 64, 160, 3)),
        value(12, "slots", FLOAT, ("batch", 10, 37)),
        value(12, "region", FLOAT, ("batch", regions)),
        value(12, "lines", FLOAT, ("batch", 3)),
        value(12, "legible", FLOAT, ("batch",)),
    ]
    path.write_bytes(model(parts))
    return path


def tiny_line_reader(path: Path, text: str = "B123ABC") -> Path:
    """A `plate-line` that always says `text`, a blank after each character."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    frames = np.full((1, 24, 37), 0.001, np.float32)
    for i in range(24):
        char, blank = divmod(i, 2)
        frames[0, i, 0 if blank or char >= len(text) else alphabet.index(text[char]) + 1] = 0.964
    parts = [
        node("ReduceMean", ["x"], "mean", axes=(1, 2, 3), keepdims=0),
        node("Sub", ["mean", "mean"], "zero"),
        node("Reshape", ["zero", "cube"], "zero3"),
        node("Add", ["zero3", "frame"], "frames"),
        constant("cube", np.array([-1, 1, 1], np.int64)),
        constant("frame", frames),
        value(11, "x", FLOAT, ("batch", 3, 48, 192)),
        value(12, "frames", FLOAT, ("batch", 24, 37)),
    ]
    path.write_bytes(model(parts))
    return path
