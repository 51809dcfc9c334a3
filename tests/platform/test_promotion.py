"""200 promotions and rollbacks at once on the platform: its tracking server, its Vault and its S3 server."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts import Env
from local import paths
from tests.support.decisions import decide_at_once
from tests.support.local_signer import LocalSigner
from tests.support.registered import SignedModel
from workloads.mlflow_client import Tracking
from workloads.registry.decisions.history import history
from workloads.registry.decisions.ledger import Ledger
from workloads.release.bucket import Bucket
from workloads.signing import transit

DECISIONS = 200
AT_A_TIME = 16


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of `make env`; the stack must be up."""
    command = [sys.executable, "-m", "local.env", "--json"]
    result = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=True, timeout=60)
    for name, value in json.loads(result.stdout).items():
        monkeypatch.setenv(name, value)


@dataclass(frozen=True)
class World:
    """A model with three signed versions, and its decisions."""

    model: SignedModel
    ledger: Ledger


@pytest.fixture
def world(platform: None, tmp_path: Path) -> Iterator[World]:
    """Make the model; it and its records are removed at the end."""
    signer = transit.from_environment()
    tracking = Tracking(os.environ[Env.TRACKING_URI])
    bucket = Bucket.connect(os.environ[Env.RELEASES_BUCKET])
    name = f"promotion-test-{uuid.uuid4().hex}"
    model = SignedModel(tracking=tracking, signer=LocalSigner(), folder=tmp_path, name=name)
    trusted = tuple(signer.key_ring().versions.values())
    ledger = Ledger(model=name, tracking=tracking, store=bucket, signer=signer, trusted=trusted, by="test")
    try:
        for _ in range(3):
            model.add(signer=signer)
        yield World(model, ledger)
    finally:
        for record in list(bucket.names(ledger.chain.folder)):
            bucket.client.delete_object(Bucket=bucket.bucket, Key=f"{ledger.chain.folder}/{record}")
        tracking.client.delete_registered_model(name)
        experiment = tracking.client.get_experiment_by_name(name)
        assert experiment is not None
        tracking.client.delete_experiment(experiment.experiment_id)


def test_of_200_decisions_at_once_each_record_has_one_winner(world: World) -> None:
    ledger = world.ledger
    tally = decide_at_once(ledger, ["1", "2", "3"], decisions=DECISIONS, at_a_time=AT_A_TIME)
    print(f"{tally.moved} moved, {tally.lost} lost, {tally.unchanged} had nothing to do")
    assert tally.unexpected == []
    assert tally.moved + tally.lost + tally.unchanged == DECISIONS
    assert sorted(tally.records) == list(range(1, tally.moved + 1))
    found = history(ledger.tracking, ledger.store, ledger.model, ledger.trusted)
    assert found.problems == []
    assert len(found.records) == tally.moved > 0
    assert world.model.alias("champion") == found.records[-1].decision.to_version
