"""A Kubernetes API server in memory, with what its controllers and kubelets would do to Jobs and Deployments."""

import copy
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from lightkube import AsyncClient, Client
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster, User

Object = dict[str, Any]

_VERSION = "aegis.serving/version"


@dataclass
class FakeKubernetes(httpx2.AsyncBaseTransport):
    """`objects` are by plural and name, all in one namespace. `refuse` makes every request fail.

    Deliveries of the versions in `altered` end with the exit code for what doesn't verify. Servers of those in
    `unready` never answer.
    """

    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    altered: set[str] = field(default_factory=set)
    unready: set[str] = field(default_factory=set)
    refuse: bool = False
    writes: list[str] = field(default_factory=list)
    _version: int = 0

    def client(self, namespace: str = "serving") -> AsyncClient:
        config = KubeConfig.from_one(cluster=Cluster(server="http://kubernetes"), user=User(token="x")).get()
        return AsyncClient(config=config, namespace=namespace, transport=self, trust_env=False, lazy=False)

    def of(self, plural: str) -> dict[str, Object]:
        return {name: each for (kind, name), each in self.objects.items() if kind == plural}

    def put(self, plural: str, each: Object) -> None:
        self._store((plural, each["metadata"]["name"]), copy.deepcopy(each))

    def blocking_client(self, namespace: str = "serving") -> Client:
        config = KubeConfig.from_one(cluster=Cluster(server="http://kubernetes"), user=User(token="x")).get()
        return Client(config=config, namespace=namespace, transport=httpx2.MockTransport(self.respond), trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self.respond(request)

    def respond(self, request: httpx2.Request) -> httpx2.Response:
        if self.refuse:
            raise httpx2.ConnectError("connection refused")
        url = urlsplit(str(request.url))
        parts = url.path.split("/")
        start = parts.index("namespaces") + 2
        plural, name = parts[start], parts[start + 1] if len(parts) > start + 1 else None
        if request.method != "GET":
            self.writes.append(f"{request.method} {plural} {name or ''}".strip())
        query = parse_qs(url.query)
        before = dict(self.objects)
        status, body = self._answer(request, plural, name, query)
        if "dryRun" in query:
            self.objects = before
        return httpx2.Response(status, json=body, request=request)

    def progress(self) -> None:
        """Let the controllers and kubelets do their work."""
        for job in self.of("jobs").values():
            self._run(job)
        for deployment in list(self.of("deployments").values()):
            self._scale(deployment)
        running = {*self.of("deployments"), *self.of("jobs")}
        for name in list(self.of("pods")):
            if name.rpartition("-")[0] not in running:
                del self.objects["pods", name]

    def _answer(
        self, request: httpx2.Request, plural: str, name: str | None, query: dict[str, list[str]]
    ) -> tuple[int, Object]:
        body = json.loads(request.content or "null")
        match request.method, name:
            case "GET", None:
                found = [
                    each for each in self.of(plural).values() if _matches(each, query.get("labelSelector", [""])[0])
                ]
                return 200, {"kind": "List", "metadata": {}, "items": copy.deepcopy(found)}
            case "POST", None:
                key = (plural, body["metadata"]["name"])
                return _error(409) if key in self.objects else (201, self._store(key, body))
            case "PATCH", str(name) if request.headers["content-type"].startswith("application/apply-patch"):
                return 200, self._apply((plural, name), body)
        if name is None or (plural, name) not in self.objects:
            return _error(404)
        return self._change(request.method, (plural, name), body)

    def _change(self, method: str, key: tuple[str, str], body: Object) -> tuple[int, Object]:
        present = self.objects[key]
        match method:
            case "GET":
                return 200, copy.deepcopy(present)
            case "DELETE":
                return 200, self.objects.pop(key)
            case "PUT":
                if body["metadata"].get("resourceVersion") != present["metadata"]["resourceVersion"]:
                    return _error(409)
                return 200, self._store(key, body)
            case _:
                return 200, self._store(key, _merged(present, body))

    def _apply(self, key: tuple[str, str], body: Object) -> Object:
        """Set the fields of an object that one manager owns."""
        present = self.objects.get(key)
        if present is None:
            return self._store(key, body)
        wanted = copy.deepcopy(present) | {part: body[part] for part in ("spec", "data") if part in body}
        wanted["metadata"] |= {part: body["metadata"].get(part) or {} for part in ("labels", "annotations")}
        return self._store(key, wanted)

    def _store(self, key: tuple[str, str], each: Object) -> Object:
        self._version += 1
        before = self.objects.get(key, {})
        generation = before.get("metadata", {}).get("generation", 0) + (before.get("spec") != each.get("spec"))
        each["metadata"] |= {"resourceVersion": str(self._version), "generation": generation}
        self.objects[key] = each
        return copy.deepcopy(each)

    def _run(self, job: Object) -> None:
        labels = job["metadata"]["labels"]
        if job.get("status"):
            return
        bad = labels[_VERSION] in self.altered
        job["status"] = {"conditions": [{"type": "Failed" if bad else "Complete", "status": "True"}]}
        ended = {"exitCode": 4, "message": "error: weights.bin was changed"} if bad else {"exitCode": 0}
        status = {"containerStatuses": [_container("deliver", {"terminated": ended})]}
        self.put("pods", {"metadata": {"name": f"{job['metadata']['name']}-x", "labels": labels}, "status": status})

    def _scale(self, deployment: Object) -> None:
        name, spec = deployment["metadata"]["name"], deployment["spec"]
        labels = spec["template"]["metadata"]["labels"]
        ready = labels[_VERSION] not in self.unready
        for number in range(spec["replicas"]):
            pod = self.objects.get(("pods", f"{name}-{number}")) or {
                "metadata": {"name": f"{name}-{number}", "labels": dict(labels)}
            }
            pod["status"] = {
                "podIP": f"10.0.{labels[_VERSION]}.{number}",
                "conditions": [{"type": "Ready", "status": str(ready)}],
                "containerStatuses": [_container("server", {})],
            }
            self.objects["pods", f"{name}-{number}"] = pod
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "availableReplicas": spec["replicas"] if ready else 0,
            "updatedReplicas": spec["replicas"],
        }


def _container(name: str, state: Object) -> Object:
    return {"name": name, "image": "x", "imageID": "x", "ready": False, "restartCount": 0, "state": state}


def _matches(each: Object, selector: str) -> bool:
    labels = each["metadata"].get("labels") or {}
    return all(
        labels.get(key) == value for key, _, value in (part.partition("=") for part in selector.split(",") if part)
    )


def _merged(before: Object, change: Object) -> Object:
    merged = dict(before)
    for key, value in change.items():
        merged[key] = _merged(merged.get(key) or {}, value) if isinstance(value, dict) else value
    return merged


def _error(code: int) -> tuple[int, Object]:
    reasons = {404: "NotFound", 409: "Conflict"}
    return code, {"kind": "Status", "code": code, "reason": reasons[code], "message": reasons[code]}
