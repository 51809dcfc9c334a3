"""Every real caller's Host header passes MLflow's own check, and a rebound name does not."""

import pytest
from mlflow.server.security_utils import is_allowed_host_header

from infra.cluster.mlflow_hosts import allowed_hosts

POD_IP = "10.244.3.17"


def hosts(public: tuple[str, ...] = ()) -> list[str]:
    value = allowed_hosts("mlflow", "ml", "cluster.local", 5000, "10.96.7.4", public)
    # kubelet puts the pod's own address in, before MLflow splits the value at its commas.
    return value.replace("$(POD_IP)", POD_IP).split(",")


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
def test_a_real_caller_is_answered(host: str) -> None:
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
def test_a_name_that_is_not_ours_is_refused(host: str) -> None:
    assert not is_allowed_host_header(hosts(), host)


def test_a_public_name_is_answered_where_the_settings_say_so() -> None:
    assert is_allowed_host_header(hosts(("mlflow.example.com",)), "mlflow.example.com")
    assert not is_allowed_host_header(hosts(), "mlflow.example.com")
