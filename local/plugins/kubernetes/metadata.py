"""Defaults for the metadata of an object: its name and namespace."""

from local.plugins.kubernetes import objects
from local.plugins.kubernetes.client import Object
from local.plugins.kubernetes.cluster import Cluster
from local.plugins.naming import unique
from local.plugins.provider import PluginError, Request
from local.plugins.values import Tree


def complete(plain: Object, old: Object, request: Request, cluster: Cluster) -> Tree:
    """Return the metadata completed with a name and a namespace. An old generated name is kept.

    Raises:
        PluginError: the program sets generateName, which server-side apply doesn't support.
    """
    meta = plain.get("metadata") or {}
    if not isinstance(meta, dict):
        return meta
    if meta.get("generateName") is not None:
        message = "metadata.generateName isn't supported with server-side apply; leave the name out instead"
        raise PluginError(message)
    meta = dict(meta)
    if meta.get("name") is None:
        generated = objects.name(old) if objects.annotated(old, objects.AUTONAMED) else ""
        meta["name"] = generated or unique(f"{request.name}-", request.seed)
        annotations = meta.get("annotations") or {}
        if isinstance(annotations, dict):
            meta["annotations"] = annotations | {objects.AUTONAMED: "true"}
    if meta.get("namespace") is None and cluster.namespaced(plain["apiVersion"], plain["kind"]):
        meta["namespace"] = cluster.default_namespace
    return meta
