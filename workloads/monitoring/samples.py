"""What the exporter tells: the names of its figures, and samples of them that pass between its processes as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily

HELP: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "aegis_database_connections": ("Sessions of the database server", ()),
    "aegis_vault_unsealed": ("1 if Vault is unsealed", ()),
    "aegis_backup_newest_timestamp_seconds": ("Start of the newest whole backup, in Unix time", ()),
    "aegis_backup_newest_verified_timestamp_seconds": (
        "Start of the newest backup that was read back and checked, in Unix time; 0 if none of the backups was",
        (),
    ),
    "aegis_model_versions": ("Model versions, by whether their tags claim a signature", ("signed",)),
    "aegis_alias_versions": (
        "Aliases of all models, by whether a trusted key signed the evidence of the version",
        ("alias", "signed"),
    ),
    "aegis_registered_models": ("Registered models", ()),
    "aegis_experiments": ("Experiments that aren't deleted", ()),
    "aegis_runs": ("Runs that aren't deleted", ("status",)),
    "aegis_experiment_runs": ("Runs of the experiments with the most runs, and of all others", ("experiment",)),
    "aegis_bucket_bytes": ("Bytes of all versions of the objects", ("bucket",)),
    "aegis_artifact_bytes": ("Bytes of all versions of MLflow's artifacts", ()),
    "aegis_certificate_expiry_timestamp_seconds": ("End of a certificate's validity, in Unix time", ("host",)),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A value of a figure; the labels are those of `HELP`, in order.

    Raises:
        ValueError: The figure isn't known, or has other labels.
    """

    name: str
    value: float
    labels: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.name not in HELP or len(HELP[self.name][1]) != len(self.labels):
            raise ValueError(f"{self.name} isn't a figure with {len(self.labels)} labels.")

    def to_json(self) -> list[Any]:
        """Return it as a JSON value."""
        return [self.name, self.value, list(self.labels)]

    @classmethod
    def from_json(cls, content: list[Any]) -> "Sample":
        """Return the sample of a JSON value."""
        name, value, labels = content
        return cls(name=name, value=value, labels=tuple(labels))


def families(samples: list[Sample]) -> Iterator[GaugeMetricFamily]:
    """Yield the figures of the samples in the form of the Prometheus client."""
    for name, (text, labels) in HELP.items():
        own = [sample for sample in samples if sample.name == name]
        if own:
            family = GaugeMetricFamily(name, text, labels=labels)
            for sample in own:
                family.add_metric(sample.labels, sample.value)
            yield family
