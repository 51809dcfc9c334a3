"""An installation in which nothing is wrong, for tests of the doctor's checks, which then break one thing in it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import contracts
from local.checks import GIB
from local.cluster import Health
from local.doctor.site import Answer, Certificate, Space
from local.doctor.verdict import NoAnswerError
from local.processes import State
from local.stacks import Stack

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MLFLOW, GATEWAY = "http://localhost:5000", "http://localhost:8080"
S3, VAULT = "http://localhost:9000", "http://localhost:8200"
STORED = "mlflow/0/model a.pkl"
PRESIGNED = "https://artifacts.example.com/mlflow/aegis-doctor"
HOST = "mlflow.example.com"
IMAGE = "localhost/aegis/mlflow:1"
KEYS = "-----BEGIN PUBLIC KEY-----"


def stamp(hours_ago: float) -> str:
    """Return a Kubernetes timestamp."""
    return (NOW - timedelta(hours=hours_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


class FakeSite:
    """A `Site` that answers from its fields; an answer that is an exception is raised."""

    def __init__(self) -> None:
        self.stack = Stack(name="local")
        self.embedded = True
        self.settings: dict[str, dict[str, Any]] = {"mlflow": {"publicHosts": [HOST, "mlflow.aegis.test"]}}
        self.stack_outputs: dict[str, Any] = {
            "mlflow_url": MLFLOW,
            "gateway_url": GATEWAY,
            "s3_url": S3,
            "vault_url": VAULT,
            "vault_root_token": "token",
            "artifacts": "s3://mlflow-artifacts/mlflow",
            "backups_bucket": "mlflow-backups",
            "releases_bucket": "mlflow-releases",
            "signing_keys": KEYS,
        }
        self.state: dict[str, Any] = {"resources": [resource("Deployment", "mlflow", "mlflow")]}
        self.objects: list[Any] = objects()
        self.api: dict[str, Any] = api()
        self.scripts: dict[str, Any] = scripts()
        self.answers: dict[str, Any] = answers()
        self.names: dict[str, list[str]] = {HOST: ["192.0.2.1"]}
        self.certificates = {HOST: Certificate(end=NOW + timedelta(days=60))}
        self.cluster_certificates: dict[str, datetime] = {"apiserver": NOW + timedelta(days=300)}
        self.commands: dict[str, Any] = {
            "workloads.backup.list": [{"id": "20261121T020000Z-1a2b3c4d", "state": "verified"}]
        }
        self.processes = [Health(name="etcd", state=State.RUNNING, pid=1, addresses=(), trouble=None)]
        self.space = Space(what="memory", free=4 * GIB, total=8 * GIB)
        self.folders = [Space(what="/root", free=30 * GIB, total=60 * GIB)]

    def now(self) -> datetime:
        return NOW

    def config(self, section: str) -> Mapping[str, Any]:
        return self.settings.get(section, {})

    def outputs(self) -> Mapping[str, Any]:
        return self.stack_outputs

    def deployment(self) -> Mapping[str, Any]:
        return self.state

    def wanted_images(self) -> Mapping[str, str]:
        return {"mlflow": IMAGE}

    def listed(self, kind: str) -> Sequence[Any]:
        return [item for item in self.objects if item["kind"] == kind]

    def read(self, path: str) -> Any:
        return _given(self.api, path)

    def told(self, script: str, workload: str, *arguments: str) -> Any:
        told = _given(self.scripts, script)
        return {target: told(target) for target in arguments} if script == "network" else told

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        return _given(self.answers, url)

    def addresses_of(self, host: str) -> Sequence[str]:
        return self.names.get(host, ())

    def certificate(self, host: str, port: int) -> Certificate:
        return self.certificates[host]

    def own_certificates(self) -> Mapping[str, datetime]:
        return self.cluster_certificates

    def command(self, module: str, *arguments: str) -> Any:
        return _given(self.commands, module)

    def parts(self) -> Sequence[Health]:
        return self.processes

    def memory(self) -> Space:
        return self.space

    def disks(self) -> Sequence[Space]:
        return self.folders

    def named(self, kind: str, name: str) -> Any:
        """Return an object, to change it."""
        return next(item for item in self.listed(kind) if item["metadata"]["name"] == name)


def _given(answers: Mapping[str, Any], key: str) -> Any:
    if key not in answers:
        raise NoAnswerError(f"nothing answers {key}")
    if isinstance(answers[key], Exception):
        raise answers[key]
    return answers[key]


def thing(kind: str, namespace: str, name: str, **fields: Any) -> dict[str, Any]:
    """Return a Kubernetes object of the stack."""
    metadata = {
        "namespace": namespace,
        "name": name,
        "generation": 1,
        "creationTimestamp": stamp(48),
        "labels": {"app.kubernetes.io/managed-by": "pulumi"},
    }
    return {"kind": kind, "metadata": metadata, **fields}


def resource(kind: str, namespace: str, name: str) -> dict[str, Any]:
    """Return a resource of the engine's state."""
    outputs = {"metadata": {"namespace": namespace, "name": name}}
    urn = f"urn:pulumi:local::aegis::kubernetes:apps/v1:{kind}::{name}-server"
    return {"type": f"kubernetes:apps/v1:{kind}", "urn": urn, "outputs": outputs}


def objects() -> list[dict[str, Any]]:
    """Return the objects of a platform with MLflow, the gateway, a served model and a backup."""
    template = {"spec": {"containers": [{"image": IMAGE}]}}
    ready = {"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 2}
    container = {"name": "mlflow", "restartCount": 1, "state": {"running": {}}}
    ended = {"terminated": {"reason": "OOMKilled", "finishedAt": stamp(5)}}
    return [
        *({"kind": "Namespace", "metadata": {"name": name}} for name in ("mlflow", "serving")),
        *(
            thing(kind, namespace, name, spec={"replicas": 2, "template": template}, status=dict(ready))
            for kind, namespace, name in (
                ("Deployment", "mlflow", "mlflow"),
                ("Deployment", "mlflow", "gateway"),
                ("Deployment", "serving", contracts.RECONCILER),
                ("StatefulSet", "mlflow", "postgres"),
            )
        ),
        *(thing("Service", "mlflow", name) for name in ("mlflow", "gateway", "postgres", "s3")),
        thing(
            "Pod",
            "mlflow",
            "mlflow-1",
            spec={"nodeName": "node"},
            status={"phase": "Running", "containerStatuses": [container | {"lastState": ended}]},
        ),
        thing("Job", "mlflow", "upgrade-1", status={"startTime": stamp(48), "conditions": []}),
        thing(
            "CronJob",
            "mlflow",
            "backup",
            spec={"schedule": "0 2 * * *", "suspend": False},
            status={"lastSuccessfulTime": stamp(10)},
        ),
        thing("PersistentVolumeClaim", "mlflow", "data-postgres-0", status={"phase": "Bound"}),
        thing(
            "HorizontalPodAutoscaler",
            "mlflow",
            "mlflow",
            spec={"minReplicas": 2, "maxReplicas": 3, "scaleTargetRef": {"name": "mlflow"}},
            status={"currentReplicas": 2, "conditions": [{"type": "ScalingActive", "status": "True"}]},
        ),
        thing("PodDisruptionBudget", "mlflow", "mlflow", status={"expectedPods": 2, "disruptionsAllowed": 1}),
        *(
            thing(
                "NetworkPolicy",
                namespace,
                "default-deny",
                spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
            )
            for namespace in ("mlflow", "serving")
        ),
        thing("ConfigMap", "mlflow", "signing-keys", data={"signing-keys.pem": f"{KEYS}\n"}),
    ]


def api() -> dict[str, Any]:
    """Return what the API server has at its paths: one ready node, and the sizes of its volumes."""
    pressures = [{"type": f"{what}Pressure", "status": "False"} for what in ("Memory", "Disk", "PID")]
    node = {"metadata": {"name": "node"}, "status": {"conditions": [{"type": "Ready", "status": "True"}, *pressures]}}
    claim = {"namespace": "mlflow", "name": "data-postgres-0"}
    volume = {"pvcRef": claim, "capacityBytes": 100, "availableBytes": 60}
    return {
        "/version": {"gitVersion": "v1.34.3"},
        "/api/v1/nodes": {"items": [node]},
        "/api/v1/nodes/node/proxy/stats/summary": {"pods": [{"volume": [volume]}]},
    }


def scripts() -> dict[str, Any]:
    """Return what the scripts in the pods print."""
    clock = NOW.timestamp()
    return {
        "network": lambda target: "open" if target.startswith(("postgres", "s3")) else "Connection refused",
        "database": {
            "database_clock": clock,
            "pod_clock": clock,
            "revision": "abc",
            "head": "abc",
            "connections": 40,
            "most_connections": 160,
            "pool": {"workers": 4, "size": 8, "overflow": 1},
        },
        "store": {
            "bucket": "mlflow-artifacts",
            "object": STORED,
            "store_clock": clock,
            "pod_clock": clock,
            "direct": True,
            "presigned": PRESIGNED,
        },
        "signatures": {
            "aliases": [{"model": "m", "alias": "champion", "version": "1", "guarded": True, "reason": None}],
            "unchecked": 0,
        },
        "served": [
            {
                "model": "m",
                "wanted_version": "1",
                "served_version": "1",
                "verified": True,
                "state": "serving",
                "reason": "",
            }
        ],
    }


def answers() -> dict[str, Any]:
    """Return the answers of the servers to this machine."""
    buckets = ("mlflow-artifacts", "mlflow-backups", "mlflow-releases")
    key = '{"data": {"exportable": false, "latest_version": 2, "min_decryption_version": 1}}'
    return {
        f"{MLFLOW}/health": Answer(status=200, text="OK", date=NOW, asked_at=NOW),
        f"{MLFLOW}/api/2.0/mlflow/experiments/search?max_results=1": Answer(status=200, text='{"experiments": []}'),
        f"{MLFLOW}/": Answer(status=200, text="<!doctype html><html>"),
        f"{GATEWAY}/readyz": Answer(status=200),
        f"{VAULT}/v1/sys/health?standbyok=true&perfstandbyok=true": Answer(status=200),
        f"{VAULT}/v1/transit/keys/aegis-cosign": Answer(status=200, text=key),
        PRESIGNED: Answer(status=404),
        **{f"{S3}/{bucket}?list-type=2&max-keys=1": Answer(status=403) for bucket in buckets},
        f"{S3}/mlflow-artifacts/mlflow/0/model%20a.pkl": Answer(status=403),
        **{f"{S3}/{bucket}/aegis-doctor": Answer(status=403) for bucket in buckets},
    }
