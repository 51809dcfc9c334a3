from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from contracts import Env
from tests.support.local_signer import LocalSigner
from tests.support.signed_version import Signed, signed_version
from workloads import cli, retry
from workloads.serving.delivery.__main__ import main as deliver
from workloads.serving.server.check import main as check


class Delivery:
    """A signed version, the folder that it is delivered to, and the keys that are trusted."""

    def __init__(self, signed: Signed, folder: Path, keys: Path) -> None:
        self.signed = signed
        self.folder = folder
        self.model = folder / "model"
        self._keys = keys
        self.trust(signed.signer)

    def trust(self, *signers: LocalSigner) -> None:
        """Trust the newest key of each signer, and no other."""
        rings = [signer.key_ring() for signer in signers]
        self._keys.write_bytes(b"".join(ring.versions[ring.latest].pem for ring in rings))

    def run(self, *options: str, version: str = "") -> int:
        number = version or self.signed.number
        return _exit(deliver, self.signed.name, number, "--to", str(self.folder), *options)

    def check(self, *options: str) -> int:
        return _exit(check, str(self.model), *options)

    def files(self) -> dict[str, bytes]:
        """Return what is in place, without what is hidden."""
        paths = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        named = {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}
        return {name: content for name, content in named.items() if not name.startswith(".")}


def _exit(main: Callable[[Sequence[str] | None], int], *argv: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.run(main, list(argv))
    return int(stop.value.code or 0)


@pytest.fixture
def delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Delivery:
    """A signed version that isn't delivered yet."""
    monkeypatch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
    monkeypatch.setattr("workloads.backup.interruption.clean_up_when_told_to_stop", lambda: None)
    signed = signed_version(tmp_path)
    monkeypatch.setenv(Env.TRACKING_URI, signed.client.tracking_uri)
    monkeypatch.setenv(Env.TRUSTED_KEYS, str(tmp_path / "keys.pem"))
    return Delivery(signed, tmp_path / "served", tmp_path / "keys.pem")
