"""The embedded cluster's features that a stack needs: pods, DNS, Services, volumes, policies, metrics and security."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from local import paths
from local.cluster import pki
from tests.platform.kubectl import Kubectl, eventually

PORT = 8000
SERVER = f"""
import functools, http.server, pathlib
pathlib.Path('/tmp/index.html').write_text('hello')
http.server.test(functools.partial(http.server.SimpleHTTPRequestHandler, directory='/tmp'), port={PORT})
"""
FETCH = "import urllib.request; print(urllib.request.urlopen({url!r}, timeout=3).read().decode())"


@pytest.fixture(scope="module")
def server(kubectl: Kubectl) -> Iterator[str]:
    """Run a web server behind the Service `web` and return the Service's address."""
    tmp = {"volumes": [{"name": "tmp", "emptyDir": {}}], "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}
    service = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": PORT}]}
    kubectl.apply(
        kubectl.pod("web", SERVER, **tmp),
        kubectl.pod("client"),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service},
    )
    kubectl.wait("web")
    kubectl.wait("client")
    yield kubectl.json("get", "service", "web")["spec"]["clusterIP"]
    kubectl("delete", "pod/web", "pod/client", "service/web")


def test_the_machine_reaches_a_service_by_its_address(server: str) -> None:
    fetched = eventually(lambda: _fetch(f"http://{server}/"))
    assert fetched == "hello"


def test_a_pod_reaches_a_service_by_its_name(kubectl: Kubectl, server: str) -> None:
    program = FETCH.format(url=f"http://web.{kubectl.namespace}.svc.cluster.local/")
    assert eventually(lambda: kubectl.python("client", program, check=False)) == "hello"


def test_a_pod_reaches_itself_through_its_service(kubectl: Kubectl, server: str) -> None:
    assert eventually(lambda: kubectl.python("web", FETCH.format(url=f"http://{server}/"), check=False)) == "hello"


def test_a_network_policy_blocks_pods_that_it_does_not_allow(kubectl: Kubectl, server: str) -> None:
    fetch = FETCH.format(url=f"http://{server}/")
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "web"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "web"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"allowed": "yes"}}}]}],
        },
    }
    assert eventually(lambda: kubectl.python("client", fetch, check=False)) == "hello"
    kubectl.apply(policy)
    try:
        eventually(lambda: kubectl.python("client", fetch, check=False) == "")
        assert _fetch(f"http://{server}/") == "hello", "the node, and so its probes, must still get through"
        kubectl("label", "pod", "client", "allowed=yes")
        assert eventually(lambda: kubectl.python("client", fetch, check=False)) == "hello"
    finally:
        kubectl("delete", "networkpolicy", "web")
        kubectl("label", "pod", "client", "allowed-")


def test_a_root_pod_is_refused_by_the_restricted_namespace(kubectl: Kubectl) -> None:
    pod = kubectl.pod("root")
    pod["spec"]["securityContext"]["runAsUser"] = 0
    pod["spec"]["securityContext"]["runAsNonRoot"] = False
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        kubectl.apply(pod)


def test_a_volume_belongs_to_the_group_of_its_pod_and_outlives_it(kubectl: Kubectl) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    uses = {
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    kubectl.apply(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": claim},
        kubectl.pod("writer", **uses),
    )
    kubectl.wait("writer")
    owner = kubectl.python(
        "writer", "import os, pathlib; pathlib.Path('/data/file').write_text('kept'); print(os.stat('/data').st_gid)"
    )
    assert owner == "10001"
    kubectl("delete", "pod", "writer")
    kubectl.apply(kubectl.pod("reader", **uses))
    kubectl.wait("reader")
    assert kubectl.python("reader", "print(open('/data/file').read())") == "kept"
    kubectl("delete", "pod", "reader")
    kubectl("delete", "persistentvolumeclaim", "data")
    eventually(lambda: not list(paths.volumes().glob(f"*_{kubectl.namespace}_data")))


def test_the_autoscaler_gets_real_metrics(kubectl: Kubectl) -> None:
    busy = kubectl.pod("busy", "while True: pass")["spec"]
    busy["containers"][0]["resources"] = {"requests": {"cpu": "50m"}, "limits": {"cpu": "100m"}}
    labels = {"app": "busy"}
    template = {"metadata": {"labels": labels}, "spec": busy}
    kubectl.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "busy"},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }
    )
    kubectl("autoscale", "deployment", "busy", "--min=1", "--max=2", "--cpu-percent=50")

    def measured() -> int | None:
        metrics = kubectl.json("get", "hpa", "busy")["status"].get("currentMetrics") or [{}]
        return metrics[0].get("resource", {}).get("current", {}).get("averageUtilization")

    assert eventually(measured, seconds=150) > 100
    kubectl("delete", "hpa/busy", "deployment/busy")


@pytest.mark.parametrize(
    "url", ["https://{node}:6443/version", "https://{node}:10250/pods", "https://127.0.0.1:10257/metrics"]
)
def test_a_request_without_a_certificate_is_refused(kubectl: Kubectl, url: str) -> None:
    node = kubectl.json("get", "node", "aegis")["status"]["addresses"][0]["address"]
    context = ssl.create_default_context(cafile=str(pki.certificate(pki.CLUSTER_CA)))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.HTTPSHandler(context=context)).open(url.format(node=node), timeout=5)
    assert refused.value.code in {401, 403}


def test_a_secret_is_encrypted_in_etcd(kubectl: Kubectl) -> None:
    kubectl("create", "secret", "generic", "hidden", "--from-literal=password=aegis-plain-text")
    database = b"".join(file.read_bytes() for file in (paths.home() / "etcd" / "member").rglob("*") if file.is_file())
    assert b"/registry/secrets/aegis-test/hidden" in database
    assert b"aegis-plain-text" not in database
    kubectl("delete", "secret", "hidden")


def test_only_their_owner_can_read_private_keys(kubectl: Kubectl) -> None:
    private = [*paths.pki().glob("*.key"), paths.kubeconfig(), *(paths.home() / "config").glob("*.kubeconfig")]
    assert len(private) > 10
    assert {oct(file.stat().st_mode & 0o777) for file in private} == {"0o600"}


def _fetch(url: str) -> str | None:
    try:
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=3).read().decode()
    except OSError:
        return None
