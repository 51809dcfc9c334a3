import shutil
import subprocess
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from fcntl import LOCK_EX, flock
from threading import Event

import pytest

from local import progress, toolchain
from local.errors import LocalError
from local.toolchain import golang
from tests.unit.toolchain.support import Machine

Usage = namedtuple("Usage", "total used free")


def test_a_missing_tool_is_built_and_runs(machine: Machine) -> None:
    file = toolchain.ensure("vault")["vault"]
    assert subprocess.run([file], capture_output=True, text=True, check=True).stdout == "built\n"
    assert toolchain.missing("vault") == []


def test_an_existing_tool_isnt_built_again(machine: Machine) -> None:
    toolchain.ensure("vault")
    toolchain.ensure("vault")
    assert len(machine.calls("build")) == 1


def test_tools_of_one_module_with_the_same_flags_are_built_in_one_call(machine: Machine) -> None:
    toolchain.ensure("kubelet", "kube-proxy")
    (call,) = machine.calls("build")
    assert "k8s.io/kubernetes/cmd/kubelet k8s.io/kubernetes/cmd/kube-proxy" in call


def test_only_the_requested_tools_are_built(machine: Machine) -> None:
    toolchain.ensure("kubelet")
    assert toolchain.missing("kubelet", "kube-proxy") == ["kube-proxy"]


def test_a_tool_reports_the_version_that_its_module_pins(machine: Machine) -> None:
    toolchain.ensure("kubelet", "etcd")
    kubernetes, etcd = machine.calls("build")
    assert "-X k8s.io/component-base/version.gitVersion=v1.34.3" in kubernetes
    assert "-X k8s.io/component-base/version.gitMinor=34" in kubernetes
    assert "-X" not in etcd


def test_an_executable_with_another_name_in_go_gets_the_tools_name(machine: Machine) -> None:
    assert toolchain.ensure("etcd")["etcd"].name == "etcd"


def test_a_script_is_taken_from_the_pinned_sources_as_an_executable(machine: Machine) -> None:
    file = toolchain.ensure("pulumi-language-python-exec")["pulumi-language-python-exec"]
    assert file.read_text() == "#!/usr/bin/env python\n"
    assert file.stat().st_mode & 0o111
    assert machine.calls("build") == []


def test_a_changed_recipe_builds_the_tool_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    toolchain.ensure("vault")
    monkeypatch.setattr(golang, "_FLAGS", ("-another",))
    assert toolchain.missing("vault") == ["vault"]
    toolchain.ensure("vault")
    assert len(machine.calls("build")) == 2


def test_a_tool_without_a_recorded_recipe_counts_as_missing(machine: Machine) -> None:
    toolchain.ensure("vault")
    (machine.cache / "bin/.recipes/vault").unlink()
    assert toolchain.missing("vault") == ["vault"]


def test_a_complete_build_leaves_no_sources(machine: Machine) -> None:
    toolchain.ensure("vault")
    assert sorted(entry.name for entry in machine.cache.iterdir()) == ["bin", "toolchain.lock"]


def test_an_interrupted_removal_of_sources_is_finished_by_the_next_command(machine: Machine) -> None:
    toolchain.ensure("vault")
    (machine.cache / "go.leaving/mod/half").mkdir(parents=True)
    toolchain.ensure("vault")
    assert not (machine.cache / "go.leaving").exists()
    assert len(machine.calls("build")) == 1


def test_sources_are_kept_on_request(machine: Machine) -> None:
    toolchain.ensure("vault", keep_sources=True)
    assert (machine.cache / "go/mod/downloaded").is_dir()


def test_a_failed_build_names_its_log_keeps_the_sources_and_installs_nothing(machine: Machine) -> None:
    machine.say("broken", "main.go:3:1: syntax error")
    with pytest.raises(LocalError, match="go ended with exit code 1") as failure:
        toolchain.ensure("vault")
    assert failure.value.log is not None
    assert "syntax error" in failure.value.log.read_text()
    assert (machine.cache / "go/mod/downloaded").is_dir()
    assert not (machine.cache / "bin").exists()


def test_a_failure_keeps_the_tools_that_were_built_before(machine: Machine) -> None:
    toolchain.ensure("versitygw")
    machine.say("broken", "main.go:3:1: syntax error")
    with pytest.raises(LocalError):
        toolchain.ensure("versitygw", "vault")
    assert toolchain.missing("versitygw", "vault") == ["vault"]


@pytest.mark.parametrize(
    "message",
    [
        'go: example.org/lib@v1.2.3: Get "https://proxy.example.org/lib": dial tcp: lookup proxy: no such host',
        'main.go:5:2: example.org/lib@v1.2.3: Get "https://proxy.example.org/lib": dial tcp: no such host',
    ],
)
def test_without_network_the_tool_and_the_go_module_are_named(machine: Machine, message: str) -> None:
    machine.say("offline", message)
    with pytest.raises(LocalError, match=r"sources of vault can't be downloaded: example.org/lib@v1.2.3: no such host"):
        toolchain.ensure("vault")


@pytest.fixture
def no_newer_go(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golang, "STANDARD_FOLDER", "/nonexistent")
    monkeypatch.setattr(golang, "PACKAGE", str(machine.cache / "no-such-package.whl"))


@pytest.mark.usefixtures("no_newer_go")
def test_without_go_or_its_package_the_error_says_which_version_to_install(machine: Machine) -> None:
    (machine.programs / "go").unlink()
    with pytest.raises(
        LocalError, match=r"Go 1\.25\.1 or newer isn't installed, and .* can't be installed: install it"
    ):
        toolchain.ensure("vault")


@pytest.mark.usefixtures("no_newer_go")
def test_a_go_that_is_too_old_is_not_used(machine: Machine) -> None:
    machine.say("version", "go1.19.8")
    with pytest.raises(LocalError, match=r"Go 1\.25\.1 or newer isn't installed, and .* can't be installed"):
        toolchain.ensure("vault")
    assert machine.calls("build") == []


def test_a_full_disk_is_refused_with_the_free_and_the_required_space(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 1024**3))
    with pytest.raises(LocalError, match=r"1.0 GiB free, but building vault needs \d"):
        toolchain.ensure("vault")
    assert machine.calls("build") == []


def test_two_builds_at_once_build_a_tool_once(machine: Machine) -> None:
    machine.say("slow")
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(toolchain.ensure, "vault") for _ in range(2)]
    assert {done.result()["vault"] for done in both} == {machine.cache / "bin/vault"}
    assert len(machine.calls("build")) == 1


def test_a_build_waits_for_another_process_and_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    reported = Event()
    monkeypatch.setattr(progress, "say", lambda text: (messages.append(text), reported.set()))
    machine.cache.mkdir()
    with ThreadPoolExecutor(1) as thread:
        with (machine.cache / "toolchain.lock").open("w") as held:
            flock(held, LOCK_EX)
            waiting = thread.submit(toolchain.ensure, "vault")
            assert reported.wait(timeout=30)
            assert messages == ["Waiting for another process that builds tools ..."]
            assert machine.calls("build") == []
        assert waiting.result(timeout=30)
