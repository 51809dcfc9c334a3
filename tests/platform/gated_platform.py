"""The platform as the tests of its gate use it: signed and unsigned versions of a model, and every way to an alias."""

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import requests
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

import contracts
from contracts import Env
from local import paths
from tests.journeys import trained
from tests.platform.kubectl import Kubectl, eventually
from tests.support.local_signer import LocalSigner
from tests.support.signed_version import evidence_of

CHAMPION: Final = "champion"
PRODUCTION: Final = "Production"
FORBIDDEN: Final = 403
# Answers in a row from which both pods of the tracking server are taken to agree.
IN_A_ROW: Final = 12
# Each of the two clients asks this often.
ROUNDS: Final = 5
# In seconds: a key that is taken out must count no more after this time.
REVOKED_WITHIN: Final = 60
MLFLOW_PODS: Final = "app.kubernetes.io/name=mlflow"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The HTTP status of an attempt, and the server's message."""

    status: int
    message: str


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The running stack with the variables of `make env`, and a model that the tests made on it."""

    variables: Mapping[str, str]
    model: str = field(default_factory=lambda: f"gate-test-{uuid.uuid4().hex}")

    @property
    def url(self) -> str:
        return self.variables[Env.TRACKING_URI]

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.url, self.url)

    @property
    def s3(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.variables[Env.S3_ENDPOINT],
            aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
            region_name=self.variables["AWS_DEFAULT_REGION"],
        )

    def command(self, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments in `folder`."""
        own = {"PYTHONPATH": str(paths.REPOSITORY), "PYTHONWARNINGS": "ignore"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env={**os.environ, **self.variables, **own},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def post(self, path: str, version: ModelVersion, **fields: object) -> Answer:
        """Send one request on a new connection, so that it may reach any pod."""
        body = {"name": version.name, "version": str(version.version), **fields}
        answer = requests.post(f"{self.url}/{path}", json=body, timeout=60)
        return Answer(status=answer.status_code, message=answer.json().get("message", ""))

    def give_alias(self, version: ModelVersion, api: str = "api/2.0") -> Answer:
        return self.post(f"{api}/mlflow/registered-models/alias", version, alias=CHAMPION)

    def give_stage(self, version: ModelVersion, api: str = "api/2.0") -> Answer:
        path = f"{api}/mlflow/model-versions/transition-stage"
        return self.post(path, version, stage=PRODUCTION, archive_existing_versions=False)

    def release(self, quality: str, folder: Path, *, faulty: bool = False) -> ModelVersion:
        """Log a run with a small model, release it as a signed version, and return the version."""
        logged = self.command(trained.__file__, self.model, quality, *(["faulty"] if faulty else []), folder=folder)
        assert logged.returncode == 0, logged.stderr
        return self.release_best(folder / quality, folder)

    def release_best(self, work: Path, folder: Path) -> ModelVersion:
        """Release the run with the highest quality, and return the version. `work` is scratch space."""
        options = (f"--experiment-name={self.model}", "--metric=quality", f"--model-name={self.model}")
        done = self.command("-m", "workloads.release.run", *options, f"--work-dir={work}", "--json", folder=folder)
        assert done.returncode == 0, done.stderr
        [version] = self.client.get_latest_versions(self.model, ["None"])
        return version

    def register(self, source: ModelVersion, tags: Mapping[str, str]) -> ModelVersion:
        """Register the files of a version again, with other evidence."""
        address = source.source or ""
        model_id = address.removeprefix("models:/")
        made = self.client.create_model_version(
            self.model, source=address, run_id=source.run_id, tags=dict(tags), model_id=model_id
        )
        return self.client.get_model_version(self.model, made.version)

    def evidence(self, version: ModelVersion, signer: LocalSigner, folder: Path) -> dict[str, str]:
        """Return the tags with which `signer` signs the files of a version."""
        files = folder / "signed" / self.model
        files.mkdir(parents=True)
        for key in self.keys(version):
            target = files / key.partition("/artifacts/")[2]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.read(key))
        return evidence_of(files, version.run_id or "", signer)

    def keys(self, version: ModelVersion) -> list[str]:
        """Return the keys of a version's files in the bucket of the artifacts."""
        location = urlsplit(self.client.get_model_version_download_uri(version.name, version.version)).path
        prefix = f"{location.removeprefix('/')}/"
        answer = self.s3.list_objects_v2(Bucket=contracts.ARTIFACTS_BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in answer["Contents"]]

    def read(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=contracts.ARTIFACTS_BUCKET, Key=key)["Body"].read()

    def write(self, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket=contracts.ARTIFACTS_BUCKET, Key=key, Body=content)

    def clear(self) -> None:
        """Take the aliases and the stage from every version."""
        for version in self.client.search_model_versions(f"name = '{self.model}'"):
            self.client.transition_model_version_stage(self.model, version.version, "None")
        for alias in self.client.get_registered_model(self.model).aliases:
            self.client.delete_registered_model_alias(self.model, alias)

    def remove(self) -> None:
        """Delete the model, its experiment and its releases, as far as they were made."""
        with suppress(MlflowException):
            self.client.delete_registered_model(self.model)
        if experiment := self.client.get_experiment_by_name(self.model):
            self.client.delete_experiment(experiment.experiment_id)
        for page in self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=contracts.RELEASES_BUCKET, Prefix=f"{self.model}/"
        ):
            for entry in page.get("Contents", ()):
                self.s3.delete_object(Bucket=contracts.RELEASES_BUCKET, Key=entry["Key"])


def running() -> Platform:
    """Return the running stack."""
    command = [sys.executable, "-m", "local.env", "--json"]
    result = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=True, timeout=60)
    return Platform(variables=json.loads(result.stdout))


def _with_the_client(move: Callable[[], object]) -> Answer:
    try:
        move()
    except MlflowException as error:
        return Answer(status=error.get_http_status_code(), message=error.message)
    return Answer(status=200, message="")


WAYS: Final[Mapping[str, Callable[[Platform, ModelVersion], Answer]]] = {
    "REST": Platform.give_alias,
    "the UI's API": lambda platform, version: platform.give_alias(version, "ajax-api/2.0"),
    "REST, stage": Platform.give_stage,
    "the UI's API, stage": lambda platform, version: platform.give_stage(version, "ajax-api/2.0"),
    "the Python client": lambda platform, version: _with_the_client(
        lambda: platform.client.set_registered_model_alias(version.name, CHAMPION, version.version)
    ),
    "transition_model_version_stage": lambda platform, version: _with_the_client(
        lambda: platform.client.transition_model_version_stage(version.name, version.version, PRODUCTION)
    ),
}


def refused_everywhere(platform: Platform, good: ModelVersion, bad: ModelVersion, reason: str) -> None:
    """Try every way, and two clients at once, and check that `bad` gets neither the alias nor the stage."""
    platform.clear()
    for name, way in WAYS.items():
        answer = way(platform, bad)
        assert answer.status == FORBIDDEN, (name, answer)
        assert reason in answer.message, name
    assert unmoved(platform, bad)
    assert at_once(platform, good, bad) == {good.version: {200}, bad.version: {FORBIDDEN}}
    assert unmoved(platform, bad)
    assert platform.client.get_registered_model(platform.model).aliases == {CHAMPION: good.version}


def at_once(platform: Platform, *versions: ModelVersion) -> dict[str, set[int]]:
    """Let one client for each version move the alias and the stage at the same time; return the statuses."""
    statuses: dict[str, set[int]] = {version.version: set() for version in versions}

    def move(version: ModelVersion) -> None:
        for _ in range(ROUNDS):
            statuses[version.version] |= {platform.give_alias(version).status, platform.give_stage(version).status}

    threads = [threading.Thread(target=move, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def unmoved(platform: Platform, version: ModelVersion) -> bool:
    found = platform.client.get_model_version(version.name, version.version)
    return (found.aliases, found.current_stage) == ([], "None")


def until(platform: Platform, version: ModelVersion, status: int, seconds: float) -> None:
    """Wait until every pod answers with `status` when `version` is to get the alias."""
    eventually(
        lambda: all(platform.give_alias(version).status == status for _ in range(IN_A_ROW)) or None, seconds=seconds
    )


@contextmanager
def trusting(pem: bytes, namespace: str = contracts.MLFLOW_NAMESPACE) -> Iterator[None]:
    """Replace the trusted keys in a namespace, that of the tracking server, and put back the old ones at the end."""
    kubectl = Kubectl(namespace)
    before = kubectl.json("get", "configmap", contracts.SIGNING_KEYS_CONFIG_MAP)["data"]

    def put(data: Mapping[str, str]) -> None:
        patch = json.dumps({"data": data})
        kubectl("patch", "configmap", contracts.SIGNING_KEYS_CONFIG_MAP, "--type=merge", f"--patch={patch}")

    try:
        put({contracts.SIGNING_KEYS_FILE: pem.decode()})
        yield
    finally:
        put(before)


@contextmanager
def revoked(version: ModelVersion) -> Iterator[None]:
    """Take out the key of a signed version, until every pod of the tracking server refuses it, and put it back."""
    platform = running()
    try:
        with trusting(LocalSigner().public_key().pem):
            until(platform, version, FORBIDDEN, REVOKED_WITHIN)
            yield
    finally:
        until(platform, version, 200, REVOKED_WITHIN)


@contextmanager
def without_vault() -> Iterator[None]:
    """Stop Vault, and start it again at the end."""
    kubectl = Kubectl(contracts.VAULT_NAMESPACE)
    try:
        kubectl("scale", "statefulset/vault", "--replicas=0")
        kubectl("wait", "pod/vault-0", "--for=delete", "--timeout=60s")
        yield
    finally:
        kubectl("scale", "statefulset/vault", "--replicas=1")
        kubectl("rollout", "status", "statefulset/vault", "--timeout=120s")


@contextmanager
def without_mlflow() -> Iterator[None]:
    """Remove the tracking server's pods, and make new ones at the end."""
    kubectl = Kubectl(contracts.MLFLOW_NAMESPACE)
    replicas = kubectl.json("get", "deployment", "mlflow")["spec"]["replicas"]
    try:
        # Without replicas, the HorizontalPodAutoscaler leaves it alone.
        kubectl("scale", "deployment/mlflow", "--replicas=0")
        kubectl("wait", "pod", f"--selector={MLFLOW_PODS}", "--for=delete", "--timeout=90s")
        yield
    finally:
        kubectl("scale", "deployment/mlflow", f"--replicas={replicas}")
        kubectl("rollout", "status", "deployment/mlflow", "--timeout=150s")


@contextmanager
def stopped() -> Iterator[None]:
    """Stop the tracking server's processes, so that connections are made and nothing answers, and let them go on."""
    kubectl = Kubectl(contracts.MLFLOW_NAMESPACE)
    pods = [each["metadata"]["name"] for each in kubectl.json("get", "pods", f"--selector={MLFLOW_PODS}")["items"]]

    def send(signal: str) -> None:
        for pod in pods:
            program = f"import os, signal; os.kill(-1, signal.{signal})"
            kubectl("exec", pod, "--container=mlflow", "--", "python", "-c", program)

    try:
        send("SIGSTOP")
        yield
    finally:
        send("SIGCONT")
