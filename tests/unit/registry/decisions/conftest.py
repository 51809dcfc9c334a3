from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_vault import TOKEN, FakeVault, fake_vault
from tests.support.local_signer import LocalSigner
from tests.support.registered import SignedModel
from tests.support.verdict import Verdict
from workloads import retry
from workloads.mlflow_client import Tracking
from workloads.registry.decisions import arguments
from workloads.registry.decisions import history as histories
from workloads.registry.decisions.ledger import Ledger
from workloads.release.folder import Folder


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again without waiting."""
    monkeypatch.setattr(histories, "_SECONDS", 0)


@pytest.fixture
def signer() -> LocalSigner:
    return LocalSigner()


@pytest.fixture
def model(tracking: Tracking, signer: LocalSigner, tmp_path: Path) -> SignedModel:
    """A model with two signed versions."""
    model = SignedModel(tracking=tracking, signer=signer, folder=tmp_path / "models")
    model.add()
    model.add()
    return model


@pytest.fixture
def ledger(model: SignedModel, tmp_path: Path) -> Ledger:
    return Ledger(
        model=model.name,
        tracking=model.tracking,
        store=Folder(root=tmp_path / "releases"),
        signer=model.signer,
        trusted=[model.signer.public_key()],
        by="ada",
    )


@pytest.fixture
def accepts() -> Verdict:
    return Verdict()


@pytest.fixture
def records(ledger: Ledger, tmp_path: Path) -> Path:
    """The folder of the records."""
    return tmp_path / "releases" / ledger.chain.folder


@pytest.fixture
def vault(model: SignedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVault]:
    """A Vault with the key that signed the model, in the environment variables of the commands."""
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    with fake_vault() as server:
        server.signer = model.signer
        monkeypatch.setenv("VAULT_ADDR", server.address)
        monkeypatch.setenv("VAULT_TOKEN", TOKEN)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", model.tracking.uri)
        monkeypatch.setenv("AEGIS_RELEASES_BUCKET", f"file:{tmp_path}/releases")
        monkeypatch.setenv("GITHUB_ACTOR", "octocat")
        yield server


@pytest.fixture
def verdict(monkeypatch: pytest.MonkeyPatch) -> Verdict:
    """The policy of every file."""
    verdict = Verdict()
    monkeypatch.setattr(arguments, "judge", lambda *_: verdict)
    return verdict
