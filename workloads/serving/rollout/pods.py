"""The pods that deliver and serve a version: Pod Security Standard `restricted`, without rights in the cluster."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import contracts
from contracts import Env
from workloads.serving.rollout import names
from workloads.serving.rollout.site import Site
from workloads.serving.wanted import Resources, cores

Object = dict[str, Any]

FOLDER: Final = "/models"
MODEL_FOLDER: Final = f"{FOLDER}/model"
VERIFY: Final = "verify"
SERVER: Final = "server"
# The name that KServe gives a special meaning: https://kserve.github.io/website/docs/model-serving
KSERVE_SERVER: Final = "kserve-container"
# Files of a version, on its volume or in the pod.
VOLUME: Final = "model"
# The user in the images of this repository.
_UID: Final = 10001
_KEYS: Final = contracts.SIGNING_KEYS_CONFIG_MAP
_LEAST_CPU_LIMIT: Final = 2
# Seconds: a stopping server answers new requests until every node knows that it stops, and then finishes what it has
# begun, for at most the time of a request.
_DRAIN: Final = 8
_REQUEST: Final = 60
_GRACE: Final = _DRAIN + _REQUEST + 7
# Restarting a pod changes neither its arguments nor the files: these exit codes are final.
FINAL_CODES: Final = (int(contracts.Exit.USAGE), int(contracts.Exit.NOT_VERIFIED))


def server_pod(
    site: Site,
    model: str,
    version: str,
    resources: Resources,
    *,
    start: float,
    image: str | None = None,
    content: str | None = None,
    server: str = SERVER,
) -> Object:
    """Return the spec of a pod that checks the files of a version and serves them.

    The server may take `start` seconds to load its model. `image` is the version's own one, with its files, else they
    are on its volume. `content` is the digest of the files that were signed, and `server` the name of the main
    container.
    """
    files = [] if image else [{"name": VOLUME, "mountPath": FOLDER, "readOnly": True}]
    verify = _container(
        VERIFY,
        image or site.image,
        [
            "workloads.serving.server.check",
            MODEL_FOLDER,
            f"--name={model}",
            *(["--content", content] if content else []),
        ],
        resources,
        env={Env.TRUSTED_KEYS: contracts.SIGNING_KEYS_FOLDER},
        mounts=[*files, _KEYS_MOUNT],
    )
    arguments = [f"--name={model}", "--version", version, "--host", "0.0.0.0"]  # noqa: S104 - the pod's own addresses
    limits = ["--drain", str(_DRAIN), "--timeout", str(_REQUEST)]
    main = _container(
        server,
        image or site.image,
        ["workloads.serving.server", MODEL_FOLDER, *arguments, *limits],
        resources,
        env=site.server_environment,
        mounts=files,
    )
    main |= {
        "ports": [{"name": "http", "containerPort": contracts.MODEL_SERVER_PORT, "protocol": "TCP"}],
        "startupProbe": _probe("/v2/health/ready", period=1, failures=max(1, round(start)), timeout=5),
        **_PROBES,
    }
    claim = {"name": VOLUME, "persistentVolumeClaim": {"claimName": names.volume(model, version), "readOnly": True}}
    return _pod([verify], main, [*([] if image else [claim]), _KEYS_VOLUME]) | {"terminationGracePeriodSeconds": _GRACE}


def delivery_pod(site: Site, model: str, version: str) -> Object:
    """Return the spec of a pod that delivers a version to its volume, or pushes an image with its files."""
    deliver = _container(
        "deliver",
        site.image,
        ["workloads.serving.delivery", "--to", FOLDER, "--", model, version],
        _DELIVERY_RESOURCES,
        env={Env.TRACKING_URI: site.tracking_uri, Env.TRUSTED_KEYS: contracts.SIGNING_KEYS_FOLDER},
        mounts=[{"name": VOLUME, "mountPath": FOLDER}, _KEYS_MOUNT],
    )
    account = {"serviceAccountName": contracts.DELIVERY_SERVICE_ACCOUNT, "restartPolicy": "Never"}
    if site.delivery == "volume":
        claim = {"name": VOLUME, "persistentVolumeClaim": {"claimName": names.volume(model, version)}}
        return _pod([], deliver, [claim, _KEYS_VOLUME]) | account
    target = ["--base", site.image, "--to", site.repository or ""]
    push = _container(
        "push",
        site.image,
        ["workloads.serving.oci", FOLDER, *target, f"--name={model}", "--version", version],
        _DELIVERY_RESOURCES,
        mounts=[{"name": VOLUME, "mountPath": FOLDER, "readOnly": True}],
    )
    # The files lie on the node's disk until the image is in its repository.
    for each in (deliver, push):
        for side in ("requests", "limits"):
            each["resources"][side]["ephemeral-storage"] = site.volume_size
    # The image's reference, which the command prints, is the message with which the container ends.
    push["command"] = ["sh", "-c", 'exec python -m "$@" > /dev/termination-log', "push", *push["command"][2:]]
    room = {"name": VOLUME, "emptyDir": {"sizeLimit": site.volume_size}}
    return _pod([deliver], push, [room, _KEYS_VOLUME]) | account


def _pod(init: Sequence[Object], main: Object, volumes: Sequence[Object]) -> Object:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _UID,
            "runAsGroup": _UID,
            "fsGroup": _UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"initContainers": list(init)} if init else {}),
        "containers": [main],
        "volumes": [*volumes, {"name": "tmp", "emptyDir": {}}],
    }


def _container(
    name: str,
    image: str,
    module: Sequence[str],
    resources: Resources,
    *,
    env: Mapping[str, str] | None = None,
    mounts: Sequence[Object] = (),
) -> Object:
    limit = max(_LEAST_CPU_LIMIT, cores(resources.cpu))
    return {
        "name": name,
        "image": image,
        # Kubernetes replaces variables in commands: a name may have a $, and one that begins with - is no option.
        "command": ["python", "-m", *(each.replace("$", "$$") for each in module)],
        "env": [{"name": key, "value": value} for key, value in sorted((env or {}).items())],
        "resources": {
            "requests": {"cpu": resources.cpu, "memory": resources.memory, "ephemeral-storage": "64Mi"},
            "limits": {"cpu": f"{limit:g}", "memory": resources.memory},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # The last line of a command that failed says why.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [*mounts, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a volume of the pod
    }


def _probe(path: str, *, period: int, failures: int, timeout: int) -> Object:
    return {
        "httpGet": {"path": path, "port": contracts.MODEL_SERVER_PORT},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
    }


_DELIVERY_RESOURCES: Final = Resources(cpu="100m", memory="1Gi")
_KEYS_MOUNT: Final = {"name": _KEYS, "mountPath": contracts.SIGNING_KEYS_FOLDER, "readOnly": True}
_KEYS_VOLUME: Final = {"name": _KEYS, "configMap": {"name": _KEYS}}
_PROBES: Final = {
    "readinessProbe": _probe("/v2/health/ready", period=2, failures=2, timeout=5),
    "livenessProbe": _probe("/v2/health/live", period=10, failures=6, timeout=5),
}
