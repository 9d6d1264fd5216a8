"""OpenVINO: the default engine on a CPU."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino as ov

from vision.port import Tensor, VisionError

OFTEN = 100
"""A shape that came this many times has cost about as much as compiling the network for it alone, 0.3 s."""
OWN_SHAPES = 8
"""At most this many shapes get a network of their own, some ten megabytes each."""

Shape = tuple[int, ...]
Requests = queue.SimpleQueue[ov.InferRequest]


class OpenVinoBackend:
    """A network compiled for a device; up to `streams` calls run at once, further callers wait their turn.

    OpenVINO chooses the precision: bfloat16 on processors that are fast at it, else float32. A network for
    any shape is prepared anew whenever the input's shape changes, which takes as long as a small input does:
    shapes that come often get a network of their own.
    """

    name = "openvino"

    def __init__(self, path: Path, *, threads: int = 2, streams: int = 1, device: str = "CPU") -> None:
        self._core = ov.Core()
        self._streams, self._device = streams, device
        self._options: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": streams}
        if device == "CPU":
            self._options["INFERENCE_NUM_THREADS"] = threads
        try:
            self._network = self._core.read_model(str(path))
            self._any_shape = self._compiled(self._network)
        except RuntimeError as error:
            raise VisionError(f"{path}: OpenVINO cannot load this model: {error}") from error
        self.metadata = _metadata(self._network)
        self._is_dynamic = self._network.input(0).partial_shape.is_dynamic
        self._seen: Counter[Shape] = Counter()
        self._own: dict[Shape, Requests] = {}
        self._lock = threading.Lock()

    def run(self, batch: npt.NDArray[np.generic]) -> tuple[Tensor, ...]:
        """See `vision.port.Backend`."""
        requests = self._requests(batch.shape)
        request = requests.get()
        try:
            results = request.infer([batch], share_inputs=True)
            return tuple(np.array(value) for value in results.to_tuple())
        finally:
            requests.put(request)

    def _requests(self, shape: Shape) -> Requests:
        """Those of the shape's own network; of the one for any shape where it has none (yet)."""
        own = self._own.get(shape)
        if own is not None or not self._is_dynamic:
            return own or self._any_shape
        with self._lock:
            self._seen[shape] += 1
            due = self._seen[shape] == OFTEN and len(self._own) < OWN_SHAPES
        if due:
            network = self._network.clone()
            network.reshape(list(shape))
            self._own[shape] = self._compiled(network)
        return self._own.get(shape, self._any_shape)

    def _compiled(self, network: ov.Model) -> Requests:
        compiled = self._core.compile_model(network, self._device, self._options)
        requests: Requests = queue.SimpleQueue()
        for _ in range(self._streams):
            requests.put(compiled.create_infer_request())
        return requests


def _metadata(network: ov.Model) -> dict[str, str]:
    # ONNX metadata_props arrive as runtime info under "framework"
    if not network.has_rt_info(["framework"]):
        return {}
    framework = network.get_rt_info(["framework"])
    return {key: str(network.get_rt_info(["framework", key]).value) for key in framework.value}
