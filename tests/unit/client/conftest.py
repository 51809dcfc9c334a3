import tempfile
from pathlib import Path

import pytest

from tests.support.signed_version import Signed, signed_version


@pytest.fixture
def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Signed:
    """A signed version with the alias `champion`; temporary files are made in `scratch`."""
    monkeypatch.delenv("AEGIS_TRUSTED_KEYS", raising=False)
    version = signed_version(tmp_path)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    return version


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """The folder in which temporary files are made."""
    return tmp_path / "scratch"
