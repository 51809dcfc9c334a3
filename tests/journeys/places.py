"""The places of the table: how a script or a request runs in each, and the addresses of the servers there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import contracts
from local import env, paths, stacks
from tests.journeys.table import Place
from tests.platform.kubectl import Kubectl

HERE = Path(__file__).parent
# In `mlflow.publicHosts` and `gateway.publicHosts` of the stack `local`.
PUBLIC_NAMES = {"mlflow": "mlflow.aegis.test", "gateway": "gateway.aegis.test"}
TEAM_NAMESPACE = f"{contracts.TEAM_NAMESPACE_PREFIX}demo"
ELSEWHERE_NAMESPACE = "journeys-elsewhere"
POD = "journeys"
KEYS_FOLDER = "/etc/aegis/keys"
HEALTH = "/v1/sys/health"
DRILL_DATABASE = "journeys_drill"
# The body of a POST: a search for one experiment.
BODY = '{"max_results": 1}'
# Seconds for a whole script, and for a single request.
PATIENCE = 400
REQUEST_PATIENCE = 8


class Standpoint(Protocol):
    """A place from which a test runs scripts and requests."""

    @property
    def addresses(self) -> Mapping[str, str]:
        """The address of each server, as seen from the place."""
        ...

    def python(self, script: Path, *arguments: str) -> str:
        """Run a script of this folder in an environment with the MLflow client, and return its output."""
        ...

    def ask(self, url: str, *headers: str, method: str = "GET") -> str:
        """Return the status and the beginning of an answer, or `unreachable`."""
        ...

    def command(self, module: str, *arguments: str, variables: Mapping[str, str], folder: Path) -> str:
        """Run a workload command in a folder with a model, and return `exit CODE: ` and its last line."""
        ...


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, **options)


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """A machine; `prefix` starts its commands: empty on this machine, `ip netns exec` for another host."""

    addresses: Mapping[str, str]
    prefix: tuple[str, ...] = ()
    authority: Path | None = None

    def python(self, script: Path, *arguments: str) -> str:
        variables = {
            "MLFLOW_TRACKING_URI": self.addresses["mlflow"],
            "PYTHONWARNINGS": "ignore",
            # A user installs the client library; here it is where it is written.
            "PYTHONPATH": str(paths.REPOSITORY),
            "AEGIS_TRUSTED_KEYS": str(paths.signing_keys_file()),
        }
        if self.authority:
            variables["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str(self.authority)
        # Without the platform's environment variables, which a user doesn't have.
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | variables
        done = run([*self.prefix, sys.executable, str(script), *arguments], env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, url: str, *headers: str, method: str = "GET") -> str:
        header_options = [part for header in headers for part in ("--header", header)]
        trusted = ["--cacert", str(self.authority)] if self.authority else []
        body = ["--data", BODY] if method == "POST" else []
        options = [
            "--silent",
            "--max-time",
            str(REQUEST_PATIENCE),
            "--write-out",
            r"\n%{http_code} %{num_connects}",
            "--request",
            method,
        ]
        done = run([*self.prefix, "curl", *options, *trusted, *header_options, *body, url])
        text, _, numbers = done.stdout.rpartition("\n")
        status, connections = numbers.split()
        return f"{status} {text[:300]}" if int(connections) else "unreachable"

    def command(self, module: str, *arguments: str, variables: Mapping[str, str], folder: Path) -> str:
        own = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(paths.REPOSITORY)}
        if self.authority:
            own["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str(self.authority)
        argv = [*self.prefix, sys.executable, "-m", module, *arguments]
        done = run(argv, env=own | {"MLFLOW_TRACKING_URI": self.addresses["mlflow"], **variables}, cwd=folder)
        return _outcome(done.returncode, done.stdout + done.stderr)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """A pod with the workloads' image."""

    addresses: Mapping[str, str]
    kubectl: Kubectl

    def python(self, script: Path, *arguments: str) -> str:
        return self._execute(script.read_text(), *arguments)

    def ask(self, url: str, *headers: str, method: str = "GET") -> str:
        return self._execute((HERE / "ask.py").read_text(), url, method, str(REQUEST_PATIENCE), BODY, *headers).strip()

    def command(self, module: str, *arguments: str, variables: Mapping[str, str], folder: Path) -> str:
        settings = {"MLFLOW_TRACKING_URI": self.addresses["mlflow"], **variables}
        environment = [f"{name}={value}" for name, value in settings.items()]
        command = ["env", *environment, "sh", "-c", _IN_A_POD, "sh", module, *arguments]
        output, _, code = self.kubectl("exec", POD, "--", *command).strip().rpartition("\n")
        return _outcome(int(code), output)

    def _execute(self, script: str, *arguments: str) -> str:
        setting = f"MLFLOW_TRACKING_URI={self.addresses['mlflow']}"
        return self.kubectl("exec", "--stdin", POD, "--", "env", setting, "python", "-", *arguments, stdin=script)


# The pod's image has the commands, but no model.
_IN_A_POD = 'cd "$(mktemp -d)" && mkdir model && echo 1 > model/weights.bin; python -m "$@" 2>&1; echo "\n$?"'


def _outcome(code: int, output: str) -> str:
    return f"exit {code}: {output.strip().splitlines()[-1] if output.strip() else ''}"


@contextmanager
def standpoints(public: Host) -> Iterator[dict[Place, Standpoint]]:
    """Set up every place of the table, and delete their pods at the end."""
    local = {server: f"http://localhost:{port}" for server, port in stacks.read(env.STACK).ports.items()}
    local["vault"] += HEALTH
    remote = {
        "mlflow": f"http://mlflow.{contracts.MLFLOW_NAMESPACE}.svc:5000",
        "gateway": f"http://gateway.{contracts.MLFLOW_NAMESPACE}.svc:8080",
        "s3": f"http://s3.{contracts.MLFLOW_NAMESPACE}.svc:7070",
        "vault": f"http://vault.{contracts.VAULT_NAMESPACE}.svc:8200{HEALTH}",
        "postgres": f"http://postgres.{contracts.MLFLOW_NAMESPACE}.svc:5432",
    }
    elsewhere = Kubectl(ELSEWHERE_NAMESPACE)
    elsewhere.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ELSEWHERE_NAMESPACE}})
    pods = {
        Place.TEAM: (Kubectl(TEAM_NAMESPACE), "journeys", remote),
        # Its label gives it the trainer's network access.
        Place.PLATFORM: (Kubectl(contracts.MLFLOW_NAMESPACE), "trainer", remote | {"mlflow": "http://mlflow:5000"}),
        Place.ELSEWHERE: (elsewhere, "journeys", remote),
    }
    try:
        for kubectl, component, _ in pods.values():
            kubectl.apply(_pod(component))
        for kubectl, _, _ in pods.values():
            kubectl.wait(POD)
        yield {
            Place.MACHINE: Host(addresses=local),
            Place.PUBLIC: public,
            **{place: Pod(addresses=found, kubectl=kubectl) for place, (kubectl, _, found) in pods.items()},
        }
    finally:
        for kubectl, _, _ in pods.values():
            kubectl("delete", "pod", POD, "--ignore-not-found", "--wait=false", "--grace-period=1")
        elsewhere("delete", "namespace", ELSEWHERE_NAMESPACE, "--ignore-not-found", "--wait=false")


def in_the_cluster(server: str) -> str:
    """Return the address of a server that is reachable only from the cluster and its nodes."""
    namespace, service, port = contracts.SERVERS[server]
    address = Kubectl(namespace).json("get", "service", service)["spec"]["clusterIP"]
    return f"http://{address}:{port}"


def guessed(standpoint: Standpoint) -> dict[str, str]:
    """Return the environment variables of a user who knows the servers' addresses and has the wrong keys."""
    at = {server: standpoint.addresses.get(server) or in_the_cluster(server) for server in ("vault", "s3", "postgres")}
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": env.DEFAULT_REGION}
    database = {"PGUSER": "mlflow", "PGDATABASE": "mlflow", "PGPASSWORD": "none"}
    return {
        contracts.Env.VAULT_ADDR: at["vault"].removesuffix(HEALTH),
        contracts.Env.VAULT_TOKEN: "none",
        contracts.Env.S3_ENDPOINT: at["s3"],
        contracts.Env.BACKUPS_BUCKET: contracts.BACKUPS_BUCKET,
        contracts.Env.RELEASES_BUCKET: contracts.RELEASES_BUCKET,
        "PGHOST": at["postgres"].removeprefix("http://").rpartition(":")[0],
        **keys,
        **database,
    }


def by_hand() -> dict[str, str]:
    """Return the environment variables after `eval "$(make -s env)"`."""
    done = run([sys.executable, "-m", "local.env", "--json"], cwd=paths.REPOSITORY)
    assert done.returncode == 0, done.stderr
    return {**env.engine_environment(), **json.loads(done.stdout)}


def _pod(component: str) -> dict[str, Any]:
    image = json.loads(paths.images_file().read_text())["workloads"]
    container = {
        "name": "client",
        "image": image,
        "command": ["sleep", "infinity"],
        "env": [{"name": "AEGIS_TRUSTED_KEYS", "value": KEYS_FOLDER}],
        "volumeMounts": [{"name": "keys", "mountPath": KEYS_FOLDER, "readOnly": True}],
        "resources": {"requests": {"cpu": "10m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    labels = {"app.kubernetes.io/name": component}
    spec = {
        "containers": [container],
        # Namespaces that nobody authorised have no keys.
        "volumes": [{"name": "keys", "configMap": {"name": "signing-keys", "optional": True}}],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "labels": labels},
        "spec": {**spec, "terminationGracePeriodSeconds": 1},
    }
