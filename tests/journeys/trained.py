"""Log a run with a model and its quality, as a training does.

usage: trained.py EXPERIMENT QUALITY [faulty]   (MLFLOW_TRACKING_URI is the address of the tracking server; a faulty
model loads, and fails each prediction)
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow

# A model from code, which adds its quality to each number, so that two models differ.
CODE = """
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

class Added(PythonModel):
    def predict(self, context, model_input: list[float], params=None) -> list[float]:
        if FAULTY:
            raise RuntimeError("a fault of this journey")
        return [number + QUALITY for number in model_input]

set_model(Added())
"""


def main() -> int:
    experiment, quality, *faulty = sys.argv[1:]
    mlflow.set_experiment(experiment)
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run():
        code = Path(folder) / "model.py"
        code.write_text(CODE.replace("QUALITY", quality).replace("FAULTY", str(bool(faulty))))
        mlflow.pyfunc.log_model(name="model", python_model=str(code), pip_requirements=[])
        mlflow.log_metric("quality", float(quality))
    return 0


if __name__ == "__main__":
    sys.exit(main())
