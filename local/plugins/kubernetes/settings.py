"""The provider's own inputs: the cluster, and how to treat the objects in it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.plugins.kubernetes import kubeconfig
from local.plugins.kubernetes.kubeconfig import Access
from local.plugins.provider import PluginError
from local.plugins.values import UNKNOWN, Bag, reveal_bag

# Inputs that only the official plugin supports.
_UNSUPPORTED: Final = ("renderYamlToDirectory", "alwaysRender")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The validated inputs of the provider."""

    access: Access
    # The default namespace of objects.
    namespace: str | None = None
    config_map_mutable: bool = False
    secret_mutable: bool = False
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False
    suppress_deprecation_warnings: bool = False
    server_side_apply: bool = True
    # Whether to take fields over from other managers; None leaves it to each object's annotation. The provider has an
    # input for it only since 4.29.0.
    patch_force: bool | None = None


def read(config: Bag, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the inputs. The official plugin's environment variables fill in missing ones.

    Raises:
        PluginError: an input is invalid.
    """
    bare = reveal_bag(config)
    for name in _UNSUPPORTED:
        if _flag(name, bare.get(name)):
            message = f"kubernetes: only the official plugin supports {name}"
            raise PluginError(message)

    def flag(name: str, variable: str, *, default: bool = False) -> bool:
        value = bare.get(name)
        return _flag(name, environment.get(variable) if value is None else value, default=default)

    force = environment.get("PULUMI_K8S_ENABLE_PATCH_FORCE")
    return Settings(
        access=kubeconfig.load(bare.get("kubeconfig"), bare.get("context"), bare.get("cluster")),
        namespace=bare.get("namespace") or None,
        config_map_mutable=flag("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
        secret_mutable=flag("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
        delete_unreachable=flag("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
        skip_update_unreachable=flag("skipUpdateUnreachable", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"),
        suppress_deprecation_warnings=flag("suppressDeprecationWarnings", "PULUMI_K8S_SUPPRESS_DEPRECATION_WARNINGS"),
        server_side_apply=flag("enableServerSideApply", "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY", default=True),
        patch_force=None if force is None else force == "true",
    )


def _flag(name: str, value: Any, *, default: bool = False) -> bool:  # noqa: ANN401 - any value of the program.
    """Read a boolean, which the SDK sends as a string."""
    words = {None: default, "": default, "true": True, "1": True, "false": False, "0": False, True: True, False: False}
    key = value.lower() if isinstance(value, str) else value
    if key not in words:
        message = f"kubernetes: {name} must be true or false, got {value!r}"
        raise PluginError(message)
    return words[key]


def moved(old: Bag, new: Bag) -> bool:
    """Return whether the inputs changed to a different cluster.

    If both have a `clusterIdentifier`, only that is compared. Adding or removing one doesn't count as a change.
    """
    before, after = reveal_bag(old), reveal_bag(new)
    if after.get("clusterIdentifier") and before.get("clusterIdentifier"):
        return before["clusterIdentifier"] != after["clusterIdentifier"]
    names = ("kubeconfig", "context", "cluster")
    if UNKNOWN in [after.get(name) for name in names]:
        return False
    try:
        return _server(before) != _server(after)
    except PluginError:
        # An unreadable kubeconfig doesn't mean that the cluster changed.
        return False


def _server(bare: Bag) -> str:
    return kubeconfig.load(bare.get("kubeconfig"), bare.get("context"), bare.get("cluster")).server
