"""An existing cluster gets its images from its loader or from the registry that the user sets."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from local import kubeconfig as user
from local.errors import LocalError
from local.images import destination, names
from local.images.engine import DOCKER, PODMAN, Engine
from tests.unit.images.conftest import Programs, PutKubeconfig

IMAGE = "localhost/aegis/s3:0123456789abcdef"
DIGEST = f"sha256:{'1' * 64}"


def nothing() -> Collection[str]:
    return ()


def choose(context: str) -> destination.Destination:
    return destination.choose(user.find(context), nothing)


class Answers(BaseHTTPRequestHandler):
    """A registry that has one image."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.end_headers()

    def do_HEAD(self) -> None:
        found = self.path == "/v2/team/s3/manifests/0123456789abcdef"
        self.send_response(200 if found else 404)
        if found:
            self.send_header("Docker-Content-Digest", DIGEST)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


@pytest.fixture
def registry() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_unknown_context_is_refused_with_the_known_ones(kubeconfig: PutKubeconfig) -> None:
    file = kubeconfig("kind-aegis", "prod")
    with pytest.raises(LocalError) as refused:
        user.find("kind-aegsi")
    assert str(refused.value) == (f"AEGIS_CONTEXT must be a context of {file} (kind-aegis, prod), got 'kind-aegsi'.")


def test_a_missing_kubeconfig_is_reported_with_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(LocalError, match=rf"must be a context of {tmp_path}/.kube/config \(none\), got 'kind-aegis'"):
        user.find("kind-aegis")


def test_a_context_is_found_in_any_of_several_files(kubeconfig: PutKubeconfig, tmp_path: Path) -> None:
    first = kubeconfig("one")
    second = tmp_path / "second"
    second.write_text(first.read_text().replace("one", "two"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'absent'}:{second}")
        assert user.find("two").file == second


def test_a_kubeconfig_that_isnt_yaml_is_refused_without_quoting_it(kubeconfig: PutKubeconfig) -> None:
    kubeconfig("one").write_text("token: {secret")
    with pytest.raises(LocalError, match="is not valid YAML") as refused:
        user.find("one")
    assert "secret" not in str(refused.value)


@dataclass(frozen=True, kw_only=True)
class Load:
    """The argument with which a program lists its clusters, and its expected calls."""

    program: str
    context: str
    listing: str
    from_docker: str
    from_file: str


LOADS = (
    Load(
        program="kind",
        context="kind-aegis",
        listing="get",
        from_docker="load docker-image {image} --name aegis",
        from_file="load image-archive {file} --name aegis",
    ),
    Load(
        program="k3d",
        context="k3d-aegis",
        listing="cluster",
        from_docker="image import {image} --cluster aegis",
        from_file="image import {file} --cluster aegis",
    ),
    Load(
        program="minikube",
        context="minikube",
        listing="profile",
        from_docker="image load {image} --profile minikube",
        from_file="image load {file} --profile minikube",
    ),
)


@pytest.fixture(params=LOADS, ids=lambda load: load.program)
def load(request: pytest.FixtureRequest, programs: Programs, kubeconfig: PutKubeconfig) -> Load:
    kubeconfig("other", request.param.context)
    programs.put(request.param.program, **{request.param.listing: "echo aegis 1/1"})
    programs.put("docker")
    programs.put("podman")
    return request.param


def test_an_image_in_docker_is_loaded_onto_the_nodes(load: Load, programs: Programs, tmp_path: Path) -> None:
    assert choose(load.context).deliver(DOCKER, IMAGE, tmp_path / "log") == IMAGE
    assert programs.calls(load.program)[-1] == load.from_docker.format(image=IMAGE)


def test_an_image_in_podman_is_loaded_onto_the_nodes_from_a_file(
    load: Load, programs: Programs, tmp_path: Path
) -> None:
    assert choose(load.context).deliver(PODMAN, IMAGE, tmp_path / "log") == IMAGE
    *_, file, image = programs.calls("podman")[-1].split()
    assert image == IMAGE
    assert programs.calls(load.program)[-1] == load.from_file.format(file=file)
    assert not Path(file).parent.exists(), "the file must be deleted after loading"


def test_a_minikube_profile_with_another_name_is_recognised(programs: Programs, kubeconfig: PutKubeconfig) -> None:
    extension = "{name: context_info, extension: {provider: minikube.sigs.k8s.io}}"
    kubeconfig(extra=f"- name: work\n  context: {{cluster: work, extensions: [{extension}]}}\n")
    programs.put("minikube")
    assert choose("work").described() == "the nodes of the minikube cluster work"


def test_a_missing_loader_is_named(programs: Programs, kubeconfig: PutKubeconfig) -> None:
    kubeconfig("kind-aegis")
    with pytest.raises(LocalError, match=r"kind-aegis belongs to kind, which isn't on PATH.*or set AEGIS_REGISTRY"):
        choose("kind-aegis")


def test_a_cluster_that_the_loader_doesnt_know_is_refused_with_the_known_ones(
    programs: Programs, kubeconfig: PutKubeconfig
) -> None:
    kubeconfig("kind-aegis")
    programs.put("kind", get="printf 'one\\ntwo\\n'")
    with pytest.raises(LocalError, match=r"kind doesn't know: its clusters are one, two"):
        choose("kind-aegis")


def test_a_cluster_without_a_loader_needs_a_registry(kubeconfig: PutKubeconfig, programs: Programs) -> None:
    kubeconfig("arn:aws:eks:us-west-2:1:cluster/prod")
    with pytest.raises(LocalError, match=r"doesn't belong to kind, k3d or minikube.*set AEGIS_REGISTRY.*host\[:port\]"):
        choose("arn:aws:eks:us-west-2:1:cluster/prod")


def test_a_registry_setting_also_applies_to_a_kind_cluster(
    kubeconfig: PutKubeconfig, programs: Programs, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig("kind-aegis")
    monkeypatch.setenv("AEGIS_REGISTRY", f"{registry}/team/")
    assert choose("kind-aegis").described() == f"the registry {registry}/team"


def test_a_registry_that_doesnt_answer_is_refused_before_anything_is_built(
    kubeconfig: PutKubeconfig, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig("prod")
    monkeypatch.setenv("AEGIS_REGISTRY", "localhost:1")
    with pytest.raises(LocalError, match=r"AEGIS_REGISTRY is localhost:1/aegis, which does not answer: .*refused"):
        choose("prod")


def test_an_image_in_the_registry_is_found_by_its_digest(registry: str) -> None:
    team_registry = destination.Registry(address=f"{registry}/team")
    assert team_registry.found(IMAGE) == f"{registry}/team/s3@{DIGEST}"
    assert team_registry.found("localhost/aegis/s3:another") is None


def test_a_pushed_image_is_named_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[tuple[str, bool]] = []

    def push(self: Engine, reference: str, target: str, *, plain_http: bool, log: Path) -> str:
        pushed.append((target, plain_http))
        return DIGEST

    monkeypatch.setattr(Engine, "push", push)
    for address in ("localhost:5001/aegis", "registry.example/team"):
        name = destination.Registry(address=address).deliver(DOCKER, IMAGE, tmp_path)
        assert name == f"{address}/s3@{DIGEST}"
    assert pushed == [
        ("localhost:5001/aegis/s3:0123456789abcdef", True),
        ("registry.example/team/s3:0123456789abcdef", False),
    ]


@pytest.mark.parametrize(
    ("setting", "address"),
    [
        ("localhost:5001", "localhost:5001/aegis"),
        ("localhost:5001/team/ml", "localhost:5001/team/ml"),
        ("ghcr.io/acme", "ghcr.io/acme"),
        ("registry:5000", "registry:5000/aegis"),
        ("[::1]:5000/a", "[::1]:5000/a"),
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com/aegis/", "123456789012.dkr.ecr.us-west-2.amazonaws.com/aegis"),
    ],
)
def test_a_registry_is_a_host_and_a_path(setting: str, address: str) -> None:
    assert names.registry("AEGIS_REGISTRY", setting) == address


@pytest.mark.parametrize(
    "setting",
    ["http://localhost:5001", "acme", "acme/aegis", "ghcr.io/Acme", "localhost:99999", "localhost:0", "a b.c", ":5"],
)
def test_an_invalid_registry_is_refused_with_the_valid_form(setting: str) -> None:
    with pytest.raises(LocalError) as refused:
        names.registry("AEGIS_REGISTRY", setting)
    message = str(refused.value)
    assert message.startswith("AEGIS_REGISTRY must be host[:port][/path]")
    assert message.endswith(f"got {setting!r}.")


def test_a_password_in_a_registry_is_refused_and_not_repeated() -> None:
    with pytest.raises(LocalError, match="AEGIS_REGISTRY contains an @") as refused:
        names.registry("AEGIS_REGISTRY", "https://user:hunter2@ghcr.io/acme")
    assert "hunter2" not in str(refused.value)


def test_an_image_counts_as_loaded_if_every_node_has_it(programs: Programs, tmp_path: Path) -> None:
    def node(*images: str) -> dict[str, object]:
        return {"status": {"images": [{"names": [image, f"{image}@{DIGEST}"]} for image in images]}}

    def answer(*nodes: dict[str, object]) -> None:
        (tmp_path / "nodes").write_text(json.dumps({"items": nodes}))

    programs.put("kubectl", get=f"cat {tmp_path / 'nodes'}")
    answer(node(IMAGE, "other"), node(IMAGE))
    assert IMAGE in destination.images_on_nodes(["kubectl"])
    assert "other" not in destination.images_on_nodes(["kubectl"])
    answer({"status": {"images": [{"names": None}]}})
    assert destination.images_on_nodes(["kubectl"]) == set()
    programs.put("kubectl", get="exit 1")
    assert destination.images_on_nodes(["kubectl"]) == set()
