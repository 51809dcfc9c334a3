"""The reconciler: two pods, of which one leads, that make and remove the objects of served models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ContainerArgsDict, PodSpecArgsDict
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgsDict, Role, RoleBinding

import contracts
from infra.kube.pod_access import with_access
from infra.kube.pods import Resources, container, environment, http_probe, metadata, pod
from infra.kube.services import internal_service
from infra.kube.signer_pod import bucket_keys, signer_environment, with_vault
from infra.kube.signing_keys import with_keys
from infra.kube.web_service import WebServiceArgs, web_service
from infra.limits.flows import RECONCILER_PODS, Traffic
from infra.limits.quantities import mebibytes
from infra.links import Bucket, Identity, VaultLogin

COMPONENT: Final = RECONCILER_PODS.component

_REPLICAS: Final = 2
# It waits most of the time.
_RESOURCES: Final = Resources(cpu="10m", memory="128Mi", cpu_limit="1", memory_limit="1Gi")
_LEAST_TMP_SIZE: Final = "4Gi"
# The files of a version are verified while those of another one may still be there.
_COPIES: Final = 2
_READ: Final = ("get", "list", "watch")
# Server-side apply creates by a patch, for which the API server asks for both rights.
_MAKE: Final = (*_READ, "create", "patch", "delete")


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """How a version reaches the pods that serve it: a volume, or an image in a repository.

    A version has `volume_size`, such as 2Gi, for its files: on a volume of a StorageClass, or on the disk of a node
    while its image is made.
    """

    kind: Literal["volume", "image"]
    volume_size: str
    storage_class: str | None = None
    repository: pulumi.Input[str] | None = None

    def environment(self) -> dict[str, pulumi.Input[str]]:
        """Return the environment variables that the reconciler reads."""
        variables: dict[str, pulumi.Input[str]] = {
            contracts.Env.SERVING_DELIVERY: self.kind,
            contracts.Env.SERVING_VOLUME_SIZE: self.volume_size,
        }
        if self.storage_class is not None:
            variables[contracts.Env.SERVING_STORAGE_CLASS] = self.storage_class
        if self.repository is not None:
            variables[contracts.Env.SERVING_REPOSITORY] = self.repository
        return variables


@dataclass(frozen=True, kw_only=True, slots=True)
class ReconcilerArgs:
    """Arguments of `Reconciler`.

    `unverified` is what becomes of a served version that doesn't verify any more, and `kserve` is auto or off. New
    servers must be ready after `start_timeout` seconds. `watch` are the variables of the model servers.
    `largest_artifact` is the size of the largest model.
    """

    namespace: pulumi.Input[str]
    image: str
    tracking_uri: str
    vault: VaultLogin
    identity: Identity
    bucket: Bucket
    delivery: Delivery
    unverified: Literal["keep", "remove"]
    start_timeout: int
    kserve: Literal["auto", "off"]
    watch: Mapping[str, str]
    traffic: Traffic
    largest_artifact: str


class Reconciler(pulumi.ComponentResource):
    """The reconciler behind the Service `serving-reconciler`, with its rights in the namespace."""

    def __init__(self, name: str, args: ReconcilerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Reconciler", name, {}, opts)
        child = ResourceOptions(parent=self)
        internal_service(f"{name}-service", args.namespace, COMPONENT, contracts.RECONCILER_PORT, child)
        rights = _bind(name, args, child)
        web_service(
            name,
            WebServiceArgs(
                namespace=args.namespace,
                pod=_pod(name, args, child),
                traffic=args.traffic,
                replicas=_REPLICAS,
                min_available=1,
            ),
            self,
            depends_on=[rights],
        )
        self.register_outputs({})


def rules(kserve: Literal["auto", "off"]) -> Sequence[PolicyRuleArgsDict]:
    """Return what the reconciler may do, all of it in its own namespace.

    Every client may ask the API server for the groups that it knows, so finding out about KServe needs no right.
    """
    made: Mapping[str, Sequence[str]] = {
        # The ConfigMaps hold what it has to remember when another pod leads.
        "": ("services", "persistentvolumeclaims", "configmaps"),
        "apps": ("deployments",),
        "batch": ("jobs",),
        "policy": ("poddisruptionbudgets",),
        **({"serving.kserve.io": ("inferenceservices",)} if kserve == "auto" else {}),
    }
    return [
        *(_rule(group, resources, _MAKE) for group, resources in made.items()),
        # It labels the pods that answer while a version is tried.
        _rule("", ("pods",), (*_READ, "patch")),
        _rule("coordination.k8s.io", ("leases",), ("create",)),
        {
            **_rule("coordination.k8s.io", ("leases",), ("get", "update", "patch")),
            "resource_names": [contracts.RECONCILER],
        },
    ]


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str]) -> PolicyRuleArgsDict:
    return {"api_groups": [group], "resources": list(resources), "verbs": list(verbs)}


def _bind(name: str, args: ReconcilerArgs, opts: ResourceOptions) -> RoleBinding:
    role = Role(
        f"{name}-rights", metadata=metadata(args.namespace, COMPONENT, COMPONENT), rules=rules(args.kserve), opts=opts
    )
    return RoleBinding(
        f"{name}-binding",
        metadata=metadata(args.namespace, COMPONENT, COMPONENT),
        role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": role.metadata.name},
        subjects=[{"kind": "ServiceAccount", "name": args.identity.service_account, "namespace": args.namespace}],
        opts=ResourceOptions.merge(opts, ResourceOptions(delete_before_replace=True)),
    )


def _pod(name: str, args: ReconcilerArgs, opts: ResourceOptions) -> PodSpecArgsDict:
    tmp_size = max(_LEAST_TMP_SIZE, f"{_COPIES * mebibytes(args.largest_artifact)}Mi", key=mebibytes)
    # The token for the API server is mounted, as it makes objects there.
    spec = with_keys(pod(_container(name, args, opts), tmp_size=tmp_size, mount_token=True))
    spec = with_vault(spec, name, args.namespace, COMPONENT, args.vault, opts)
    return with_access(spec, identity=args.identity)


def _container(name: str, args: ReconcilerArgs, opts: ResourceOptions) -> ContainerArgsDict:
    port = contracts.RECONCILER_PORT
    return {
        **container(
            COMPONENT,
            args.image,
            _RESOURCES,
            command=["python", "-m", "workloads.serving.reconciler"],
            env=environment(_variables(args)),
            env_from=bucket_keys(name, args.namespace, COMPONENT, args.bucket, opts),
        ),
        "ports": [{"name": "status", "container_port": port}],
        "startup_probe": http_probe("/livez", port, period=3, failures=40),
        "liveness_probe": http_probe("/livez", port, period=15, failures=4),
        "readiness_probe": http_probe("/readyz", port, period=5, failures=3),
    }


def _variables(args: ReconcilerArgs) -> dict[str, pulumi.Input[str]]:
    return {
        **signer_environment(args.tracking_uri, args.vault, args.bucket),
        contracts.Env.TRUSTED_KEYS: contracts.SIGNING_KEYS_FOLDER,
        contracts.Env.SERVING_NAMESPACE: contracts.SERVING_NAMESPACE,
        contracts.Env.SERVING_IMAGE: args.image,
        **args.delivery.environment(),
        contracts.Env.SERVING_UNVERIFIED: args.unverified,
        contracts.Env.SERVING_START_SECONDS: str(args.start_timeout),
        contracts.Env.SERVING_KSERVE: args.kserve,
        **args.watch,
    }
