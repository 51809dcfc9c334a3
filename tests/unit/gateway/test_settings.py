"""The gateway's settings come from the environment, and a wrong one is one line."""

import pytest

from workloads.cli import WorkloadError
from workloads.gateway.settings import Settings


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000/")


def test_the_address_of_mlflow_is_all_that_is_needed() -> None:
    assert Settings.from_environment() == Settings(tracking_uri="http://127.0.0.1:5000")


def test_variables_set_times_limits_and_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_SERVING_STATUS", "http://reconciler:8081")
    monkeypatch.setenv("AEGIS_GATEWAY_DEADLINE_SECONDS", "0.5")
    monkeypatch.setenv("AEGIS_GATEWAY_MAX_IN_FLIGHT", "7")
    monkeypatch.setenv("AEGIS_GATEWAY_PAGE", "false")
    settings = Settings.from_environment()
    assert (settings.serving_status, settings.deadline_seconds) == ("http://reconciler:8081", 0.5)
    assert (settings.max_in_flight, settings.page) == (7, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEADLINE_SECONDS", "soon"),
        ("DEADLINE_SECONDS", "0"),
        ("DEADLINE_SECONDS", "nan"),
        ("MAX_IN_FLIGHT", "1.5"),
        ("MAX_BODY_BYTES", "-1"),
        ("PAGE", "maybe"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"AEGIS_GATEWAY_{name}", value)
    with pytest.raises(WorkloadError, match=rf"AEGIS_GATEWAY_{name} must be .*, got '{value}'"):
        Settings.from_environment()


def test_an_address_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(WorkloadError, match="MLFLOW_TRACKING_URI is not set"):
        Settings.from_environment()
