"""Installation of packages, with a stand-in for apt that records its arguments and the policy for services."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local.errors import LocalError
from local.toolchain import debian
from tests.unit.toolchain.support import write_program

APT = """#!/bin/sh
echo "$@ policy=$([ -x {policy} ] && echo present || echo absent)" >>{calls}
[ "$1" = update ] || {then}
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Create a machine where the user is root. The returned function adds an apt-get and returns its call log."""
    policy, calls, programs = tmp_path / "policy-rc.d", tmp_path / "calls", tmp_path / "programs"
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(debian, "POLICY", policy)

    def make(then: str) -> Path:
        write_program(programs / "apt-get", APT.format(policy=policy, calls=calls, then=then))
        return calls

    return make


def test_packages_are_installed_without_recommendations_and_without_removing_any(apt: Callable[[str], Path]) -> None:
    calls = apt("true")
    debian.install(["ipset", "iptables"])
    _, installed = calls.read_text().splitlines()
    assert "install --yes --no-install-recommends --no-remove" in installed
    assert "ipset iptables" in installed


def test_no_service_can_start_while_packages_are_installed(apt: Callable[[str], Path]) -> None:
    calls = apt("true")
    debian.install(["containerd"])
    assert calls.read_text().splitlines()[-1].endswith("policy=present")
    assert not debian.POLICY.exists()


def test_a_failed_installation_says_why_and_lets_services_start_again(apt: Callable[[str], Path]) -> None:
    apt("{ echo 'E: Unable to locate package conntrac'; exit 100; }")
    with pytest.raises(LocalError, match="couldn't install conntrac: Unable to locate package conntrac"):
        debian.install(["conntrac"])
    assert not debian.POLICY.exists()


def test_the_machines_own_policy_is_kept(apt: Callable[[str], Path]) -> None:
    apt("true")
    write_program(debian.POLICY, "#!/bin/sh\nexit 0\n")
    debian.install(["ipset"])
    assert debian.POLICY.read_text() == "#!/bin/sh\nexit 0\n"


def test_leftovers_of_a_killed_installation_are_removed_by_the_next(apt: Callable[[str], Path]) -> None:
    apt("true")
    write_program(debian.POLICY, debian.POLICY_TEXT)
    debian.install(["ipset"])
    assert not debian.POLICY.exists()


def test_apt_isnt_called_without_packages(apt: Callable[[str], Path]) -> None:
    calls = apt("true")
    debian.install([])
    assert not calls.exists()


def test_without_root_the_error_gives_the_command_to_run(
    apt: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    apt("true")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LocalError, match="only root can install them: sudo apt-get install ipset"):
        debian.install(["ipset"])


def test_on_another_system_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match="no apt-get: install its equivalents of Debian's ipset"):
        debian.install(["ipset"])


def test_a_program_of_another_package_counts_as_present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    buildah = debian.Package(name="buildah", provides="aegis-no-such-program", purpose="builds")
    monkeypatch.setattr(debian, "PACKAGES", (buildah,))
    assert debian.missing_packages() == ["buildah"]
    write_program(tmp_path / "aegis-no-such-program", "#!/bin/sh\n")
    assert debian.missing_packages() == []


def test_a_package_for_tests_is_only_missing_for_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    database = debian.Package(name="database", provides="/nonexistent/initdb", purpose="stores", tests_only=True)
    monkeypatch.setattr(debian, "PACKAGES", (database,))
    assert debian.missing_packages() == []
    assert debian.missing_packages(tests=True) == ["database"]
