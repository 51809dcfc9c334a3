"""The report of a conversion: the origin, the samples, and the figures of each converted model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from workloads.conversion.parity import Comparison
from workloads.conversion.request import Limits, Precision, Request
from workloads.conversion.samples import Samples
from workloads.conversion.source import Origin

# In the folder of a conversion, and among the artifacts of its run.
REPORT_FILE: Final = "report.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """The figures of one converted model.

    `sha256` is the digest of its ONNX files, `latency_ms` the median milliseconds of one call by batch size.
    """

    size_bytes: int
    sha256: str
    comparison: Comparison
    limits: Limits
    latency_ms: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A conversion within its limits; `key` identifies the source's files, the samples and the options."""

    key: str
    source: Origin
    opset: int
    samples: Mapping[str, Any]
    pytorch: Mapping[str, Any]
    models: Mapping[Precision, Figures]
    packages: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return asdict(self)

    def to_json(self) -> str:
        """Return the report as JSON of several lines."""
        return json.dumps(self.to_dict(), indent=2) + "\n"


def parse(text: str) -> Report:
    """Read a report that `to_json` wrote.

    Raises:
        ValueError: It isn't one.
    """
    try:
        fields = json.loads(text)
        models = {precision: _figures(figures) for precision, figures in fields.pop("models").items()}
        return Report(**(fields | {"source": Origin(**fields["source"]), "models": models}))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it isn't a report of a conversion: {error}") from error


def key_of(request: Request, origin: Origin, samples: Samples) -> str:
    """Return the SHA-256 in hex by which the same conversion is found again."""
    content = {"source": origin.content_sha256, "samples": samples.digest, **request.options()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _figures(fields: Mapping[str, Any]) -> Figures:
    comparison = dict(fields["comparison"])
    comparison["batch_sizes"] = tuple(comparison["batch_sizes"])
    return Figures(
        size_bytes=fields["size_bytes"],
        sha256=fields["sha256"],
        comparison=Comparison(**comparison),
        limits=Limits(**fields["limits"]),
        latency_ms=fields["latency_ms"],
    )
