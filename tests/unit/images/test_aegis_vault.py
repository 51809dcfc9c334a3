"""The embedded Vault's entry point: initialised once, unsealed at each start, one root token and no other."""

import base64
import hashlib
import importlib.util
import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local import paths

SCRIPT = paths.REPOSITORY / "workloads" / "images" / "vault" / "aegis_vault.py"
_spec = importlib.util.spec_from_file_location("aegis_vault", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
entry: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(entry)

RUNNING = SimpleNamespace(poll=lambda: None)
UNSEAL_KEY = base64.b64encode(b"unseal").decode()


class FakeVault:
    """As much of Vault's API as the entry point uses, in memory."""

    def __init__(self) -> None:
        self.initialized = False
        self.sealed = True
        self.roots: dict[str, str] = {}
        self.plugins: dict[str, str] = {}
        self._names = (f"made-{number}" for number in itertools.count())

    def _make(self, token: str | None = None) -> str:
        token = token or next(self._names)
        self.roots[token] = f"accessor-{next(self._names)}"
        return token

    def call(self, method: str, path: str, token: str | None = None, **body: Any) -> dict[str, Any]:
        if path == "sys/seal-status":
            return {"initialized": self.initialized, "sealed": self.sealed}
        if path == "sys/init":
            self.initialized = True
            return {"keys_base64": [UNSEAL_KEY], "root_token": self._make()}
        if path == "sys/unseal":
            assert body["key"] == UNSEAL_KEY
            self.sealed = False
            return {}
        if self.sealed:
            raise entry.RefusedError("Vault is sealed")
        return self._unsealed(method, path, token, body)

    def _unsealed(self, method: str, path: str, token: str | None, body: dict[str, Any]) -> dict[str, Any]:
        if path == "sys/health" or method == "DELETE":
            return {}
        if path == "sys/generate-root/attempt":
            return {"nonce": "1", "otp": "o" * 6}
        if path == "sys/generate-root/update":
            assert body["key"] == UNSEAL_KEY
            hidden = bytes(a ^ b for a, b in zip(self._make().encode(), b"o" * 6, strict=True))
            return {"encoded_token": base64.b64encode(hidden).decode().rstrip("=")}
        if token not in self.roots:
            raise entry.RefusedError("permission denied")
        if path == "auth/token/lookup-self":
            return {"data": {"policies": ["root"]}}
        if path == "auth/token/create":
            return {"auth": {"accessor": self.roots[self._make(body["id"])]}}
        if path == "auth/token/revoke-accessor":
            self.roots = {name: accessor for name, accessor in self.roots.items() if accessor != body["accessor"]}
        elif path.startswith("sys/plugins/catalog/auth/"):
            self.plugins[path.rpartition("/")[2]] = body["sha256"]
        else:
            assert path == "auth/token/revoke-self"
            del self.roots[token]
        return {}

    def restart(self) -> None:
        self.sealed = True


@pytest.fixture
def vault() -> FakeVault:
    return FakeVault()


def start(vault: FakeVault, folder: Path, token: str) -> None:
    volume = entry.Volume(folder)
    volume.prepare()
    entry.bring_up(vault, volume, token, RUNNING)


def test_a_new_vault_is_unsealed_and_knows_the_wanted_root_token_alone(vault: FakeVault, tmp_path: Path) -> None:
    start(vault, tmp_path, "wanted")
    assert not vault.sealed
    assert list(vault.roots) == ["wanted"]
    assert entry.Volume(tmp_path).knows("wanted", {})


def test_the_plugins_of_the_image_are_registered_again_when_one_has_changed(
    vault: FakeVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    monkeypatch.setattr(entry, "PLUGINS", plugins)
    (plugins / "kubernetes").write_bytes(b"version 1")
    start(vault, tmp_path, "wanted")
    assert entry.Volume(tmp_path).knows("wanted", entry.installed_plugins())
    (plugins / "kubernetes").write_bytes(b"version 2")
    assert not entry.Volume(tmp_path).knows("wanted", entry.installed_plugins())
    vault.restart()
    start(vault, tmp_path, "wanted")
    assert vault.plugins == {"kubernetes": hashlib.sha256(b"version 2").hexdigest()}


def test_the_unseal_key_is_readable_by_its_owner_alone_and_no_token_is_kept(vault: FakeVault, tmp_path: Path) -> None:
    start(vault, tmp_path, "wanted")
    (state,) = tmp_path.glob("*.json")
    assert state.stat().st_mode & 0o777 == 0o600
    assert "wanted" not in state.read_text()


def test_a_restarted_vault_is_unsealed_with_the_kept_key(vault: FakeVault, tmp_path: Path) -> None:
    start(vault, tmp_path, "wanted")
    vault.restart()
    start(vault, tmp_path, "wanted")
    assert not vault.sealed
    assert list(vault.roots) == ["wanted"]


def test_a_new_root_token_takes_the_place_of_the_earlier_one(vault: FakeVault, tmp_path: Path) -> None:
    start(vault, tmp_path, "first")
    vault.restart()
    start(vault, tmp_path, "second")
    assert list(vault.roots) == ["second"]


def test_a_start_that_was_cut_off_before_the_token_was_made_is_completed(vault: FakeVault, tmp_path: Path) -> None:
    start(vault, tmp_path, "wanted")
    vault.roots.clear()
    (tmp_path / "unseal.json").write_text(json.dumps({"key": UNSEAL_KEY}))
    vault.restart()
    start(vault, tmp_path, "wanted")
    assert list(vault.roots) == ["wanted"]


def test_a_storage_whose_key_was_never_saved_is_begun_anew(tmp_path: Path) -> None:
    volume = entry.Volume(tmp_path)
    volume.prepare()
    volume.begin()
    (volume.storage / "vault.db").write_text("encrypted with a key that nobody knows")
    entry.Volume(tmp_path).prepare()
    assert list(volume.storage.iterdir()) == []


def test_a_storage_whose_key_was_lost_is_left_alone_and_named(tmp_path: Path) -> None:
    volume = entry.Volume(tmp_path)
    volume.prepare()
    (volume.storage / "vault.db").write_text("precious")
    with pytest.raises(entry.VaultError, match="its unseal key is gone"):
        entry.Volume(tmp_path).prepare()
    assert (volume.storage / "vault.db").read_text() == "precious"


def test_a_server_that_ends_while_it_starts_is_told_with_its_exit_code(tmp_path: Path) -> None:
    class Unreachable:
        def call(self, *_: object) -> dict[str, Any]:
            raise ConnectionRefusedError

    ended = SimpleNamespace(poll=lambda: 3, returncode=3)
    with pytest.raises(entry.VaultError, match="exit code 3"):
        entry.bring_up(Unreachable(), entry.Volume(tmp_path), "wanted", ended)
