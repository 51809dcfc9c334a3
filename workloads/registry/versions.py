"""The versions of a registered model as rows of a comparison, and the choice of the best one."""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, cast

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from aegis import evidence
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking, or_none
from workloads.registry import values
from workloads.registry.row import Order, Row, moment
from workloads.registry.selection import listed

_PAGE: Final = 500
_AT_A_TIME: Final = 8
_READY: Final = "READY"
_NO_STAGE: Final = {"None", "", None}
# The address of a model that a run logged (MLflow 3).
_LOGGED: Final = "models:/m-"


@dataclass(frozen=True, kw_only=True, slots=True)
class BestVersion:
    """The chosen version of a registered model; `metrics` are its last finite values."""

    model: str
    version: str
    run_id: str
    aliases: tuple[str, ...]
    signed: bool
    metric: str
    value: float
    metrics: dict[str, float]


def select_best_version(tracking: Tracking, model_name: str, metric: str, *, maximize: bool) -> BestVersion:
    """Return the ready version with the highest or lowest `metric`; of equal ones, the newest.

    A metric that is NaN or infinite doesn't count.

    Raises:
        WorkloadError: No version qualifies (`Exit.NO_RUN`), or MLflow doesn't answer (`Exit.MLFLOW`).
    """
    rows = [row for row in read(tracking, model_name, Order(most=sys.maxsize - 1)) if row.details["status"] == _READY]
    best = values.best((row.metrics.get(metric) for row in rows), maximize=maximize)
    if best is None:
        raise WorkloadError(_why_none(rows, model_name, metric), Exit.NO_RUN)
    row = next(row for row in rows if row.metrics.get(metric) == best)
    return BestVersion(
        model=model_name,
        version=str(row.details["version"]),
        run_id=str(row.details["run_id"]),
        aliases=cast("tuple[str, ...]", row.details["aliases"]),
        signed=bool(row.details["signed"]),
        metric=metric,
        value=best,
        metrics={name: value for name, value in sorted(row.metrics.items()) if values.is_finite(value)},
    )


def _why_none(rows: Sequence[Row], model_name: str, metric: str) -> str:
    if not rows:
        return f"The registered model {model_name!r} has no version that is ready."
    if any(metric in row.metrics for row in rows):
        return f"In the registered model {model_name!r} the metric {metric!r} of every version is NaN or infinite."
    found = listed({name for row in rows for name in row.metrics})
    return f"No version of the registered model {model_name!r} has the metric {metric!r}; they have: {found}."


def read(tracking: Tracking, model_name: str, order: Order) -> list[Row]:
    """Return the first `order.most` versions and one more, if there is one; without `order.sort`, the newest.

    Raises:
        WorkloadError: There is no such model (`Exit.NO_RUN`), or MLflow doesn't answer (`Exit.MLFLOW`).
    """
    model = tracking.ask(lambda: _model(tracking, model_name))
    if model is None:
        raise WorkloadError(f"MLflow has no registered model {model_name!r}.", Exit.NO_RUN)
    found = sorted(
        _versions(tracking, f"name = '{model_name}'"), key=lambda version: int(version.version), reverse=True
    )
    if order.sort is None:
        found = found[: order.most + 1]
    return order.sorted(_rows(tracking, found, _aliases(model)))[: order.most + 1]


def versions_of_run(tracking: Tracking, model_name: str, run_id: str) -> list[ModelVersion]:
    """Return the ready versions of a model that come from a run, the newest first.

    Raises:
        WorkloadError: MLflow doesn't answer (`Exit.MLFLOW`).
    """
    found = _versions(tracking, f"name = '{model_name}' AND run_id = '{run_id}'")
    ready = (version for version in found if version.status == _READY)
    return sorted(ready, key=lambda version: int(version.version), reverse=True)


def _rows(tracking: Tracking, found: Sequence[ModelVersion], aliases: Mapping[int, tuple[str, ...]]) -> list[Row]:
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return list(pool.map(lambda version: _row(tracking, version, aliases.get(int(version.version), ())), found))


def _model(tracking: Tracking, name: str) -> RegisteredModel | None:
    return or_none(lambda: tracking.client.get_registered_model(name))


def _aliases(model: RegisteredModel) -> dict[int, tuple[str, ...]]:
    """Return the aliases of each version, which MLflow's search leaves out."""
    aliases: dict[int, tuple[str, ...]] = defaultdict(tuple)
    for alias, version in sorted(model.aliases.items()):
        aliases[int(version)] += (alias,)
    return aliases


def _versions(tracking: Tracking, filter_string: str) -> Iterator[ModelVersion]:
    token: str | None = None
    while True:
        page = tracking.ask(
            lambda token=token: tracking.client.search_model_versions(
                filter_string, max_results=_PAGE, page_token=token
            )
        )
        yield from page
        token = page.token
        if not token:
            return


def _row(tracking: Tracking, version: ModelVersion, aliases: tuple[str, ...]) -> Row:
    run_id = version.run_id or ""
    run = tracking.ask(lambda: _run(tracking, run_id)) if run_id else None
    return Row(
        name=f"version {version.version}",
        run_id=run_id if run else "",
        details={
            "version": str(version.version),
            "aliases": aliases,
            "stage": None if version.current_stage in _NO_STAGE else version.current_stage,
            "signed": evidence.is_signed(version.tags),
            "status": version.status,
            "created": moment(version.creation_timestamp),
            "run_id": run_id,
        },
        metrics=values.all_restored((run.data.metrics if run else {}) | _of_model(tracking, version)),
    )


def _of_model(tracking: Tracking, version: ModelVersion) -> dict[str, float]:
    """Return the metrics of the logged model itself: a run may log several models, such as one per epoch."""
    model_id = version.model_id or _model_id(version.source or "")
    model = tracking.ask(lambda: or_none(lambda: tracking.client.get_logged_model(model_id))) if model_id else None
    return {metric.key: metric.value for metric in (model.metrics or [] if model else [])}


def _model_id(source: str) -> str | None:
    return source.removeprefix("models:/") if source.startswith(_LOGGED) else None


def _run(tracking: Tracking, run_id: str) -> Run | None:
    """Return a run; None if it was removed for good, which doesn't remove the versions from it."""
    return or_none(lambda: tracking.client.get_run(run_id))
