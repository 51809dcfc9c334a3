"""Any argument, variable or answer of MLflow leads to one line and the right exit code, without a secret."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from contracts import Env, Exit
from tests.support import fuzz
from tests.support.fake_mlflow import ANSWERS, API, ARTIFACTS, FakeMlflow, fake_mlflow
from tests.support.fake_vault import TOKEN, fake_vault
from workloads import retry
from workloads.registry import select_best_run
from workloads.release import run

QUICK = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
# Each example is a complete release.
QUICKER = settings(QUICK, max_examples=10)
OPTIONS = ["--experiment-name", "--metric", "--minimize", "--json", "--model-name", "--work-dir", "--result-file"]
SECRET = "s3cr3t-of-mlflow"
# Successes, failures, and codes that only a proxy returns.
STATUSES = st.sampled_from([200, 200, 301, 400, 401, 403, 404, 418, 429, 500, 503])
TRAINING_ASKS = ("/create", "/update", "-batch", "-inputs", "config.json")
ASKED = sorted(path for path in ANSWERS if not path.endswith(TRAINING_ASKS))
FILES = f"{ARTIFACTS}/1/models/m-1/artifacts/MLmodel"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeMlflow]:
    """A platform whose MLflow may answer anything; the commands run in a temporary folder."""
    with pytest.MonkeyPatch.context() as patch, fake_mlflow() as server, fake_vault() as vault, mock_aws():
        patch.chdir(tmp_path_factory.mktemp("here"))
        patch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
        for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        for name, value in {
            Env.TRACKING_URI: server.address,
            Env.VAULT_ADDR: vault.address,
            Env.VAULT_TOKEN: TOKEN,
            Env.RELEASES_BUCKET: "releases",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AEGIS_LOG_LEVEL": "ERROR",
            "MLFLOW_TRACKING_TOKEN": SECRET,
        }.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="releases")
        yield server


def selected(environment: dict[str, str] | None = None) -> fuzz.Said:
    argv = ["--experiment-name", "e", "--json"]
    return fuzz.run_command(select_best_run.main, argv, environment, [SECRET], shows_progress=True)


def released(environment: dict[str, str] | None = None) -> fuzz.Said:
    argv = ["--experiment-name", "e", "--model-name", "m", "--json", "--work-dir", "work"]
    return fuzz.run_command(run.main, argv, environment, [SECRET, TOKEN], shows_progress=True)


def test_the_good_answers_are_good(mlflow: FakeMlflow) -> None:
    mlflow.reset()
    assert selected().code == Exit.OK
    assert released().code == Exit.OK


@pytest.mark.parametrize("main", [select_best_run.main, run.main])
@QUICK
@given(argv=st.lists(st.one_of(fuzz.os_text, st.sampled_from(OPTIONS))))
def test_no_argument_gives_a_traceback(mlflow: FakeMlflow, main: fuzz.Main, argv: Sequence[str]) -> None:
    mlflow.reset()
    fuzz.run_command(main, argv, secrets=[SECRET, TOKEN], shows_progress=True)


@QUICK
@given(experiment=fuzz.os_text, metric=fuzz.os_text, name=fuzz.os_text)
def test_no_name_gives_a_traceback(mlflow: FakeMlflow, experiment: str, metric: str, name: str) -> None:
    mlflow.reset()
    argv = [f"--experiment-name={experiment}", f"--metric={metric}"]
    fuzz.run_command(select_best_run.main, argv, secrets=[SECRET])
    argv += [f"--model-name={name}", "--work-dir=work"]
    fuzz.run_command(run.main, argv, secrets=[SECRET, TOKEN], shows_progress=True)


@QUICK
@given(
    variables=st.dictionaries(
        st.sampled_from(["MLFLOW_TRACKING_TOKEN", "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"]),
        fuzz.os_text,
        min_size=1,
    )
)
def test_no_variable_gives_a_traceback(mlflow: FakeMlflow, variables: dict[str, str]) -> None:
    mlflow.reset()
    selected(variables)


@pytest.mark.parametrize("secret", [f"{SECRET}\n", f"a\n{SECRET}", f"{SECRET}é", f"{SECRET} b"])
@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_TOKEN", "AWS_SESSION_TOKEN", "AWS_SECRET_ACCESS_KEY"])
def test_a_credential_that_cannot_be_sent_is_refused_by_its_name(mlflow: FakeMlflow, name: str, secret: str) -> None:
    mlflow.reset()
    said = released({name: secret})
    assert said.code in {Exit.OK, Exit.USAGE}
    assert said.code == Exit.OK or name in said.err


@pytest.mark.parametrize(
    "address",
    ["", " ", "mlflow", "http://", "http://h:port", "http://:5000", "htp://mlflow:5000", "http://[::1", "http://a\nb"],
)
def test_an_address_that_is_none_is_named(mlflow: FakeMlflow, address: str) -> None:
    said = selected({Env.TRACKING_URI: address})
    assert said.code in {Exit.USAGE, Exit.MLFLOW}
    assert Env.TRACKING_URI in said.err


@pytest.mark.parametrize("form", ["http://user:{}@127.0.0.1:1", "http://user:{}@h:port", "user:{}@host", "x:{}@"])
def test_a_password_in_the_address_is_not_printed(mlflow: FakeMlflow, form: str) -> None:
    assert selected({Env.TRACKING_URI: form.format(SECRET)}).code in {Exit.USAGE, Exit.MLFLOW}


@QUICKER
@given(data=st.data())
def test_no_answer_of_mlflow_gives_a_traceback(mlflow: FakeMlflow, data: st.DataObject) -> None:
    mlflow.reset()
    path = data.draw(st.sampled_from(ASKED))
    place = data.draw(st.sampled_from(list(fuzz.paths(ANSWERS[path])) or [()]))
    value = data.draw(st.one_of(fuzz.json_values, st.just(fuzz.LEFT_OUT)))
    document = json.dumps(fuzz.replaced(ANSWERS[path], place, value)).encode()
    body = data.draw(st.one_of(st.just(document), fuzz.json_text, fuzz.damaged(document)))
    mlflow.bad[path] = (data.draw(STATUSES), body)
    selected()
    released()


@pytest.mark.parametrize(("status", "code"), [(403, Exit.OBJECT_STORE), (404, Exit.OBJECT_STORE)])
@pytest.mark.parametrize("path", [ARTIFACTS, FILES])
def test_files_that_cannot_be_had_are_named_with_the_reason_at_once(
    mlflow: FakeMlflow, path: str, status: int, code: Exit
) -> None:
    mlflow.reset()
    mlflow.bad[path] = (status, b'{"message": "denied by the bucket"}')
    said = released()
    assert said.code == code
    assert str(status) in said.err
    assert "denied by the bucket" in said.err
    assert mlflow.requests.count(path) == 1


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", "a/../../b"])
def test_a_file_outside_of_the_model_is_never_written(mlflow: FakeMlflow, path: str) -> None:
    mlflow.reset()
    mlflow.bad[ARTIFACTS] = (200, json.dumps({"files": [{"path": path, "is_dir": False}]}).encode())
    before = set(Path().rglob("*"))
    assert released().code == Exit.OBJECT_STORE
    assert set(Path().rglob("*")) - {Path("work")} == before - {Path("work")}


def test_a_server_that_is_away_is_asked_again(mlflow: FakeMlflow) -> None:
    mlflow.reset()
    mlflow.bad[f"{API}/runs/search"] = (503, b"starting")
    assert selected().code == Exit.MLFLOW
    assert mlflow.requests.count(f"{API}/runs/search") == 5
