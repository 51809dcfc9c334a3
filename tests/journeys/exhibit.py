"""Log two runs with curves and a text file, for the browser, and print their names."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from mlflow import MlflowClient
from mlflow.entities import Metric

NOTE = "what a person reads in the preview"


def main() -> int:
    client = MlflowClient()
    experiment = client.create_experiment(f"exhibit {time.time_ns()}")
    runs = {}
    for name, slope in (("steep", 3.0), ("flat", 0.5)):
        run = client.create_run(experiment, run_name=name).info.run_id
        now = int(time.time() * 1000)
        points = [Metric("height", slope * step, now + step, step) for step in range(30)]
        client.log_batch(run, metrics=points)
        client.log_param(run, "slope", slope)
        with tempfile.TemporaryDirectory() as folder:
            note = Path(folder) / "note.txt"
            note.write_text(NOTE)
            client.log_artifact(run, str(note))
        client.set_terminated(run)
        runs[name] = run
    names = {"experiment": experiment, "experiment_name": client.get_experiment(experiment).name, "note": NOTE}
    print(json.dumps({**names, **runs}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
