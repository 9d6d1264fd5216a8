"""TensorRT in FP16 on an NVIDIA GPU: loads a `.engine`, or builds one from the ONNX beside it.

Not run on this project's own machines, which have no such GPU. Written to TensorRT 10's interface
(`IBuilderConfig` with `BuilderFlag.FP16`, `execute_async_v3`) and cuda-python's `cuda.bindings.runtime`.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorrt as trt
from cuda.bindings import runtime as cudart

from vision.port import Tensor, VisionError

_WORKSPACE_BYTES = 1 << 30
_MAX_BATCH = 16
# What a free dimension of an input may be: least, usual, most; multiples of 32 between them.
_FREE_SIDE = (32, 640, 1920)


class TensorRtBackend:
    """A network on the first GPU; calls take turns.

    `path` is the ONNX; the engine is kept beside it, named after the GPU and TensorRT's version, because it
    runs nowhere else. A `path` that ends in `.engine` is loaded as it is.
    """

    name = "tensorrt"

    def __init__(self, path: Path) -> None:
        self.metadata: dict[str, str] = {}
        self._lock = threading.Lock()
        self._logger = trt.Logger(trt.Logger.WARNING)
        engine_path = path if path.suffix == ".engine" else engine_path_of(path)
        if not engine_path.exists():
            build_engine(path, engine_path, self._logger)
        runtime = trt.Runtime(self._logger)
        self._engine = runtime.deserialize_cuda_engine(engine_path.read_bytes())
        if self._engine is None:
            raise VisionError(f"{engine_path}: TensorRT {trt.__version__} cannot load this engine; remove it")
        self._runtime = runtime  # must outlive its engine
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        modes = {name: self._engine.get_tensor_mode(name) for name in names}
        self._input = next(name for name in names if modes[name] == trt.TensorIOMode.INPUT)
        self._outputs = [name for name in names if modes[name] == trt.TensorIOMode.OUTPUT]
        self._stream = _cuda(cudart.cudaStreamCreate())
        self._buffers: dict[str, tuple[int, int]] = {}  # tensor: address and bytes, grown as needed

    def run(self, batch: npt.NDArray[np.generic]) -> tuple[Tensor, ...]:
        """See `vision.port.Backend`."""
        with self._lock:
            given = np.ascontiguousarray(batch)
            if not self._context.set_input_shape(self._input, given.shape):
                raise VisionError(f"TensorRT: an input of {given.shape} is outside the engine's profile")
            to_device = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
            address = self._buffer(self._input, given.nbytes)
            _cuda(cudart.cudaMemcpyAsync(address, given.ctypes.data, given.nbytes, to_device, self._stream))
            results = [self._output(name) for name in self._outputs]
            if not self._context.execute_async_v3(self._stream):
                raise VisionError("TensorRT: the network could not be run")
            for name, result in zip(self._outputs, results, strict=True):
                self._fetch(name, result)
            _cuda(cudart.cudaStreamSynchronize(self._stream))
        return tuple(result.astype(np.float32, copy=False) for result in results)

    def _output(self, name: str) -> npt.NDArray[Any]:
        shape = tuple(self._context.get_tensor_shape(name))
        result: npt.NDArray[Any] = np.empty(shape, trt.nptype(self._engine.get_tensor_dtype(name)))
        self._buffer(name, result.nbytes)
        return result

    def _fetch(self, name: str, result: npt.NDArray[Any]) -> None:
        to_host = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        address, _ = self._buffers[name]
        _cuda(cudart.cudaMemcpyAsync(result.ctypes.data, address, result.nbytes, to_host, self._stream))

    def _buffer(self, name: str, size: int) -> int:
        address, held = self._buffers.get(name, (0, 0))
        if held < size:
            if address:
                _cuda(cudart.cudaFree(address))
            address = int(_cuda(cudart.cudaMalloc(size)))
            self._buffers[name] = (address, size)
        self._context.set_tensor_address(name, address)
        return address


def engine_path_of(onnx: Path) -> Path:
    """Where the engine of an ONNX for this GPU and this TensorRT is kept."""
    properties = _cuda(cudart.cudaGetDeviceProperties(0))
    gpu = f"sm{properties.major}{properties.minor}"
    return onnx.with_name(f"{onnx.stem}-{gpu}-trt{trt.__version__}-fp16.engine")


def export_engine(onnx: Path, out: Path | None = None) -> Path:
    """Build the engine of an ONNX for this GPU, by default where the backend looks for it; gives its path."""
    out = out or engine_path_of(onnx)
    build_engine(onnx, out, trt.Logger(trt.Logger.WARNING))
    return out


def build_engine(onnx: Path, out: Path, logger: Any) -> None:
    """Build an FP16 engine (minutes) with free batch and sides; VisionError says what TensorRT objects to."""
    builder = trt.Builder(logger)
    if not hasattr(trt.BuilderFlag, "FP16"):
        raise VisionError(f"TensorRT {trt.__version__} builds no FP16 engine from this ONNX; use version 10")
    # TensorRT 8 reads ONNX only into networks that name their batch; 10 knows no others
    explicit_batch = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    network = builder.create_network(0 if explicit_batch is None else 1 << int(explicit_batch))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx)):
        faults = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise VisionError(f"{onnx}: TensorRT cannot read this model: {faults}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    config.set_flag(trt.BuilderFlag.FP16)
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        least, usual, most = (_shape(tuple(tensor.shape), which) for which in range(3))
        profile.set_shape(tensor.name, least, usual, most)
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise VisionError(f"{onnx}: TensorRT could not build an engine; its log above says why")
    partial = out.with_suffix(".partial")
    partial.write_bytes(bytes(engine))
    partial.replace(out)


def _shape(shape: tuple[int, ...], which: int) -> tuple[int, ...]:
    batch = (1, 4, _MAX_BATCH)[which]
    return tuple(
        side if side > 0 else batch if axis == 0 else _FREE_SIDE[which] for axis, side in enumerate(shape)
    )


def _cuda(result: tuple[Any, ...]) -> Any:
    """The value of a CUDA call, which gives its error code first; VisionError if that says it failed."""
    code, *values = result
    if int(code) != 0:
        raise VisionError(f"CUDA: {cudart.cudaGetErrorName(code)[1]}")
    return values[0] if values else None
