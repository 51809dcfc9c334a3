"""The MLflow run of a training: made once, gone on with after a restart, and never left RUNNING by a clean exit.

Only the leading process has one, and only where there is a tracking server; the others have a `NoTracking`.
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
# How long the end of a training waits for a server that doesn't answer.
_FLUSH_SECONDS: Final = 120.0
# A pod that is told to stop is killed after 30 s: the checkpoint has the metrics that this is too short for.
_HURRIED_FLUSH_SECONDS: Final = 5.0
# MLflow's limit on a data set's digest: https://mlflow.org/docs/latest/api_reference/python_api/mlflow.entities.html
_DIGEST_LENGTH = 36
_START_ATTEMPTS: Final = 5
_RUN_IS_GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_EXISTS = "RESOURCE_ALREADY_EXISTS"


class Figures(Protocol):
    """Where the figures of a training go."""

    @property
    def run_id(self) -> str | None:
        """The MLflow run, if there is one."""

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Take metrics of a step or an epoch; returns at once."""

    def unsent(self) -> list[dict[str, Any]]:
        """Return what is not confirmed, JSON-ready, for a checkpoint."""
        ...

    def send_again(self, metrics: Sequence[dict[str, Any]]) -> None:
        """Take what a checkpoint had kept."""

    def end(self, status: Status) -> None:
        """Send what is left and end the run."""


class NoTracking:
    """Takes figures and forgets them."""

    run_id = None

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Forget the metrics."""

    def unsent(self) -> list[dict[str, Any]]:
        """Return nothing."""
        return []

    def send_again(self, metrics: Sequence[dict[str, Any]]) -> None:
        """Forget the metrics."""

    def end(self, status: Status) -> None:
        """End nothing."""


class MlflowRun:
    """The run of a session's training at the server `uri`.

    Raises:
        WorkloadError: The server or its artifact store does not answer, or refuses.
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
        """Return the server's answer to `action`, tried again while it doesn't answer."""
        return self._server.ask(action, attempts)

    def store(self, action: Callable[[], T], attempts: int = services.PATIENT_ATTEMPTS) -> T:
        """Return what `action` does with artifacts, tried again while their store doesn't answer."""
        return self._server.store(action, self._artifact_uri, attempts)

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Take metrics of a step or an epoch; returns at once."""
        now = int(time.time() * 1000)
        self._metrics.add(*(Metric(key, value, now, step) for key, value in metrics.items()))

    def unsent(self) -> list[dict[str, Any]]:
        """Return what is not confirmed, JSON-ready, for a checkpoint."""
        return [
            {"key": metric.key, "value": metric.value, "timestamp": metric.timestamp, "step": metric.step}
            for metric in self._metrics.unsent()
        ]

    def send_again(self, metrics: Sequence[dict[str, Any]]) -> None:
        """Take what a checkpoint had kept; what arrived after all is not doubled, as it keeps its time."""
        self._metrics.add(*(Metric(**metric) for metric in metrics))

    def end(self, status: Status) -> None:
        """Send what is left and end the run.

        Raises:
            WorkloadError: The server did not take all metrics, or does not answer.
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
            f"{self._server.name} has not taken {len(self._metrics.unsent())} metrics ({reason}), and "
            f"{self._metrics.dropped} were more than could be kept; the same command sends what the checkpoint has."
        )

    def _open(self, args: TrainingArgs) -> Run:
        """Return the run that the output folder names, running again, or a new one that is noted there."""
        run_file = args.out_dir / _RUN_FILE
        known = files.read_json(run_file)
        if known is not None:
            run_id = known.get("run_id")
            if not isinstance(run_id, str):
                raise files.not_ours(run_file, "it names no run")
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
            # Another training made it in the meantime.
            found = self.client.get_experiment_by_name(name) if error.error_code == _EXISTS else None
            if found is None:
                raise
            return found.experiment_id

    def _describe(self, run: Run, session: Session) -> None:
        """Log what never changes; parameters that a resumed run has already stay as they are."""
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
    """End `tracking` as its training ends: finished, killed where it was told to stop, else failed."""
    try:
        yield tracking
    except BaseException as error:
        try:
            tracking.end("KILLED" if isinstance(error, StoppedError) else "FAILED")
        except WorkloadError as failure:
            say(str(failure))
        raise
    tracking.end("FINISHED")
