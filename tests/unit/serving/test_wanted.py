import json

import pytest

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.serving.wanted import Canary, Resources, Wanted, parse


def test_a_model_alone_wants_two_servers_of_its_champion() -> None:
    assert parse('{"model": "digits"}') == Wanted(
        model="digits", alias="champion", replicas=2, resources=Resources(cpu="500m", memory="1Gi"), canary=None
    )


def test_what_is_written_is_read_back() -> None:
    wanted = Wanted(model="Größe 1", version="3", replicas=1, canary=Canary(percent=25))
    assert parse(wanted.to_text()) == wanted


def test_a_null_is_a_default() -> None:
    text = '{"model": "m", "alias": "best", "version": null, "replicas": null, "resources": null, "canary": null}'
    assert parse(text) == Wanted(model="m", alias="best")


def test_only_a_change_of_what_is_wanted_changes_the_digest() -> None:
    wanted = Wanted(model="m", alias="champion")
    assert wanted.digest == parse('{"alias": "champion", "model": "m"}').digest
    assert wanted.digest != Wanted(model="m", alias="champion", replicas=3).digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": ""}, "model must be the name of a registered model, got ''"),
        ({"model": "a/b"}, "model must be a name without / : and @, got 'a/b'"),
        ({"model": None}, "model"),
        ({"alias": "champion", "version": "1"}, "set either `alias` or `version`"),
        ({"alias": "v1"}, "alias must be an alias such as champion, got 'v1'"),
        ({"version": 3}, "version must be the number of a version, got 3"),
        ({"version": "0"}, "version must be the number of a version, got '0'"),
        ({"replicas": 0}, "replicas must be a whole number from 1 to 100, got 0"),
        ({"replicas": True}, "replicas must be a whole number from 1 to 100, got True"),
        ({"replicas": 1.5}, "replicas must be a whole number from 1 to 100, got 1.5"),
        ({"resources": {"cpu": "lots"}}, "resources.cpu must be a number of cores such as 500m or 2, got 'lots'"),
        ({"resources": {"memory": "1"}}, "resources.memory must be an amount such as 512Mi or 2Gi, got '1'"),
        ({"resources": []}, "resources must be a JSON object"),
        ({"canary": {"percent": 100}}, "canary.percent must be a whole number from 1 to 99, got 100"),
        ({"canary": {"share": 1}}, "canary: 'share' is unknown; allowed are max_error_rate"),
        ({"gpu": 1}, "wanted: 'gpu' is unknown"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(change: dict[str, object], message: str) -> None:
    with pytest.raises(WorkloadError) as refusal:
        parse(json.dumps({"model": "m"} | change))
    assert message in str(refusal.value)
    assert refusal.value.code == Exit.USAGE


@pytest.mark.parametrize("text", ["", "[]", "null", '{"model": NaN}', '{"replicas": 1}', " " * 20_000, "\ud800"])
def test_text_that_wants_nothing_is_refused(text: str) -> None:
    with pytest.raises(WorkloadError):
        parse(text)
