"""The Kubernetes objects of a served model, as dictionaries for server-side apply."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import contracts
from workloads.serving.rollout import names
from workloads.serving.rollout.plan import Track
from workloads.serving.rollout.pods import FINAL_CODES, KSERVE_SERVER, SERVER, Object, delivery_pod, server_pod
from workloads.serving.rollout.site import Site
from workloads.serving.rollout.situation import CANARY_ROUTE
from workloads.serving.wanted import Resources

KSERVE: Final = "serving.kserve.io/v1beta1"
# Seconds for which a new server must stay ready before it counts.
_SETTLED: Final = 2
_DELIVERY_ATTEMPTS: Final = 3
# A change of the resources starts each new pod before it stops an old one.
_STRATEGY: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def volume(site: Site, model: str, version: str) -> Object:
    """Return the claim of the volume with a version's files."""
    return _object(
        "v1", "PersistentVolumeClaim", names.volume(model, version), site, names.labels(model, version), model
    ) | {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": site.volume_size}},
            **({"storageClassName": site.storage_class} if site.storage_class else {}),
        }
    }


def delivery(site: Site, model: str, version: str, seconds: float) -> Object:
    """Return the Job that delivers a version within `seconds`. It tries again, unless the version doesn't verify."""
    labels = names.labels(model, version, contracts.DELIVERY_PART)
    return _object("batch/v1", "Job", names.delivery(model, version), site, labels, model) | {
        "spec": {
            "backoffLimit": _DELIVERY_ATTEMPTS - 1,
            "activeDeadlineSeconds": round(seconds),
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": list(FINAL_CODES)}},
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "template": {"metadata": {"labels": labels}, "spec": delivery_pod(site, model, version)},
        }
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Servers:
    """The servers of a version; `percent` is a canary's share. See `pods.server_pod` for the others."""

    model: str
    version: str
    resources: Resources
    replicas: int
    track: Track
    start: float
    image: str | None = None
    content: str | None = None
    percent: int | None = None


def servers(site: Site, wanted: Servers) -> Object:
    """Return what runs a version's servers: a Deployment, or KServe's InferenceService."""
    model, version = wanted.model, wanted.version
    labels = names.labels(model, version, contracts.SERVER_PART)
    found = _object(
        KSERVE if site.kserve else "apps/v1",
        "InferenceService" if site.kserve else "Deployment",
        names.server(model, version),
        site,
        labels | {names.TRACK: wanted.track},
        model,
    )
    pod = server_pod(
        site,
        model,
        version,
        wanted.resources,
        start=wanted.start,
        image=wanted.image,
        content=wanted.content,
        server=KSERVE_SERVER if site.kserve else SERVER,
    )
    if site.kserve:
        return _in_raw_mode(found, wanted, {"labels": labels, **pod})
    return found | {
        "spec": {
            "replicas": wanted.replicas,
            "minReadySeconds": _SETTLED,
            "revisionHistoryLimit": 2,
            "strategy": _STRATEGY,
            "selector": {"matchLabels": _selector(model, version)},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
    }


def service(site: Site, model: str, route: str) -> Object:
    """Return the Service of a model, which sends requests to one version or to the opened pods."""
    shared = {names.MODEL: names.label(model), contracts.SERVING_PART_LABEL: contracts.SERVER_PART}
    selector = shared | ({names.TRAFFIC: names.OPEN} if route == CANARY_ROUTE else {names.VERSION: route})
    port = contracts.MODEL_SERVER_PORT
    return _object("v1", "Service", names.label(model), site, names.labels(model), model) | {
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [{"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}],
        }
    }


def disruption_budget(site: Site, model: str, version: str) -> Object:
    """Return the limit for drained nodes: one server of a version at a time."""
    labels = names.labels(model, version)
    return _object("policy/v1", "PodDisruptionBudget", names.server(model, version), site, labels, model) | {
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": _selector(model, version)},
        }
    }


def config_map(namespace: str, name: str, labels: Mapping[str, str], data: Mapping[str, str]) -> Object:
    """Return a ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "data": dict(data),
    }


def _in_raw_mode(found: Object, wanted: Servers, pod: Object) -> Object:
    """Complete an InferenceService whose pods our Service selects.

    Raw mode has no canary of its own: `canaryTrafficPercent` states the share, and our Service makes it.
    """
    found["metadata"]["annotations"] |= {
        "serving.kserve.io/deploymentMode": "RawDeployment",
        "serving.kserve.io/autoscalerClass": "none",
    }
    canary = {"canaryTrafficPercent": wanted.percent} if wanted.track == "canary" and wanted.percent else {}
    replicas = {"minReplicas": wanted.replicas, "maxReplicas": wanted.replicas}
    return found | {"spec": {"predictor": {**replicas, **canary, "deploymentStrategy": _STRATEGY, **pod}}}


def _selector(model: str, version: str) -> dict[str, str]:
    return {
        names.MODEL: names.label(model),
        names.VERSION: version,
        contracts.SERVING_PART_LABEL: contracts.SERVER_PART,
    }


def _object(api: str, kind: str, name: str, site: Site, labels: Mapping[str, str], model: str) -> dict[str, Any]:
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": site.namespace,
            "labels": dict(labels),
            "annotations": {names.MODEL_NAME: model},
        },
    }
