from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_kubernetes import FakeKubernetes
from tests.support.local_signer import LocalSigner
from tests.support.reconciled import Platform
from tests.support.registered import SignedModel
from tests.support.tracking_store import database
from workloads.mlflow_client import Tracking


@pytest.fixture(scope="session")
def tracking() -> Tracking:
    return Tracking(database(), create=True)


@pytest.fixture
def model(tracking: Tracking, tmp_path: Path) -> SignedModel:
    """A model with two signed versions, of which the first is the champion."""
    model = SignedModel(tracking=tracking, signer=LocalSigner(), folder=tmp_path / "models")
    model.add()
    model.add()
    model.move("champion", "1")
    return model


@pytest.fixture
def platform(model: SignedModel, tmp_path: Path) -> Iterator[Platform]:
    with Platform.of(model, tmp_path / "releases", FakeKubernetes()) as platform:
        yield platform
