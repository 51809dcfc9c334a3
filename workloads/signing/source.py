"""The origin of a model for its manifest: the MLflow run, its metrics and the git commit."""

import os
from pathlib import Path
from typing import Any, Final

import yaml

from aegis.strict import check_text, load_json
from contracts import Env, Exit
from workloads.cli import WorkloadError
from workloads.signing.inputs import problem, read_any, read_regular

# A run with some 100,000 metrics; an MLmodel file is a few kilobytes.
_LARGEST_BYTES: Final = 8 << 20
# The null values of YAML 1.1 (https://yaml.org/type/null.html).
_NULLS: Final = {"", "~", "null", "Null", "NULL"}


def source_of(model_dir: Path, run_file: Path | None) -> dict[str, Any]:
    """Return the origin of a model: the run in `run_file`, else the one in its `MLmodel`, and the git commit.

    Raises:
        WorkloadError: `run_file` isn't a JSON object that a manifest can hold, or the commit isn't text.
    """
    source = _read_run(run_file) if run_file else _mlmodel(model_dir)
    if (commit := os.environ.get(Env.GIT_COMMIT)) and not source.get("git_commit"):
        try:
            check_text(commit)
        except ValueError as error:
            raise WorkloadError(f"{Env.GIT_COMMIT} must be UTF-8 text: {error}", Exit.USAGE) from error
        source["git_commit"] = commit
    return source


def _read_run(run_file: Path) -> dict[str, Any]:
    try:
        run = load_json(read_any(run_file, _LARGEST_BYTES))
    except OSError as error:
        raise WorkloadError(problem(run_file, error), Exit.USAGE) from error
    except ValueError as error:
        raise WorkloadError(f"{run_file} is not JSON: {error}", Exit.USAGE) from error
    if not isinstance(run, dict):
        raise WorkloadError(f"{run_file} must hold a JSON object, such as select_best_run --json prints.", Exit.USAGE)
    return run


def _mlmodel(model_dir: Path) -> dict[str, Any]:
    try:
        # All scalars stay text: an impossible date isn't an error, and a run ID of digits keeps its leading zeros.
        described = yaml.load(read_regular(model_dir / "MLmodel", _LARGEST_BYTES), Loader=yaml.BaseLoader)  # noqa: S506
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    if not isinstance(described, dict):
        return {}
    return {name: described[name] for name in ("run_id", "model_id") if _is_id(described.get(name))}


def _is_id(value: object) -> bool:
    if not isinstance(value, str) or value in _NULLS:
        return False
    try:
        check_text(value)
    except ValueError:
        return False
    return True
