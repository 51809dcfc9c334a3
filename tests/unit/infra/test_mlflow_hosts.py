"""MLflow's own Host and Origin checks: real callers pass, and rebound names and foreign pages don't."""

import pytest
from mlflow.server.security_utils import is_allowed_host_header, should_block_cors_request

from infra.kube.callers import Callers

POD_IP = "10.244.3.17"


def callers(public: tuple[str, ...] = ()) -> Callers:
    return Callers(
        service="mlflow", namespace="ml", domain="cluster.local", port=5000, cluster_ip="10.96.7.4", public_hosts=public
    )


def read(value: str) -> list[str]:
    # The kubelet fills in the pod's address before MLflow splits the value at its commas.
    return value.replace("$(POD_IP)", POD_IP).split(",")


def hosts(public: tuple[str, ...] = ()) -> list[str]:
    return read(callers(public).hosts())


def origins(public: tuple[str, ...] = ()) -> list[str]:
    return read(callers(public).origins())


@pytest.mark.parametrize(
    "host",
    [
        "mlflow:5000",
        "mlflow",
        "mlflow.ml:5000",
        "mlflow.ml.svc:5000",
        "mlflow.ml.svc",
        "mlflow.ml.svc.cluster.local:5000",
        "10.96.7.4:5000",
        f"{POD_IP}:5000",
        "localhost:5000",
        "localhost:41783",
        "localhost",
        "127.0.0.1:5000",
        "[::1]:5000",
    ],
)
def test_the_host_of_a_real_caller_is_allowed(host: str) -> None:
    assert is_allowed_host_header(hosts(), host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example.com",
        "10.96.7.4.evil.example.com:5000",
        "10.244.evil.example.com:5000",
        "10.244.3.18:5000",
        f"{POD_IP}:5001",
        "mlflow.other:5000",
        "mlflow.ml.svc.evil.example.com",
        "localhost.evil.example.com",
    ],
)
def test_any_other_host_is_refused(host: str) -> None:
    assert not is_allowed_host_header(hosts(), host)


def test_a_public_name_is_allowed_if_it_is_in_the_settings() -> None:
    assert is_allowed_host_header(hosts(("mlflow.example.com",)), "mlflow.example.com")
    assert not is_allowed_host_header(hosts(), "mlflow.example.com")


def test_a_public_name_with_the_default_port_is_allowed_without_it() -> None:
    assert is_allowed_host_header(hosts(("mlflow.example.com:443",)), "mlflow.example.com")
    assert not should_block_cors_request("https://mlflow.example.com", "POST", origins(("mlflow.example.com:443",)))


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:5000",
        "http://127.0.0.1:8443",
        "http://10.96.7.4:5000",
        "http://mlflow.ml.svc.cluster.local:5000",
        "http://mlflow.ml",
        f"http://{POD_IP}:5000",
        "https://mlflow.example.com",
        "http://mlflow.example.com",
        "https://mlflow.example.com:8443",
    ],
)
def test_the_server_s_own_page_may_post_from_each_of_its_addresses(origin: str) -> None:
    allowed = origins(("mlflow.example.com", "mlflow.example.com:8443"))
    assert not should_block_cors_request(origin, "POST", allowed)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "https://mlflow.example.com.evil.example.com",
        "https://mlflow.example.com:444",
        "http://10.96.7.5:5000",
        "https://mlflow.ml.svc",
        "null",
    ],
)
def test_another_page_may_not_post(origin: str) -> None:
    assert should_block_cors_request(origin, "POST", origins(("mlflow.example.com",)))
