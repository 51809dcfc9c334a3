"""The MLflow run of a training: created once, continued after a restart, and never left RUNNING by a clean exit.

Only the leading process has one, and only with a tracking server; the others have a `NoTracking`.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, Protocol, TypeVar

from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME

from contracts import Env, Exit
from workloads import services
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.training import files
from workloads.training.args import COMMAND, TrainingArgs
from workloads.training.metric_log import MetricLog
from workloads.training.progress import say
from workloads.training.session import Session
from workloads.training.stopping import StoppedError

T = TypeVar("T")
Status = Literal["FINISHED", "FAILED", "KILLED"]

_RUN_FILE = "run.json"
_CONFIG_FILE = "config.json"
# How long a finished training waits for a tracking server that doesn't answer.
_FLUSH_SECONDS: Final = 120.0
# A stopping pod is killed after 30 s. Metrics that aren't sent in this time are in the checkpoint.
_HURRIED_FLUSH_SECONDS: Final = 5.0
# MLflow's limit on a data set's digest: https://mlflow.org/docs/latest/api_reference/python_api/mlflow.entities.html
_DIGEST_LENGTH = 36
_START_ATTEMPTS: Final = 5
_RUN_IS_GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_EXISTS = "RESOURCE_ALREADY_EXISTS"


class Figures(Protocol):
    """The destination of a training's metrics."""

    @property
    def run_id(self) -> str | None:
        """The ID of the MLflow run, if there is one."""

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Log metrics of a step or an epoch; returns at once."""

    def unsent(self) -> list[dict[str, Any]]:
        """Return the unconfirmed metrics for a checkpoint, as JSON-ready values."""
        ...

    def send_again(self, metrics: Sequence[dict[str, Any]]) -> None:
        """Log the unconfirmed metrics of a checkpoint."""

    def end(self, status: Status) -> None:
        """Send the remaining metrics and end the run."""


class NoTracking:
    """Discards all metrics."""

    run_id = None

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Discard the metrics."""

    def unsent(self) -> list[dict[str, Any]]:
        """Return an empty list."""
        return []

    def send_again(self, metrics: Sequence[dict[str, Any]]) -> None:
        """Discard the metrics."""

    def end(self, status: Status) -> None:
        """Do nothing."""


class MlflowRun:
    """The run of a session's training on the tracking server at `uri`.

    Raises:
        WorkloadError: The tracking server or its artifact store does not answer, or refuses.
    """

    def __init__(self, *, uri: str, session: Session) -> None:
        self._server = Tracking(uri, Env.TRACKING_URI if session.args.tracking_uri is None else "--tracking-uri")
        self.client = self._server.client
        run = self.ask(lambda: self._open(session.args), attempts=_START_ATTEMPTS)
        self.run_id: str = run.info.run_id
        self.experiment_id: str = run.info.experiment_id
        self._artifact_uri = str(run.info.artifact_uri)
        self._describe(run, session)
        self._metrics = MetricLog(self._send)

    def ask(self, action: Callable[[], T], attempts: int = services.PATIENT_ATTEMPTS) -> T:
        """Return the result of `action`, retried while the tracking server doesn't answer."""
        return self._server.ask(action, attempts)

    def store(self, action: Callable[[], T], attempts: int = services.PATIENT_ATTEMPTS) -> T:
        """Return the result of `action` on artifacts, retried while the artifact store doesn't answer."""
        return self._server.store(action, self._artifact_uri, attempts)

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Log metrics of a step or an epoch; returns at once."""
        now = int(time.time() * 1000)
        self._metrics.add(*(Metric(key, value, now, step) for key, value in metrics.items()))

    def unsent(self) -> list[dict[str, Any]]:
        """Return the unconfirmed metrics for a checkpoint, as JSON-ready values."""
        return [
            {"key": metric.key, "value": metric.value, "timestamp": metric.timestamp, "step": metric.step}
            for metric in self._metrics.unsent()
        ]

    def send_again(self, metrics: Sequence[dict[str, Any]]) -> None:
        """Log the unconfirmed metrics of a checkpoint; with the same timestamps, MLflow doesn't duplicate any."""
        self._metrics.add(*(Metric(**metric) for metric in metrics))

    def end(self, status: Status) -> None:
        """Send the remaining metrics and end the run.

        Raises:
            WorkloadError: The tracking server did not accept all metrics, or does not answer.
        """
        finished = status == "FINISHED"
        complete = self._metrics.flush(_FLUSH_SECONDS if finished else _HURRIED_FLUSH_SECONDS)
        self._metrics.close()
        if not complete or self._metrics.dropped:
            raise WorkloadError(self._loss(), Exit.MLFLOW)
        self.ask(
            lambda: self.client.set_terminated(self.run_id, status),
            attempts=services.PATIENT_ATTEMPTS if finished else 1,
        )

    def _loss(self) -> str:
        reason = self._metrics.refusal or "no answer in time"
        return (
            f"{self._server.name} did not accept {len(self._metrics.unsent())} metrics ({reason}), and "
            f"{self._metrics.dropped} exceeded the buffer; the same command sends those in the checkpoint again."
        )

    def _open(self, args: TrainingArgs) -> Run:
        """Reopen the run that the output folder names, or create a run and record it there."""
        run_file = args.out_dir / _RUN_FILE
        recorded = files.read_json(run_file)
        if recorded is not None:
            run_id = recorded.get("run_id")
            if not isinstance(run_id, str):
                raise files.damaged(run_file, "it has no run_id")
            try:
                self.client.update_run(run_id, status="RUNNING")
                return self.client.get_run(run_id)
            except MlflowException as error:
                if error.error_code not in _RUN_IS_GONE:
                    raise
        run = self.client.create_run(self._experiment(args.experiment_name), run_name=args.run_name)
        files.write_json(run_file, {"run_id": run.info.run_id})
        return run

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return found.experiment_id
        try:
            return self.client.create_experiment(name)
        except MlflowException as error:
            # Another training created it in the meantime.
            found = self.client.get_experiment_by_name(name) if error.error_code == _EXISTS else None
            if found is None:
                raise
            return found.experiment_id

    def _describe(self, run: Run, session: Session) -> None:
        """Log the constant facts; the parameters that a resumed run has already stay unchanged."""
        run_id, data = run.info.run_id, session.data
        params = [Param(key, str(value)) for key, value in session.parameters().items() if key not in run.data.params]
        tags = [RunTag(MLFLOW_SOURCE_NAME, COMMAND)]
        if session.git_commit:
            tags.append(RunTag(MLFLOW_GIT_COMMIT, session.git_commit))
        dataset = Dataset(
            name=data.name, digest=data.digest[:_DIGEST_LENGTH], source_type="code", source=f"--dataset {data.name}"
        )
        self.ask(lambda: self.client.log_batch(run_id, params=params, tags=tags), attempts=_START_ATTEMPTS)
        self.ask(lambda: self.client.log_inputs(run_id, [DatasetInput(dataset)]), attempts=_START_ATTEMPTS)
        self.store(lambda: self.client.log_dict(run_id, session.config(), _CONFIG_FILE), attempts=_START_ATTEMPTS)

    def _send(self, metrics: Sequence[Metric]) -> None:
        self._server.once(lambda: self.client.log_batch(self.run_id, metrics=metrics))


@contextlib.contextmanager
def tracked(tracking: Figures) -> Iterator[Figures]:
    """End `tracking` with the training's status: FINISHED, KILLED after a request to stop, else FAILED."""
    try:
        yield tracking
    except BaseException as error:
        try:
            tracking.end("KILLED" if isinstance(error, StoppedError) else "FAILED")
        except WorkloadError as failure:
            say(str(failure))
        raise
    tracking.end("FINISHED")
