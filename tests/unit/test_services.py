"""Transient and permanent failures of services, reported in one line with their root cause."""

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, EndpointConnectionError
from google.protobuf.json_format import ParseError
from mlflow.exceptions import MlflowException, RestException

from contracts import Exit
from workloads import services
from workloads.cli import WorkloadError


def failing(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


@pytest.mark.parametrize(
    "error",
    [
        RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "soon"}),
        RestException({"error_code": "INTERNAL_ERROR", "message": "the database is starting"}),
        RestException({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}),
        MlflowException("API request failed with exception"),
        EndpointConnectionError(endpoint_url="http://s3"),
    ],
)
def test_a_service_that_does_not_answer_is_retried_and_then_named(error: Exception) -> None:
    with pytest.raises(services.UnavailableError):
        services.once(lambda: failing(error))
    with pytest.raises(WorkloadError, match="MLflow at http://m does not answer after 1 attempts") as failure:
        services.patiently(lambda: failing(error), service="MLflow at http://m", code=Exit.MLFLOW, attempts=1)
    assert failure.value.code == Exit.MLFLOW


@pytest.mark.parametrize("code", ["INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED"])
def test_a_refusal_is_reported_at_once(code: str) -> None:
    calls: list[int] = []

    def action() -> None:
        calls.append(1)
        raise RestException({"error_code": code, "message": "no"})

    with pytest.raises(WorkloadError, match=f"the store refuses: {code}: no") as failure:
        services.patiently(action, service="the store", code=Exit.OBJECT_STORE)
    assert failure.value.code == Exit.OBJECT_STORE
    assert len(calls) == 1


def test_a_missing_permission_is_reported_at_once() -> None:
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")
    with pytest.raises(WorkloadError, match="the store refuses: PutObject is refused: AccessDenied: no") as failure:
        services.patiently(
            lambda: failing(S3UploadFailedError("Failed to upload"), denied),
            service="the store",
            code=Exit.OBJECT_STORE,
        )
    assert failure.value.code == Exit.OBJECT_STORE


def test_the_reason_is_the_root_cause_in_one_line() -> None:
    root = ConnectionRefusedError(111, "Connection refused")
    with pytest.raises(services.UnavailableError) as failure:
        services.once(lambda: failing(MlflowException("API request to\nhttp://m failed"), root))
    assert str(failure.value) == "[Errno 111] Connection refused"


@pytest.mark.parametrize(
    "error", [ValueError("no port"), KeyError("run"), ParseError("no message"), RecursionError("deep")]
)
def test_a_response_that_cannot_be_parsed_is_reported_at_once_in_one_line(error: Exception) -> None:
    with pytest.raises(WorkloadError, match="MLflow at http://m refuses: its response can't be parsed") as failure:
        services.patiently(lambda: failing(error), service="MLflow at http://m", code=Exit.MLFLOW)
    assert failure.value.code == Exit.MLFLOW


def test_no_credential_of_a_service_s_message_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the+secret/key")
    error = RestException({"error_code": "INTERNAL_ERROR", "message": "the+secret/key: http://me:hush@m/\nis none"})
    with pytest.raises(WorkloadError) as failure:
        services.patiently(lambda: failing(error), service="MLflow at http://me:hush@m", code=Exit.MLFLOW, attempts=1)
    assert "the+secret" not in str(failure.value)
    assert "hush" not in str(failure.value)
    assert "\n" not in str(failure.value)
