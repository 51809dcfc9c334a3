"""Compare the platform's tracking server under many clients with a plain `mlflow server` and its default pool.

Both run in the cluster: from the same image, with the same number of pods, workers, CPUs and memory, on the same
database. They differ only in what the platform adds. The benchmark checks this promise: no request of 256 writers and
16 searchers fails, the throughput is at least the plain server's, and no point is lost when the database restarts.
"""

import argparse
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import contracts
from benchmarks.load import Load, Outcome
from local import cli, env
from local.errors import LocalError

PLAIN: Final = "plain mlflow server"
OURS: Final = "Aegis"
_NAME: Final = "bench-plain"
_NAMESPACE: Final = contracts.MLFLOW_NAMESPACE
_EPILOG: Final = """\
Needs the platform of `make up`, and removes what it adds to it. Exits with 1 if a request to the platform failed, a
point was lost, or the platform's throughput is below the plain server's. Times on a busy machine mean little; the
ratios of one run are comparable.

example:
  python -m benchmarks.bench_load --writers 64 --seconds 20 --json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run both sides and print the table."""
    parser = cli.parser("benchmarks.bench_load", __doc__ or "", _EPILOG)
    parser.add_argument("--writers", type=int, default=256, help="clients that log batches")
    parser.add_argument("--searchers", type=int, default=16, help="clients that search runs")
    parser.add_argument("--seconds", type=float, default=30, help="seconds for each side")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args(argv)
    cluster = _Cluster()
    with cluster.plain_server() as plain:
        sides = {PLAIN: plain, OURS: cluster.address("mlflow")}
        outcomes = {name: _load(arguments, url).run() for name, url in sides.items()}
    restarted = _load(arguments, sides[OURS], repeat=True).run(cluster.restart_database)
    if arguments.json:
        print(
            json.dumps({name: asdict(each) for name, each in [*outcomes.items(), ("restarted", restarted)]}, indent=2)
        )
    else:
        _show(arguments, outcomes, restarted)
    ours = outcomes[OURS]
    passed = not ours.refused and not ours.lost and ours.throughput >= outcomes[PLAIN].throughput
    return 0 if passed and not restarted.lost and not restarted.refused else 1


def _load(arguments: argparse.Namespace, url: str, *, repeat: bool = False) -> Load:
    return Load(
        url,
        writers=arguments.writers,
        searchers=arguments.searchers,
        seconds=arguments.seconds,
        repeat=repeat,
    )


def _show(arguments: argparse.Namespace, outcomes: Mapping[str, Outcome], restarted: Outcome) -> None:
    print(f"{arguments.writers} writers and {arguments.searchers} searchers for {arguments.seconds:.0f} s each")
    print(f"{'':24} {'batches/s':>9} {'p50':>7} {'p95':>7} {'p99':>7} {'search p50':>10}  refused")
    for name, each in [*outcomes.items(), (f"{OURS}, database restarted", restarted)]:
        refused = ", ".join(f"{number} x {reason}" for reason, number in each.refused.items()) or "none"
        lost = f", {each.lost} points lost" if each.lost else ""
        print(
            f"{name:24} {each.throughput:9.1f} {each.median:6.2f}s {each.percentile(0.95):6.2f}s "
            f"{each.percentile(0.99):6.2f}s {each.median_search:9.2f}s  {refused}{lost}"
        )
    print(f"ratio of throughput: {outcomes[OURS].throughput / outcomes[PLAIN].throughput:.2f}")


class _Cluster:
    """The platform's cluster, through kubectl."""

    def __init__(self) -> None:
        self._environment = env.engine_environment()

    def address(self, service: str) -> str:
        """Return the address of a Service from this machine."""
        return f"http://{self._get('service', service)['spec']['clusterIP']}:{contracts.MLFLOW_PORT}"

    @contextlib.contextmanager
    def plain_server(self) -> Iterator[str]:
        """Run the plain server for the time of the context."""
        objects = self._plain_objects()
        self._kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        try:
            self._kubectl("rollout", "status", f"deployment/{_NAME}", "--timeout=300s")
            yield self.address(_NAME)
        finally:
            kinds = "deployment,service,secret,networkpolicy"
            self._kubectl("delete", kinds, f"--selector=bench={_NAME}", "--ignore-not-found")

    def restart_database(self) -> None:
        """Delete the database's pod, which its StatefulSet recreates."""
        self._kubectl("delete", "pod", "postgres-0", "--wait=false")

    def _plain_objects(self) -> list[dict[str, Any]]:
        ours = self._get("deployment", "mlflow")
        secret = next(s["secretRef"]["name"] for s in _container(ours)["envFrom"] if "secretRef" in s)
        uri = self._secret(secret)[contracts.Env.BACKEND_STORE_URI].replace(
            contracts.DATABASE_DRIVER, "postgresql+psycopg"
        )
        meta = {"namespace": _NAMESPACE, "name": _NAME, "labels": {"bench": _NAME}}
        selector = {"matchLabels": {"bench": _NAME}}
        template = ours["spec"]["template"]
        template["metadata"] = {"labels": {"bench": _NAME}}
        template["spec"].pop("topologySpreadConstraints", None)
        container = _container(ours)
        container["command"] = ["mlflow", "server"]
        # SQLAlchemy's defaults, which apply to a plain server.
        defaults = {"MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "5", "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "10"}
        container["env"] = [{"name": name, "value": value} for name, value in defaults.items()]
        container["env"] += [{"name": "MLFLOW_SERVER_ALLOWED_HOSTS", "value": "*"}]
        container["envFrom"] += [{"secretRef": {"name": _NAME}}]
        container["readinessProbe"]["httpGet"]["path"] = "/health"
        container.pop("lifecycle", None)
        # A small node has no CPU left to request beside the platform's own pods; the limits are the same.
        container["resources"]["requests"] = {"cpu": "10m", "memory": "256Mi"}
        policy = {"podSelector": selector, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}
        database = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "postgres"}}, "policyTypes": ["Ingress"]}
        opened = {**database, "ingress": [{"from": [{"podSelector": selector}]}]}
        spec = {"replicas": ours["status"]["replicas"], "selector": selector, "template": template}
        port = {"port": contracts.MLFLOW_PORT}
        return [
            _object("v1", "Secret", meta, stringData={contracts.Env.BACKEND_STORE_URI: uri}),
            _object("networking.k8s.io/v1", "NetworkPolicy", meta, spec=policy),
            _object("networking.k8s.io/v1", "NetworkPolicy", meta | {"name": f"{_NAME}-database"}, spec=opened),
            _object("apps/v1", "Deployment", meta, spec=spec),
            _object("v1", "Service", meta, spec={"selector": {"bench": _NAME}, "ports": [port]}),
        ]

    def _secret(self, name: str) -> dict[str, str]:
        template = '{{range $k, $v := .data}}{{$k}}={{$v | base64decode}}{{"\\n"}}{{end}}'
        text = self._kubectl("get", "secret", name, f"--output=go-template={template}")
        parts = [line.partition("=") for line in text.splitlines()]
        return {name: value for name, _, value in parts}

    def _get(self, kind: str, name: str) -> dict[str, Any]:
        return json.loads(self._kubectl("get", kind, name, "--output=json"))

    def _kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        context = [f"--context={name}"] if (name := os.environ.get(contracts.CONTEXT_ENV)) else []
        argv = ["kubectl", *context, f"--namespace={_NAMESPACE}", *arguments]
        done = subprocess.run(argv, env=self._environment, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalError(f"kubectl {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout


def _object(version: str, kind: str, metadata: Mapping[str, Any], **rest: object) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": dict(metadata), **rest}


def _container(deployment: Mapping[str, Any]) -> dict[str, Any]:
    return deployment["spec"]["template"]["spec"]["containers"][0]


if __name__ == "__main__":
    cli.run(main)
