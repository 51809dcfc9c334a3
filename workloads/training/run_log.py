"""The MLflow run of a training: created once, continued after a restart, and never left RUNNING by a clean exit.

Only the leading process has one, and only with an address of MLflow; the others have a `NoTracking`.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeVar

from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME

from contracts import Exit
from workloads import logs, services
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.training import files
from workloads.training.metric_log import MetricLog
from workloads.training.progress import say
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


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """The constant facts of a training: where its run is, and what the run says.

    `command` is the trainer's module, `tracking_option` the source of MLflow's address for error messages, and `config`
    everything that is needed to repeat the training, as JSON-ready values. `data_digest` is a SHA-256 in hex, and
    `data_source` says how the command names the data.
    """

    command: str
    tracking_option: str
    out_dir: Path
    experiment_name: str
    run_name: str | None
    parameters: dict[str, Any]
    config: dict[str, Any]
    git_commit: str | None
    data_name: str
    data_digest: str
    data_source: str


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
    """The run of a training in MLflow at `uri`: a tracking server, a database or a folder.

    Raises:
        WorkloadError: The tracking server or its artifact store does not answer, or refuses.
    """

    def __init__(self, *, uri: str, facts: RunFacts) -> None:
        self.tracking = Tracking(uri, facts.tracking_option, create=True)
        self.client = self.tracking.client
        run = self.ask(lambda: self._open(facts), attempts=_START_ATTEMPTS)
        self.run_id: str = run.info.run_id
        logs.about_job(run_id=self.run_id)
        self.experiment_id: str = run.info.experiment_id
        self._artifact_uri = str(run.info.artifact_uri)
        self._describe(run, facts)
        self._metrics = MetricLog(self._send)

    def ask(self, action: Callable[[], T], attempts: int = services.PATIENT_ATTEMPTS) -> T:
        """Return the result of `action`, retried while the tracking server doesn't answer."""
        return self.tracking.ask(action, attempts)

    def store(self, action: Callable[[], T], attempts: int = services.PATIENT_ATTEMPTS) -> T:
        """Return the result of `action` on artifacts, retried while the artifact store doesn't answer."""
        return self.tracking.store(action, self._artifact_uri, attempts)

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
        """Log the unconfirmed metrics of a checkpoint; none is duplicated, as they have the same timestamps."""
        again = [Metric(**metric) for metric in metrics]
        # A server compares the timestamps itself; a folder would keep both.
        if self.tracking.folder is not None:
            logged = self._logged({metric.key for metric in again})
            again = [metric for metric in again if _identity(metric) not in logged]
        self._metrics.add(*again)

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

    def _logged(self, keys: Iterable[str]) -> set[tuple[object, ...]]:
        """Return the identities of the metrics `keys` that MLflow has."""
        return {
            _identity(metric)
            for key in keys
            for metric in self.ask(lambda key=key: self.client.get_metric_history(self.run_id, key))
        }

    def _loss(self) -> str:
        reason = self._metrics.refusal or "no answer in time"
        return (
            f"{self.tracking.name} did not accept {len(self._metrics.unsent())} metrics ({reason}), and "
            f"{self._metrics.dropped} exceeded the buffer; the same command sends those in the checkpoint again."
        )

    def _open(self, facts: RunFacts) -> Run:
        """Reopen the run that the output folder names, or create a run and record it there."""
        run_file = facts.out_dir / _RUN_FILE
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
        run = self.client.create_run(self._experiment(facts.experiment_name), run_name=facts.run_name)
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

    def _describe(self, run: Run, facts: RunFacts) -> None:
        """Log the constant facts; the parameters that a resumed run has already stay unchanged."""
        run_id = run.info.run_id
        params = [Param(key, str(value)) for key, value in facts.parameters.items() if key not in run.data.params]
        tags = [RunTag(MLFLOW_SOURCE_NAME, facts.command)]
        if facts.git_commit:
            tags.append(RunTag(MLFLOW_GIT_COMMIT, facts.git_commit))
        dataset = Dataset(
            name=facts.data_name,
            digest=facts.data_digest[:_DIGEST_LENGTH],
            source_type="code",
            source=facts.data_source,
        )
        self.ask(lambda: self.client.log_batch(run_id, params=params, tags=tags), attempts=_START_ATTEMPTS)
        self.ask(lambda: self.client.log_inputs(run_id, [DatasetInput(dataset)]), attempts=_START_ATTEMPTS)
        self.store(lambda: self.client.log_dict(run_id, facts.config, _CONFIG_FILE), attempts=_START_ATTEMPTS)

    def _send(self, metrics: Sequence[Metric]) -> None:
        self.tracking.once(lambda: self.client.log_batch(self.run_id, metrics=metrics))


def _identity(metric: Metric) -> tuple[object, ...]:
    return metric.key, metric.step, metric.timestamp, metric.value


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
