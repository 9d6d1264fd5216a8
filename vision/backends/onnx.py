"""ONNX Runtime: an alternative on a CPU, and on NVIDIA or other accelerators by its execution providers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from vision.port import Tensor, VisionError

# ONNX Runtime's own exceptions share no base below Exception.
_LOAD_ERRORS = (
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NoSuchFile,
    errors.NotImplemented,
    errors.RuntimeException,
)


class OnnxBackend:
    """A network in an ONNX Runtime session; calls may overlap."""

    name = "onnxruntime"

    def __init__(self, path: Path, *, threads: int = 2, providers: tuple[str, ...] = ()) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        wanted = list(providers) or ["CPUExecutionProvider"]
        missing = set(wanted) - set(onnxruntime.get_available_providers())
        if missing:
            available = ", ".join(onnxruntime.get_available_providers())
            raise VisionError(f"ONNX Runtime has no {', '.join(sorted(missing))}; it has {available}")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=wanted)
        except _LOAD_ERRORS as error:
            raise VisionError(f"{path}: ONNX Runtime cannot load this model: {error}") from error
        self._input = self._session.get_inputs()[0].name
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, batch: npt.NDArray[np.generic]) -> tuple[Tensor, ...]:
        """See `vision.port.Backend`."""
        return tuple(self._session.run(None, {self._input: batch}))
