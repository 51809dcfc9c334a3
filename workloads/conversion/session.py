"""An ONNX file loaded into onnxruntime, on the CPU."""

from pathlib import Path

import numpy as np
import onnxruntime

from contracts import Exit
from workloads.cli import WorkloadError

_ERRORS_ONLY = 3


class Session:
    """Runs an ONNX file on one thread, on which its time can be compared with PyTorch's.

    Raises:
        WorkloadError: onnxruntime can't load the file.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        # onnxruntime's errors have no common class below Exception.
        except Exception as error:
            raise _failure("load", error) from error
        self._input = self._session.get_inputs()[0].name

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the outputs of `inputs`.

        Raises:
            WorkloadError: onnxruntime fails.
        """
        try:
            outputs = self._session.run(None, {self._input: inputs})
        except Exception as error:
            raise _failure("run", error) from error
        return np.asarray(outputs[0])


def _failure(verb: str, error: Exception) -> WorkloadError:
    reason = str(error).strip().splitlines()
    return WorkloadError(
        f"onnxruntime can't {verb} the converted model: {reason[0] if reason else error!r}", Exit.USAGE
    )
