"""Plugins are embedded only if the engine can't find the official ones."""

from pathlib import Path

import pytest

from local import plugins

BIN = Path(plugins.__file__).parent / "bin"


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    (tmp_path / "bin").mkdir()


def program(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pulumi-resource-{name}"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_all_plugins_are_embedded_if_none_is_installed() -> None:
    assert list(plugins.missing()) == ["aws", "kubernetes", "random", "vault"]
    assert "kubernetes 4.28.0" in plugins.explanation()


def test_an_official_plugin_on_path_or_in_pulumis_home_is_used(tmp_path: Path) -> None:
    program(tmp_path / "bin", "random")
    program(tmp_path / "home/plugins/resource-vault-v7.7.0", "vault")
    program(tmp_path / "home/plugins/resource-aws-v7.51.1", "aws")
    program(tmp_path / "home/plugins/resource-kubernetes-v4.27.0", "kubernetes")
    assert list(plugins.missing()) == ["kubernetes"], "another version doesn't count"


def test_an_embedded_plugin_on_path_isnt_official(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", ":".join(str(BIN / name) for name in plugins.EMBEDDED))
    assert list(plugins.missing()) == list(plugins.EMBEDDED)


def test_each_embedded_plugin_is_executable(tmp_path: Path) -> None:
    for name in plugins.install(tmp_path / "home"):
        [path] = (tmp_path / "home/plugins").glob(f"resource-{name}-v*/pulumi-resource-{name}")
        assert path.stat().st_mode & 0o111


def test_embedded_plugins_are_linked_into_pulumis_home_and_stay_embedded(tmp_path: Path) -> None:
    program(tmp_path / "bin", "random")
    home = tmp_path / "home"
    assert plugins.install(home) == ["aws", "kubernetes", "vault"]
    assert plugins.install(home) == ["aws", "kubernetes", "vault"], "our link doesn't count as the official plugin"
    link = home / "plugins/resource-vault-v7.7.0/pulumi-resource-vault"
    assert link.resolve().name == "pulumi-resource-vault"
    assert not (home / "plugins/resource-random-v4.19.1").exists()


def test_a_link_to_another_checkout_isnt_official_and_is_replaced(tmp_path: Path) -> None:
    program(tmp_path / "other/local/plugins/bin/vault", "vault")
    link = tmp_path / "home/plugins/resource-vault-v7.7.0/pulumi-resource-vault"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "other/local/plugins/bin/vault/pulumi-resource-vault")
    assert "vault" in plugins.install(tmp_path / "home")
    assert link.resolve() == BIN / "vault/pulumi-resource-vault"
