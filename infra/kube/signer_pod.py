"""Pods that sign: their token for Vault, Vault's certificate authorities, and the keys of the releases bucket."""

from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap, EnvFromSourceArgsDict, PodSpecArgsDict, Secret, VolumeArgsDict

import contracts
from infra.kube.pod_access import mounted
from infra.kube.pods import from_secret, metadata
from infra.links import Bucket, VaultLogin

# Seconds, the minimum of Kubernetes: a Job logs in only once, and the kubelet renews the token until then.
_TOKEN_LIFETIME: Final = 600


def signer_environment(tracking_uri: str, vault: VaultLogin, releases: Bucket) -> dict[str, pulumi.Input[str]]:
    """Return the environment variables of a pod that signs, and keeps in the releases bucket what it signed."""
    return {
        contracts.Env.TRACKING_URI: tracking_uri,
        **vault.environment(),
        contracts.Env.RELEASES_BUCKET: releases.bucket,
        **releases.environment(),
    }


def bucket_keys(
    name: str, namespace: pulumi.Input[str], component: str, bucket: Bucket, opts: ResourceOptions
) -> list[EnvFromSourceArgsDict]:
    """Return the source of the bucket's keys in a container's environment; none if the pod uses an IAM role."""
    if bucket.keys is None:
        return []
    secret = Secret(
        f"{name}-bucket-keys",
        metadata=metadata(namespace, component),
        string_data=bucket.secrets(),
        opts=opts,
    )
    return [from_secret(secret.metadata.name)]


def with_vault(
    spec: PodSpecArgsDict,
    name: str,
    namespace: pulumi.Input[str],
    component: str,
    vault: VaultLogin,
    opts: ResourceOptions,
) -> PodSpecArgsDict:
    """Return the pod `spec` with a token for Vault, and with the certificates that verify Vault if it needs any."""
    spec = mounted(spec, _vault_token(), contracts.VAULT_TOKEN_PATH.rpartition("/")[0])
    if vault.authorities is None:
        return spec
    folder, _, file = contracts.VAULT_CA_PATH.rpartition("/")
    authorities = ConfigMap(
        f"{name}-vault-authorities",
        metadata=metadata(namespace, component),
        data={file: vault.authorities},
        opts=opts,
    )
    return mounted(spec, {"name": "vault-authorities", "config_map": {"name": authorities.metadata.name}}, folder)


def _vault_token() -> VolumeArgsDict:
    """Return the volume of the pod's token for Vault: the API server doesn't accept it, and it expires soon."""
    return {
        "name": "vault-token",
        "projected": {
            "sources": [
                {
                    "service_account_token": {
                        "audience": contracts.VAULT_TOKEN_AUDIENCE,
                        "expiration_seconds": _TOKEN_LIFETIME,
                        "path": contracts.VAULT_TOKEN_PATH.rpartition("/")[2],
                    }
                }
            ]
        },
    }
