import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_vault import TOKEN, FakeVault, fake_vault
from tests.support.local_signer import LocalSigner
from workloads import retry
from workloads.signing import packing
from workloads.signing.layout import Layout


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A model with text, weights that don't compress, an empty file and a file in a folder."""
    directory = tmp_path / "net"
    (directory / "data").mkdir(parents=True)
    (directory / "MLmodel").write_text("run_id: 0123abc\nmodel_id: m-1\n")
    (directory / "config.json").write_text('{"layers": 18}\n' * 2000)
    (directory / "data" / "weights.bin").write_bytes(os.urandom(300_000))
    (directory / "empty").touch()
    return directory


@pytest.fixture
def out(tmp_path: Path) -> Path:
    directory = tmp_path / "out"
    directory.mkdir()
    return directory / "model.tar.gz"


@pytest.fixture
def signer() -> LocalSigner:
    return LocalSigner()


@pytest.fixture
def signed(model_dir: Path, out: Path, signer: LocalSigner) -> Layout:
    packing.package_and_sign(model_dir, out, {"run_id": "0123abc"}, signer)
    return Layout(out)


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVault]:
    """A fake Vault in the environment variables; retries don't wait."""
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    with fake_vault() as server:
        monkeypatch.setenv("VAULT_ADDR", server.address)
        monkeypatch.setenv("VAULT_TOKEN", TOKEN)
        yield server
