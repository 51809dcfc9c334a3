"""The embedded Vault's entry point, which initialises Vault once, unseals it at each start, and sets one root token."""

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
    """An in-memory version of the part of Vault's API that the entry point uses."""

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


def test_a_new_vault_is_unsealed_and_has_only_the_chosen_root_token(vault: FakeVault, tmp_path: Path) -> None:
    start(vault, tmp_path, "chosen")
    assert not vault.sealed
    assert list(vault.roots) == ["chosen"]
    assert entry.Volume(tmp_path).knows("chosen", {})


def test_a_changed_plugin_of_the_image_is_registered_again(
    vault: FakeVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    monkeypatch.setattr(entry, "PLUGINS", plugins)
    (plugins / "kubernetes").write_bytes(b"version 1")
    start(vault, tmp_path, "chosen")
    assert entry.Volume(tmp_path).knows("chosen", entry.installed_plugins())
    (plugins / "kubernetes").write_bytes(b"version 2")
    assert not entry.Volume(tmp_path).knows("chosen", entry.installed_plugins())
    vault.restart()
    start(vault, tmp_path, "chosen")
    assert vault.plugins == {"kubernetes": hashlib.sha256(b"version 2").hexdigest()}


def test_only_the_owner_can_read_the_unseal_key_and_no_token_is_stored(vault: FakeVault, tmp_path: Path) -> None:
    start(vault, tmp_path, "chosen")
    (state,) = tmp_path.glob("*.json")
    assert state.stat().st_mode & 0o777 == 0o600
    assert "chosen" not in state.read_text()


def test_a_restarted_vault_is_unsealed_with_the_stored_key(vault: FakeVault, tmp_path: Path) -> None:
    start(vault, tmp_path, "chosen")
    vault.restart()
    start(vault, tmp_path, "chosen")
    assert not vault.sealed
    assert list(vault.roots) == ["chosen"]


def test_a_new_root_token_replaces_the_old_one(vault: FakeVault, tmp_path: Path) -> None:
    start(vault, tmp_path, "first")
    vault.restart()
    start(vault, tmp_path, "second")
    assert list(vault.roots) == ["second"]


def test_a_start_that_was_interrupted_before_creating_the_token_is_completed(vault: FakeVault, tmp_path: Path) -> None:
    start(vault, tmp_path, "chosen")
    vault.roots.clear()
    (tmp_path / "unseal.json").write_text(json.dumps({"key": UNSEAL_KEY}))
    vault.restart()
    start(vault, tmp_path, "chosen")
    assert list(vault.roots) == ["chosen"]


def test_a_storage_whose_key_was_never_saved_is_recreated(tmp_path: Path) -> None:
    volume = entry.Volume(tmp_path)
    volume.prepare()
    volume.begin()
    (volume.storage / "vault.db").write_text("encrypted with a key that nobody knows")
    entry.Volume(tmp_path).prepare()
    assert list(volume.storage.iterdir()) == []


def test_a_storage_whose_key_was_lost_is_kept_and_reported(tmp_path: Path) -> None:
    volume = entry.Volume(tmp_path)
    volume.prepare()
    (volume.storage / "vault.db").write_text("precious")
    with pytest.raises(entry.VaultError, match="its unseal key is gone"):
        entry.Volume(tmp_path).prepare()
    assert (volume.storage / "vault.db").read_text() == "precious"


def test_a_server_that_exits_during_its_start_is_reported_with_its_exit_code(tmp_path: Path) -> None:
    class Unreachable:
        def call(self, *_: object) -> dict[str, Any]:
            raise ConnectionRefusedError

    ended = SimpleNamespace(poll=lambda: 3, returncode=3)
    with pytest.raises(entry.VaultError, match="exit code 3"):
        entry.bring_up(Unreachable(), entry.Volume(tmp_path), "chosen", ended)
