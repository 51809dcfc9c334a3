"""What a report is about: the answers of pods, saved answers, or a file of inputs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
import requests
from pydantic import ValidationError

from contracts import Exit
from workloads import cli, messages
from workloads.cli import WorkloadError
from workloads.serving.watching.baseline import Baseline
from workloads.serving.watching.summary import Summary

WATCH_PATH: Final = "/watch"

# Seconds until a pod must have connected and answered.
_TIMEOUT: Final = (5, 15)
# In bytes: the largest baseline and its counts, several times.
_LARGEST: Final = 32 << 20
# Keys under which the body of a prediction request has its inputs.
_BODY_KEYS: Final = ("inputs", "instances", "dataframe_records")


def summaries(sources: Sequence[str]) -> list[Summary]:
    """Return the summary of each source: the address of a model server, or a file with its answer.

    Raises:
        WorkloadError: One doesn't answer, can't be read (`Exit.USAGE`), or isn't a summary.
    """
    return [_summary(source) for source in sources]


def of_inputs(paths: Sequence[Path], baseline_file: Path) -> Summary:
    """Return the summary of all samples in files, CSV or JSON as in the body of a request, against a baseline.

    Raises:
        WorkloadError: A file can't be read, or is of another form (`Exit.USAGE`).
    """
    baseline = _baseline(baseline_file)
    rows, counts = 0, [[0] * len(feature.counts) for feature in baseline.features]
    for path in paths:
        more, found = baseline.count(_inputs(path))
        rows += more
        counts = [
            [sum(pair) for pair in zip(total, part.tolist(), strict=True)]
            for total, part in zip(counts, found, strict=True)
        ]
    return Summary(
        instances=tuple(map(str, paths)),
        privacy="figures",
        seconds=1.0,
        rows=rows,
        baseline=baseline,
        counts=tuple(map(tuple, counts)),
    )


def _summary(source: str) -> Summary:
    content = _fetch(source) if source.startswith(("http://", "https://")) else _read(Path(source))
    try:
        return Summary.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise WorkloadError(
            f"{source} is not what a model server answers to {WATCH_PATH}: {place} {first['msg']}.", Exit.USAGE
        ) from error


def _fetch(address: str) -> bytes:
    url = address if address.endswith(WATCH_PATH) else f"{address.rstrip('/')}{WATCH_PATH}"
    try:
        with requests.get(url, timeout=_TIMEOUT, stream=True) as answer:
            answer.raise_for_status()
            content = answer.raw.read(_LARGEST + 1, decode_content=True)
    except (requests.RequestException, OSError, ValueError) as error:
        raise WorkloadError(f"{url} doesn't answer: {messages.one_line(str(error))}") from error
    if len(content) > _LARGEST:
        raise WorkloadError(f"{url} answers with more than {_LARGEST >> 20} MiB.")
    return content


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST)
    except OSError as error:
        raise cli.file_error(path, "read", error) from error


def _baseline(path: Path) -> Baseline:
    try:
        return Baseline.read(path)
    except OSError as error:
        raise cli.file_error(path, "read", error) from error
    except ValueError as error:
        raise WorkloadError(f"{path} is not a baseline: {error}.", Exit.USAGE) from error


def _inputs(path: Path) -> Any:  # noqa: ANN401 - whatever a model takes
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path)
        return _of_body(json.loads(path.read_bytes()))
    except OSError as error:
        raise cli.file_error(path, "read", error) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise WorkloadError(f"{path} is not a file of inputs, CSV or JSON: {error}.", Exit.USAGE) from error


def _of_body(body: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(body, dict) and len(body) == 1:
        ((key, value),) = body.items()
        if key in _BODY_KEYS:
            return value
        if key == "dataframe_split" and isinstance(value, dict):
            return pd.DataFrame(value["data"], columns=value.get("columns"))
    return body
