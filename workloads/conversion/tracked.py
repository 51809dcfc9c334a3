"""Conversions in MLflow: logged once per source and options, and registered with tags that lead back to the source.

A conversion is a run beside the run that trained. The run that trained stays as it finished: its last model is still
the one that was trained, which is what a release and the next conversion take.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelStatus, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME
from mlflow.utils.time import get_current_time_millis

from workloads import services
from workloads.conversion import model_files, report
from workloads.conversion.names import SOURCE_SHA256_TAG
from workloads.conversion.report import REPORT_FILE, Figures, Report
from workloads.conversion.request import Precision
from workloads.mlflow_client import Tracking
from workloads.release.model import RunModel

DEFAULT_EXPERIMENT: Final = "aegis-conversion"

# Tags of a run and of a version.
KEY: Final = "aegis.conversion.key"
SOURCE_RUN: Final = "aegis.source.run"
SOURCE_MODEL: Final = "aegis.source.model"
SOURCE_VERSION: Final = "aegis.source.version"
PRECISION: Final = "aegis.onnx.precision"
OPSET: Final = "aegis.onnx.opset"
SAMPLES: Final = "aegis.onnx.samples"
MAX_DIFFERENCE: Final = "aegis.onnx.max_difference"
AGREEMENT: Final = "aegis.onnx.agreement"

_ATTEMPTS: Final = services.PATIENT_ATTEMPTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Logged:
    """A conversion in MLflow: its run and its models by precision."""

    run_id: str
    models: Mapping[Precision, RunModel]


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversions:
    """The conversions in one experiment."""

    tracking: Tracking
    experiment_id: str

    def find(self, key: str) -> Iterator[tuple[Logged, Report]]:
        """Return the complete conversions of `key` and their reports, the last one first."""
        runs = self.tracking.ask(
            lambda: self.tracking.client.search_runs(
                [self.experiment_id], f"tags.`{KEY}` = '{key}' and attributes.status = 'FINISHED'"
            ),
            _ATTEMPTS,
        )
        for run in runs:
            if found := self._complete(run):
                yield found

    def log(self, conversion: Report, folders: Mapping[Precision, Path]) -> Logged:
        """Log the models in `folders` and the report as a new run.

        Raises:
            WorkloadError: MLflow or the artifact store is dead; the run is marked as failed.
        """
        client = self.tracking.client
        run = self.tracking.ask(lambda: client.create_run(self.experiment_id, tags=_run_tags(conversion)), _ATTEMPTS)
        run_id = run.info.run_id
        try:
            self._log_figures(run_id, conversion)
            models: dict[Precision, RunModel] = {
                precision: self._log_model(run_id, precision, folders[precision]) for precision in folders
            }
            self.tracking.store(
                lambda: client.log_text(run_id, conversion.to_json(), REPORT_FILE), run.info.artifact_uri or ""
            )
        except BaseException:
            self.tracking.ask(lambda: client.set_terminated(run_id, "FAILED"))
            raise
        self.tracking.ask(lambda: client.set_terminated(run_id), _ATTEMPTS)
        return Logged(run_id=run_id, models=models)

    def _log_figures(self, run_id: str, conversion: Report) -> None:
        now = get_current_time_millis()
        metrics = [
            Metric(f"onnx/{precision}/{name}", value, now, 0)
            for precision, figures in conversion.models.items()
            for name, value in _metrics(figures).items()
        ]
        params = [Param("opset", str(conversion.opset)), Param("samples", str(conversion.samples["name"]))]
        self.tracking.ask(lambda: self.tracking.client.log_batch(run_id, metrics, params), _ATTEMPTS)
        if model_id := conversion.source.model_id:
            self.tracking.ask(lambda: self._log_input(run_id, model_id), _ATTEMPTS)

    def _log_input(self, run_id: str, model_id: str) -> None:
        try:
            self.tracking.client.log_inputs(run_id, models=[LoggedModelInput(model_id)])
        # A model directory may come from another tracking server.
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise

    def _log_model(self, run_id: str, precision: Precision, folder: Path) -> RunModel:
        client = self.tracking.client
        name = f"onnx-{precision}"
        model = self.tracking.ask(
            lambda: client.create_logged_model(self.experiment_id, name=name, source_run_id=run_id, model_type="onnx"),
            _ATTEMPTS,
        )
        model_files.identify(folder, run_id, model.model_id)
        self.tracking.store(lambda: client.log_model_artifacts(model.model_id, str(folder)), model.artifact_location)
        self.tracking.ask(lambda: client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)]), _ATTEMPTS)
        self.tracking.ask(lambda: client.finalize_logged_model(model.model_id, LoggedModelStatus.READY), _ATTEMPTS)
        return _run_model(run_id, model.model_id, model.artifact_location)

    def _complete(self, run: Run) -> tuple[Logged, Report] | None:
        """Return the conversion of a finished run if its report and its models are still there."""
        run_id = run.info.run_id
        models: dict[Precision, RunModel] = {}
        try:
            logged = self.tracking.ask(
                lambda: self.tracking.client.search_logged_models([self.experiment_id], f"source_run_id = '{run_id}'"),
                _ATTEMPTS,
            )
            with tempfile.TemporaryDirectory(prefix="onnx-report-") as folder:
                path = self.tracking.store(
                    lambda: self.tracking.client.download_artifacts(run_id, REPORT_FILE, folder),
                    run.info.artifact_uri or "",
                )
                found = report.parse(Path(path).read_text(encoding="utf-8"))
        except ValueError:
            return None
        for precision in found.models:
            for model in logged:
                if model.name == f"onnx-{precision}" and model.status == LoggedModelStatus.READY:
                    models[precision] = _run_model(run_id, model.model_id, model.artifact_location)
        return (Logged(run_id=run_id, models=models), found) if models.keys() == found.models.keys() else None


def conversions(tracking: Tracking, experiment: str | None, source_run: str | None) -> Conversions:
    """Return the conversions in `experiment`, else in that of the source's run, else in `aegis-conversion`."""
    if experiment is None and source_run is not None:
        experiment_id = tracking.ask(lambda: _experiment_of(tracking, source_run), _ATTEMPTS)
        if experiment_id is not None:
            return Conversions(tracking=tracking, experiment_id=experiment_id)
    name = experiment or DEFAULT_EXPERIMENT
    return Conversions(
        tracking=tracking, experiment_id=tracking.ask(lambda: _find_or_create(tracking, name), _ATTEMPTS)
    )


def version_tags(conversion: Report, precision: Precision) -> dict[str, str]:
    """Return the tags of a version: its source, and the figures of its comparison with PyTorch."""
    comparison = conversion.models[precision].comparison
    return {
        **_source_tags(conversion),
        PRECISION: precision,
        OPSET: str(conversion.opset),
        SAMPLES: f"{comparison.samples} of {conversion.samples['name']}",
        MAX_DIFFERENCE: f"{comparison.max_difference:.6g}",
        **({} if comparison.agreement is None else {AGREEMENT: f"{comparison.agreement:.6g}"}),
    }


def _run_tags(conversion: Report) -> dict[str, str]:
    parent = conversion.source.run_id
    return {
        MLFLOW_RUN_NAME: "convert-to-onnx",
        **({MLFLOW_PARENT_RUN_ID: parent} if parent else {}),
        **_source_tags(conversion),
    }


def _source_tags(conversion: Report) -> dict[str, str]:
    source = conversion.source
    tags = {
        SOURCE_RUN: source.run_id,
        SOURCE_MODEL: source.model_id,
        SOURCE_VERSION: source.version,
        SOURCE_SHA256_TAG: source.content_sha256,
        KEY: conversion.key,
    }
    return {name: value for name, value in tags.items() if value}


def _metrics(figures: Figures) -> dict[str, float]:
    comparison = figures.comparison
    # Never a name by which runs are compared, such as val/accuracy: a conversion must not become the best run.
    metrics = {
        "max_difference": comparison.max_difference,
        "max_relative_difference": comparison.max_relative_difference,
        "agreement": comparison.agreement,
        "accuracy": comparison.accuracy,
        "size_bytes": figures.size_bytes,
        **{f"latency_ms/batch_{size}": value for size, value in figures.latency_ms.items()},
    }
    return {name: float(value) for name, value in metrics.items() if value is not None}


def _run_model(run_id: str, model_id: str, location: str) -> RunModel:
    return RunModel(run_id=run_id, source=f"models:/{model_id}", location=location, model_id=model_id)


def _experiment_of(tracking: Tracking, run_id: str) -> str | None:
    try:
        return tracking.client.get_run(run_id).info.experiment_id
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _find_or_create(tracking: Tracking, name: str) -> str:
    if found := tracking.client.get_experiment_by_name(name):
        return found.experiment_id
    try:
        return tracking.client.create_experiment(name)
    except MlflowException as error:
        found = tracking.client.get_experiment_by_name(name)
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
            raise
        return found.experiment_id
