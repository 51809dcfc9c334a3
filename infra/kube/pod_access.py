"""Access of pods to AWS and the database: the service account, the token for AWS, and the database's CA."""

from collections.abc import Sequence
from typing import Final, cast

from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    EnvVarArgsDict,
    PodSpecArgsDict,
    VolumeArgsDict,
    VolumeMountArgsDict,
)

import contracts
from infra.kube.pods import environment
from infra.links import DatabaseAddress, Identity

# The name that EKS's own webhook uses. The webhook doesn't change a pod that has such a volume:
# https://github.com/aws/amazon-eks-pod-identity-webhook
_TOKEN_VOLUME: Final = "aws-iam-token"  # noqa: S105 - a name
# Seconds, as the webhook requests. The kubelet renews the token after four fifths of that.
_TOKEN_LIFETIME: Final = 86400


def with_access(
    spec: PodSpecArgsDict, *, identity: Identity | None = None, database: DatabaseAddress | None = None
) -> PodSpecArgsDict:
    """Return the pod `spec` with the service account, token and variables of `identity`, and the CA of `database`."""
    if database is not None and database.authorities is not None:
        folder, _, file = contracts.DATABASE_CA_PATH.rpartition("/")
        authorities: VolumeArgsDict = {
            "name": "database-authorities",
            "config_map": {"name": database.authorities, "items": [{"key": "ca.pem", "path": file}]},
        }
        spec = mounted(spec, authorities, folder)
    if identity is None:
        return spec
    spec = {**spec, "service_account_name": identity.service_account}
    if identity.role_arn is None:
        return spec
    spec = mounted(spec, _aws_token(), contracts.AWS_TOKEN_FOLDER)
    return {**spec, "containers": [_with_variables(each, identity) for each in _containers(spec)]}


def _aws_token() -> VolumeArgsDict:
    return {
        "name": _TOKEN_VOLUME,
        "projected": {
            "sources": [
                {
                    "service_account_token": {
                        "audience": contracts.AWS_TOKEN_AUDIENCE,
                        "expiration_seconds": _TOKEN_LIFETIME,
                        "path": "token",
                    }
                }
            ]
        },
    }


def mounted(spec: PodSpecArgsDict, volume: VolumeArgsDict, folder: str) -> PodSpecArgsDict:
    """Return the pod `spec` with `volume`, mounted read-only at `folder` in all containers."""
    mount = cast("VolumeMountArgsDict", {"name": volume.get("name"), "mount_path": folder, "read_only": True})
    volumes = cast("Sequence[VolumeArgsDict]", spec.get("volumes", ()))
    containers: list[ContainerArgsDict] = [
        {**each, "volume_mounts": [*cast("Sequence[VolumeMountArgsDict]", each.get("volume_mounts", ())), mount]}
        for each in _containers(spec)
    ]
    return {**spec, "volumes": [*volumes, volume], "containers": containers}


def _with_variables(container: ContainerArgsDict, identity: Identity) -> ContainerArgsDict:
    own = cast("Sequence[EnvVarArgsDict]", container.get("env", ()))
    # The container's own variables win: the API server refuses a name that appears twice.
    names = {each.get("name") for each in own}
    added = [each for each in environment(identity.environment()) if each.get("name") not in names]
    return {**container, "env": [*own, *added]}


def _containers(spec: PodSpecArgsDict) -> Sequence[ContainerArgsDict]:
    return cast("Sequence[ContainerArgsDict]", spec["containers"])
