"""OpenVINO: the default engine on a CPU."""

from __future__ import annotations

import queue
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino as ov

from vision.port import Tensor, VisionError


class OpenVinoBackend:
    """A network compiled for a device; up to `streams` calls run at once, further callers wait their turn.

    OpenVINO chooses the precision: bfloat16 on processors that are fast at it, else float32.
    """

    name = "openvino"

    def __init__(self, path: Path, *, threads: int = 2, streams: int = 1, device: str = "CPU") -> None:
        core = ov.Core()
        options: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": streams}
        if device == "CPU":
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            network = core.read_model(str(path))
            compiled = core.compile_model(network, device, options)
        except RuntimeError as error:
            raise VisionError(f"{path}: OpenVINO cannot load this model: {error}") from error
        self.metadata = _metadata(network)
        self._requests: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())

    def run(self, batch: npt.NDArray[np.generic]) -> tuple[Tensor, ...]:
        """See `vision.port.Backend`."""
        request = self._requests.get()
        try:
            results = request.infer([batch], share_inputs=True)
            return tuple(np.array(value) for value in results.to_tuple())
        finally:
            self._requests.put(request)


def _metadata(network: ov.Model) -> dict[str, str]:
    # ONNX metadata_props arrive as runtime info under "framework"
    if not network.has_rt_info(["framework"]):
        return {}
    framework = network.get_rt_info(["framework"])
    return {key: str(network.get_rt_info(["framework", key]).value) for key in framework.value}
