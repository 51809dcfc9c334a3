import pytest

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.serving.reconciler import settings

LEAST = {"AEGIS_SERVING_IMAGE": "serving:1", "MLFLOW_TRACKING_URI": "http://mlflow:5000"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LEAST.items():
        monkeypatch.setenv(name, value)


def test_the_image_and_mlflow_are_enough() -> None:
    found = settings.from_environment()
    assert (found.site.namespace, found.site.delivery, found.kserve) == ("serving", "volume", False)
    assert not found.limits.remove_unverified


def test_variables_of_the_watching_reach_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_WATCH_SAMPLES", "10")
    assert settings.from_environment().site.server_environment == {"AEGIS_WATCH_SAMPLES": "10"}


def test_the_reconciler_waits_for_servers_as_long_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_SERVING_START_SECONDS", "900")
    assert settings.from_environment().limits.start == 900


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AEGIS_SERVING_DELIVERY", "usb", "AEGIS_SERVING_DELIVERY must be volume or image, got 'usb'."),
        ("AEGIS_SERVING_DELIVERY", "image", "AEGIS_SERVING_REPOSITORY is not set"),
        ("AEGIS_SERVING_VOLUME_SIZE", "big", "AEGIS_SERVING_VOLUME_SIZE must be a size such as 5Gi, got 'big'."),
        ("AEGIS_SERVING_KSERVE", "on", "AEGIS_SERVING_KSERVE must be auto or off, got 'on'."),
        ("AEGIS_SERVING_UNVERIFIED", "x", "AEGIS_SERVING_UNVERIFIED must be keep or remove, got 'x'."),
        (
            "AEGIS_SERVING_START_SECONDS",
            "-1",
            "AEGIS_SERVING_START_SECONDS must be a whole number of seconds, got '-1'.",
        ),
        ("AEGIS_SERVING_IMAGE", "", "AEGIS_SERVING_IMAGE is not set"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(WorkloadError) as refusal:
        settings.from_environment()
    assert message in str(refusal.value)
    assert refusal.value.code == Exit.USAGE
