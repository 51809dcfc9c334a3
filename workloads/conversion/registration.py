"""The converted models in MLflow's registry: registered once, and signed by choice."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from aegis.manifest import Manifest
from workloads.conversion import names, tracked
from workloads.conversion.report import Report
from workloads.conversion.request import Precision
from workloads.conversion.tracked import Logged
from workloads.mlflow_client import Tracking
from workloads.release import model as models
from workloads.release.model import RunModel
from workloads.release.publication import Publisher
from workloads.release.store import ReleaseStore
from workloads.signing import registered
from workloads.signing.keys import Signer
from workloads.signing.verification import Demand


@dataclass(frozen=True, kw_only=True, slots=True)
class Signing:
    """The signer and the bucket for signed versions.

    A source that is a model version must be signed by one of the keys `trusted`, by default those of the signer.
    """

    signer: Signer
    store: ReleaseStore
    trusted: Sequence[PublicKey] = ()

    def source_keys(self) -> Sequence[PublicKey]:
        """Return the public keys that may have signed the source."""
        return self.trusted or tuple(self.signer.key_ring().versions.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A registered version; `archive` is the address of its signed archive, if it was signed."""

    name: str
    version: str
    archive: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """Registers the fp32 model of a conversion as a version of `name`, and the others as versions of `name`-PRECISION.

    `scratch` is a directory for temporary files, which is created when it is needed.
    """

    tracking: Tracking
    name: str
    signing: Signing | None
    scratch: Path

    def signed(self, logged: Logged, conversion: Report) -> dict[Precision, str] | None:
        """Return the digests of an earlier conversion's models that will be signed, or None if one must not be.

        Anyone who can write to MLflow can log a run that looks like an earlier conversion, or change its files. So this
        signer must have signed a version of each model, with these figures and these files.

        Raises:
            WorkloadError: A service is dead.
        """
        contents: dict[Precision, str] = {}
        if self.signing is None:
            return contents
        keys = tuple(self.signing.signer.key_ring().versions.values())
        for precision, model in logged.models.items():
            version = models.version_of(self.tracking, model, self._name(precision))
            manifest = self._verified(version, keys) if version else None
            if manifest is None or not _is_same(manifest.source, _described(model, conversion, precision)):
                return None
            contents[precision] = manifest.content_sha256
        return contents

    def register(
        self, logged: Logged, conversion: Report, contents: Mapping[Precision, str]
    ) -> dict[Precision, Version]:
        """Register the models, and sign them as the release does if asked to.

        Only files with the digests `contents` are signed.

        Raises:
            NotVerifiedError: MLflow has other files.
            WorkloadError: A service is dead.
        """
        versions: dict[Precision, Version] = {}
        for precision, model in logged.models.items():
            name, tags = self._name(precision), tracked.version_tags(conversion, precision)
            if self.signing is None:
                versions[precision] = Version(name=name, version=models.register(self.tracking, model, name, tags))
                continue
            publisher = Publisher(
                tracking=self.tracking, signer=self.signing.signer, store=self.signing.store, scratch=self.scratch
            )
            source = _described(model, conversion, precision)
            published = publisher.publish(model, name, source, tags, content_sha256=contents[precision])
            versions[precision] = Version(name=name, version=published.version, archive=published.archive)
        return versions

    def _name(self, precision: Precision) -> str:
        return self.name if precision == "fp32" else f"{self.name}-{precision}"

    def _verified(self, version: ModelVersion, keys: Sequence[PublicKey]) -> Manifest | None:
        """Return the manifest of a version that one of `keys` signed and whose bytes are the signed ones, or None."""
        reference = registered.parse(f"models:/{version.name}/{version.version}")
        try:
            return registered.verify(reference, keys, self.tracking, demand=Demand(), deep=True).manifest
        except NotVerifiedError:
            return None


def _described(model: RunModel, conversion: Report, precision: Precision) -> dict[str, Any]:
    """Return the origin of a converted model for its signed manifest."""
    return model.identity | {
        names.CONVERTED_FROM: conversion.source.to_dict(),
        "conversion": conversion.key,
        names.PRECISION: precision,
        "opset": conversion.opset,
        names.PARITY: asdict(conversion.models[precision].comparison),
    }


def _is_same(signed: Mapping[str, Any], described: Mapping[str, Any]) -> bool:
    """Return whether two origins are of the same conversion; its source may have become a version in between."""
    return _without_source(signed) == _without_source(json.loads(json.dumps(described)))


def _without_source(described: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if name != names.CONVERTED_FROM}
