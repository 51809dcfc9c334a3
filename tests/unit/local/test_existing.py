"""Each existing cluster has separate state, is not confused with another cluster, and is never stopped."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import contracts
from infra.settings import ambient
from local import (
    checks,
    clean,
    cluster,
    destroy,
    down,
    env,
    existing,
    images,
    kubeconfig,
    paths,
    program,
    toolchain,
    up,
)
from local.cluster import workloads
from local.errors import LocalError
from local.images import destination, workshop

CONTEXT = "kind-aegis"
REFERENCES = {name: f"localhost:5001/aegis/{name}@sha256:{'1' * 64}" for name in contracts.IMAGES}


class World:
    """A cluster with an id and a default StorageClass; it records the images that are built for it."""

    def __init__(self) -> None:
        self.id = "first"
        self.storage_class = "local-path"
        self.delivered: list[str] = []
        self.running = ""

    def ask(self, context: kubeconfig.Context, *arguments: str) -> str:
        if "storageclasses" in arguments:
            default = {"storageclass.kubernetes.io/is-default-class": "true"}
            classes = [{"name": "slow"}, {"name": self.storage_class, "annotations": default}]
            return json.dumps({"items": [{"metadata": described} for described in classes]})
        return self.running if "--output=name" in arguments else self.id

    def deliver(self, names: Sequence[str], *_: object) -> dict[str, str]:
        self.delivered += names
        return {name: REFERENCES[name] for name in names}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "kubeconfig"
    file.write_text(f"contexts:\n- {{name: {CONTEXT}, context: {{}}}}\n")
    monkeypatch.setenv("KUBECONFIG", str(file))
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AEGIS_CONTEXT", CONTEXT)
    return tmp_path / "home"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    cluster_stub = World()
    monkeypatch.setattr(existing, "_ask", cluster_stub.ask)
    monkeypatch.setattr(existing, "_announce", lambda *_: None)
    monkeypatch.setattr(destination, "choose", lambda *_: None)
    monkeypatch.setattr(workshop, "choose", lambda: None)
    monkeypatch.setattr(images, "deliver", cluster_stub.deliver)
    monkeypatch.setattr(toolchain, "ensure", lambda *_: {})
    return cluster_stub


def test_the_images_of_a_stack_are_delivered_and_listed_in_one_file(world: World) -> None:
    existing.up(CONTEXT)
    assert world.delivered == list(contracts.IMAGES)
    assert env.engine_environment()[contracts.IMAGES_FILE_ENV] == str(paths.images_file())
    assert json.loads(paths.images_file().read_text()) == REFERENCES


def test_images_that_the_user_names_are_not_built(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(REFERENCES))
    monkeypatch.setenv("AEGIS_IMAGES", str(file))
    existing.up(CONTEXT)
    assert world.delivered == []
    assert json.loads(paths.images_file().read_text()) == REFERENCES


def test_the_images_file_that_make_env_exports_does_not_count_as_the_users(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    existing.up(CONTEXT)
    for name, value in env.engine_environment().items():
        monkeypatch.setenv(name, value)
    world.delivered.clear()
    existing.up(CONTEXT)
    assert world.delivered == list(contracts.IMAGES)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "which is not a readable JSON file"),
        ("{", "which is not a readable JSON file"),
        ("[]", "it must be a JSON object"),
        (json.dumps(REFERENCES | {"vault": None}), "which lacks the references of vault"),
    ],
)
def test_an_invalid_images_file_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, reason: str
) -> None:
    file = tmp_path / "mine.json"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("AEGIS_IMAGES", str(file))
    with pytest.raises(LocalError, match=f"AEGIS_IMAGES is {file}.*{reason}"):
        existing.up(CONTEXT)


def test_a_recreated_cluster_is_refused(world: World) -> None:
    existing.up(CONTEXT)
    world.id = "second"
    with pytest.raises(
        LocalError, match=r"kind-aegis leads to another cluster.*`AEGIS_CONTEXT=kind-aegis make clean` deletes"
    ):
        existing.up(CONTEXT)
    assert clean.main([]) == 0
    existing.up(CONTEXT)


def test_a_platform_of_another_home_is_not_taken_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.running = "statefulset.apps/postgres\n"
    with pytest.raises(
        LocalError, match=r"runs statefulset.apps/postgres in the namespace mlflow, which was not created from"
    ):
        existing.up(CONTEXT)
    assert world.delivered == []
    monkeypatch.setattr(program, "is_up", lambda stack: stack == "local")
    existing.up(CONTEXT)


def test_volumes_keep_the_class_that_was_the_default_at_first(world: World) -> None:
    existing.up(CONTEXT)
    world.storage_class = "faster"
    existing.up(CONTEXT)
    filled = ambient.fill_in({}, env.engine_environment(), preview=False)
    assert filled["cluster"]["storageClass"] == "local-path"
    assert filled["cluster"]["context"] == CONTEXT


def test_a_storage_class_in_the_stack_file_wins(world: World) -> None:
    existing.up(CONTEXT)
    filled = ambient.fill_in({"cluster": {"storageClass": "mine"}}, env.engine_environment(), preview=False)
    assert filled["cluster"]["storageClass"] == "mine"


def test_the_embedded_cluster_ignores_a_storage_class_left_in_the_shell() -> None:
    filled = ambient.fill_in({}, {"AEGIS_STORAGE_CLASS": "local-path", "KUBECONFIG": "/k"}, preview=False)
    assert filled["cluster"] == {"kubeconfig": "/k"}


@pytest.mark.parametrize("context", ["kind-aegis", "arn:aws:eks:us-west-2:1:cluster/prod", "..", "."])
def test_each_cluster_has_a_separate_home_below_the_home(
    home: Path, monkeypatch: pytest.MonkeyPatch, context: str
) -> None:
    monkeypatch.setenv("AEGIS_CONTEXT", context)
    assert paths.home().resolve().parent == home / "contexts"


def test_clean_of_the_embedded_platform_leaves_the_existing_clusters(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    existing.up(CONTEXT)
    recorded = paths.cluster_file()
    monkeypatch.delenv("AEGIS_CONTEXT")
    monkeypatch.setattr(checks, "root", lambda: None)
    monkeypatch.setattr(cluster, "stop", list)
    assert clean.main([]) == 0
    assert recorded.exists()
    assert "did not create it" not in capsys.readouterr().err


def test_down_and_clean_need_no_root_and_stop_no_process(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> Any:
        raise AssertionError

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(cluster, "stop", fail)
    assert down.main([]) == 0
    assert "kind-aegis is yours and stays up" in capsys.readouterr().err
    assert clean.main([]) == 0
    assert not paths.home().exists()


def test_destroy_refuses_a_recreated_cluster(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    existing.up(CONTEXT)
    world.id = "second"
    monkeypatch.setattr(program, "is_up", lambda stack: True)
    monkeypatch.setattr(program, "destroy", lambda *_: pytest.fail("it would delete another cluster's resources"))
    with pytest.raises(LocalError, match="another cluster"):
        destroy.main([])


@pytest.mark.parametrize("command", [up.main, destroy.main, down.main])
def test_a_missing_context_is_refused_before_anything_is_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    monkeypatch.setenv("AEGIS_CONTEXT", "kind-aegsi")
    monkeypatch.setattr(program, "is_up", lambda stack: stack == "local")
    with pytest.raises(LocalError, match=r"AEGIS_CONTEXT must be a context of .* \(kind-aegis\), got 'kind-aegsi'"):
        command([])
    assert not home.exists()


def test_make_env_exports_the_context() -> None:
    exported = env.engine_environment()
    assert exported["AEGIS_CONTEXT"] == CONTEXT
    assert exported["KUBECONFIG"] == os.environ["KUBECONFIG"]


def test_a_user_without_root_has_a_runtime_folder_that_a_reboot_empties(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("AEGIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert paths.runtime().is_relative_to(tmp_path / "cache" / "run" / paths.boot())
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert paths.runtime() == Path("/run/user/1000/aegis/cluster")


@pytest.mark.parametrize(("context", "figures", "asked"), [("k", 1, False), ("k", 0, True), (None, 1, True)])
def test_autoscalers_are_waited_for_only_if_the_cluster_serves_metrics(
    monkeypatch: pytest.MonkeyPatch, context: str | None, figures: int, asked: bool
) -> None:
    listed: list[str] = []

    def kubectl(env: object, context: object, *arguments: str) -> subprocess.CompletedProcess[str]:
        if arguments[1].startswith("--raw"):
            return subprocess.CompletedProcess([], figures, "", "")
        listed.append(arguments[1])
        return subprocess.CompletedProcess([], 0, '{"items": []}', "")

    monkeypatch.setattr(workloads, "_kubectl", kubectl)
    workloads.look({}, context)
    assert [("horizontalpodautoscalers" in kinds) for kinds in listed] == [asked]
