"""The smaller forms of an ONNX model: fp16 and int8.

int8 is static: the ranges of the activations are measured once on calibration samples. Dynamic quantization would
measure them at each call, and onnxruntime has no fast convolution for that (ConvInteger; 30 times slower than fp32 on
the trainer's network). Activations are uint8 and weights int8 per channel, because signed activations are slow on
x86-64 and one scale for all channels costs accuracy. Weights use 7 bits, as 8 overflow on processors without VNNI:
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.conversion.network import quiet
from workloads.conversion.request import Precision

_BATCH: Final = 32


def reduce(precision: Precision, fp32: Path, path: Path, input_name: str, calibration: np.ndarray) -> None:
    """Write the fp16 or int8 form of the ONNX file `fp32` to `path`.

    Raises:
        WorkloadError: onnxruntime can't convert the model.
    """
    try:
        with quiet():
            if precision == "fp16":
                _to_fp16(fp32, path)
            else:
                _to_int8(fp32, path, input_name, calibration)
    # onnxruntime's tools raise errors of any class, with several lines.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WorkloadError(f"The model can't be converted to {precision}: {reason}", Exit.USAGE) from error


def _to_fp16(fp32: Path, path: Path) -> None:
    # Inputs and outputs stay fp32, so that clients need no change.
    onnx.save_model(convert_float_to_float16(onnx.load(str(fp32)), keep_io_types=True), str(path))


def _to_int8(fp32: Path, path: Path, input_name: str, calibration: np.ndarray) -> None:
    prepared = path.with_suffix(".prepared.onnx")
    # The symbolic inference fails on the shapes that PyTorch writes; ONNX's own suffices.
    quant_pre_process(str(fp32), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(path),
        _Calibration(input_name, calibration),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
    )
    prepared.unlink()


class _Calibration(CalibrationDataReader):
    """Feeds the calibration samples in batches."""

    def __init__(self, input_name: str, samples: np.ndarray) -> None:
        self._batches = iter(
            [{input_name: samples[start : start + _BATCH]} for start in range(0, len(samples), _BATCH)]
        )

    def get_next(self) -> dict[str, Any] | None:  # pyright: ignore[reportIncompatibleMethodOverride] - None ends it
        """Return the next batch, or None at the end."""
        return next(self._batches, None)
