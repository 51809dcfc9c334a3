"""An existing cluster: a user with a kubeconfig and without root brings images to it through a registry."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from local import images, paths, toolchain
from local.cluster import node
from local.images import buildah
from local.toolchain import debian
from tests.platform.kubectl import Kubectl, eventually
from tests.support.guest import Guest, guest
from tests.support.registry_server import registry_server

CONTEXT = "elsewhere"
# The tools that `python -m local.images s3` and `make status` need; building them isn't tested here.
TOOLS = ("kubectl", "versitygw", "pulumi", "pulumi-language-python", "pulumi-language-python-exec")


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """Run a registry on this machine, which is also the cluster's only node."""
    with registry_server() as address:
        yield address
        _forget_images(f"{address}/")


def _forget_images(prefix: str) -> None:
    """Delete the images that the node has pulled: the kubelet never does on this machine."""
    listed = subprocess.run([*node.ctr(), "images", "ls", "--quiet"], capture_output=True, text=True, check=True)
    if pulled := [name for name in listed.stdout.split() if name.startswith(prefix)]:
        subprocess.run([*node.ctr(), "images", "rm", *pulled], capture_output=True, check=True)


@pytest.fixture(scope="module")
def user(registry: str, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A user with the cluster's kubeconfig, the tools, and the registry with a Debian image to build on."""
    debian.install(debian.missing_packages(tests=True))
    base = f"{registry}/library/debian:bookworm-slim"
    log = tmp_path_factory.mktemp("base") / "log"
    buildah.push(images.ensure(["debian"])["debian"], base, plain_http=True, log=log)
    kubeconfig = json.loads(paths.kubeconfig().read_text())
    kubeconfig["contexts"][0]["name"] = kubeconfig["current-context"] = CONTEXT
    own = log.with_name("kubeconfig")
    own.write_text(json.dumps(kubeconfig))
    with guest() as somebody:
        for name, tool in toolchain.ensure(*TOOLS).items():
            somebody.give(tool, f".cache/aegis/bin/{name}")
            record = tool.parent / ".recipes" / name
            if record.exists():
                somebody.give(record, f".cache/aegis/bin/.recipes/{name}")
        somebody.give(paths.cache() / "uv-tool" / "bin" / "uv", ".cache/aegis/uv-tool/bin/uv")
        somebody.give(own, ".kube/config")
        somebody.environment.update(
            AEGIS_CONTEXT=CONTEXT, AEGIS_REGISTRY=registry, AEGIS_BASE_IMAGE=base, PYTHONDONTWRITEBYTECODE="1"
        )
        yield somebody


def test_an_image_that_a_user_without_root_built_and_pushed_runs_on_the_cluster(
    user: Guest, kubectl: Kubectl, registry: str
) -> None:
    brought = user.run("-m", "local.images", "--json", "s3")
    assert brought.returncode == 0, brought.stderr
    image = json.loads(brought.stdout)["s3"]
    assert image.startswith(f"{registry}/aegis/s3@sha256:")
    pod = kubectl.pod("from-registry")
    pod["spec"]["containers"][0] |= {"image": image, "command": ["versitygw", "--version"]}
    kubectl.apply(pod | {"spec": pod["spec"] | {"restartPolicy": "Never"}})
    eventually(lambda: "Succeeded" in kubectl("get", "pod/from-registry", "--output=jsonpath={.status.phase}"))
    assert "Version" in kubectl("logs", "from-registry")

    again = user.run("-m", "local.images", "--json", "s3")
    assert json.loads(again.stdout) == {"s3": image}
    assert "Building" not in again.stderr
    assert "Bringing" not in again.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"AEGIS_CONTEXT": "elsewhree"},
            "AEGIS_CONTEXT must be a context of {home}/.kube/config (elsewhere), got 'elsewhree'.",
        ),
        ({"AEGIS_REGISTRY": ""}, "The context elsewhere doesn't belong to kind, k3d or minikube"),
        ({"AEGIS_REGISTRY": "localhost:1"}, "AEGIS_REGISTRY is localhost:1/aegis, which does not answer"),
        (
            {"PATH": "/nowhere"},
            "No image builder works here: Docker, Podman or buildah is required. docker: not on PATH",
        ),
    ],
)
def test_a_missing_part_is_reported_before_anything_is_built(user: Guest, settings: dict[str, str], told: str) -> None:
    refused = user.run("-m", "local.up", **settings)
    assert refused.returncode == 1
    assert f"error: {told.format(home=user.home)}" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_cluster_that_does_not_answer_is_reported_before_anything_is_built(user: Guest) -> None:
    file = user.home / "unreachable"
    kubeconfig = json.loads((user.home / ".kube" / "config").read_text())
    kubeconfig["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    file.write_text(json.dumps(kubeconfig))
    refused = user.run("-m", "local.up", KUBECONFIG=str(file))
    assert refused.returncode == 1
    assert f"The cluster of the context {CONTEXT} in {file} does not answer: " in refused.stderr
    assert "refused" in refused.stderr


def test_status_shows_the_cluster_s_stack_and_env_points_clients_at_it(user: Guest) -> None:
    seen = user.run("-m", "local.status", "--json")
    names = {part["name"] for part in json.loads(seen.stdout)["parts"]}
    assert {"StatefulSet vault/vault", "StatefulSet mlflow/postgres"} <= names
    exported = json.loads(user.run("-m", "local.env", "--json").stdout)
    assert exported["KUBECONFIG"] == str(user.home / ".kube" / "config")
    assert exported["AEGIS_CONTEXT"] == CONTEXT


def test_down_stops_nothing_of_the_user_s_cluster(user: Guest) -> None:
    stopped = user.run("-m", "local.down")
    assert stopped.returncode == 0, stopped.stderr
    assert "is yours and stays up" in stopped.stderr
