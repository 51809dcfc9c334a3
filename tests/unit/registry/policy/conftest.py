"""Signed versions of models that answer from a table: sample i, whose input is i, gets the i-th answer."""

import base64
import hashlib
import itertools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from mlflow.entities.model_registry import ModelVersion
from numpy.typing import ArrayLike

from aegis import evidence
from aegis.manifest import Manifest, PackedFile, SigningKey
from tests.support.local_signer import LocalSigner
from tests.support.tracking_store import Experiment
from workloads import retry
from workloads.mlflow_client import Tracking
from workloads.registry import policy
from workloads.registry.policy import Policy, Report

Register = Callable[..., ModelVersion]
LOADER = "aegis_test_table"
SAMPLES = 200
_names = itertools.count(1)


class Table:
    """A model that returns the answers of its file."""

    def __init__(self, path: str) -> None:
        self.answers = np.load(path, allow_pickle=False)

    def predict(self, inputs: Any, params: object = None) -> np.ndarray:
        places = np.asarray(inputs).reshape(len(inputs), -1)[:, 0].astype(int)
        return self.answers[places[places < len(self.answers)]]


@pytest.fixture(autouse=True)
def _loader(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType(LOADER)
    module._load_pyfunc = Table  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, LOADER, module)
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)


@pytest.fixture
def signer() -> LocalSigner:
    return LocalSigner()


@pytest.fixture
def register(tracking: Tracking, experiment: Experiment, signer: LocalSigner, tmp_path: Path) -> Register:
    """Register a signed version that gives `answers`, by default as a new model."""

    def make(
        answers: ArrayLike,
        *,
        metrics: Mapping[str, float] | None = None,
        name: str | None = None,
        source: Mapping[str, Any] | None = None,
        by: LocalSigner | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        folder = tmp_path / f"model-{next(_names)}"
        folder.mkdir()
        np.save(folder / "answers.npy", np.asarray(answers))
        flavor = {"loader_module": LOADER, "data": "answers.npy", "python_version": "3.11"}
        (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {"python_function": flavor}}))
        name = name or f"model-{next(_names)}"
        run_id = experiment.run(metrics or {})
        model_id = experiment.log_model(run_id, folder)
        signed = sign(folder, name, {"run_id": run_id, **(source or {})}, by or signer)
        client = tracking.client
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        version = client.create_model_version(
            name, source=f"models:/{model_id}", run_id=run_id, model_id=model_id, tags={**signed, **(tags or {})}
        )
        return client.get_model_version(name, str(version.version))

    return make


def sign(folder: Path, name: str, source: Mapping[str, Any], signer: LocalSigner) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    manifest = Manifest(
        model=name,
        archive_sha256="0" * 64,
        archive_size=1,
        files=tuple(
            PackedFile(
                path=path.relative_to(folder).as_posix(),
                size=path.stat().st_size,
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for path in files
        ),
        source=source,
        key=SigningKey(mount="transit", name=signer.key, version=1, fingerprint=signer.public_key().fingerprint),
    ).to_bytes()
    [signature] = signer.sign([hashlib.sha256(manifest).digest()], 1)
    return evidence.to_tags(manifest, base64.b64encode(signature).decode())


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Policy]:
    """Load a policy of the given rules; sample i of the evaluation set has the label i % 10 and the group i % 2."""
    number = np.arange(SAMPLES)
    np.savez(tmp_path / "set.npz", x=number[:, None].astype(np.float32), y=number % 10, group=number % 2)

    def make(rules: Mapping[str, Any], **evaluation: Any) -> Policy:
        path = tmp_path / "policy.yaml"
        content: dict[str, Any] = {"version": 1, "name": "test", "rules": dict(rules)}
        if set(rules) & {"comparison", "slices", "latency"}:
            content["evaluation"] = {"data": "set.npz", "batch_size": 64, "resamples": 2000, **evaluation}
        path.write_text(yaml.safe_dump(content))
        return policy.load(path)

    return make


@pytest.fixture
def judged(tracking: Tracking, signer: LocalSigner) -> Callable[..., Report]:
    """Judge with the signer's key."""

    def make(
        rules: Policy,
        candidate: ModelVersion,
        champion: ModelVersion | None = None,
        **others: Any,
    ) -> Report:
        return policy.judge(rules, tracking, candidate, champion, keys=[signer.public_key()], **others)

    return make
