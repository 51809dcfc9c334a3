"""The metadata that a program leaves out: the object's name and its namespace."""

from local.plugins.kubernetes import objects
from local.plugins.kubernetes.client import Object
from local.plugins.kubernetes.cluster import Cluster
from local.plugins.naming import unique
from local.plugins.provider import PluginError, Request
from local.plugins.values import Tree


def complete(plain: Object, old: Object, request: Request, cluster: Cluster) -> Tree:
    """Return the metadata with a name, the old object's own if that was made up too, and a namespace.

    Raises:
        PluginError: the program leaves the name to the API server, which applying can't.
    """
    meta = plain.get("metadata") or {}
    if not isinstance(meta, dict):
        return meta
    if meta.get("generateName") is not None:
        message = "metadata.generateName isn't supported with server-side apply; leave the name out instead"
        raise PluginError(message)
    meta = dict(meta)
    if meta.get("name") is None:
        kept = objects.name(old) if objects.annotated(old, objects.AUTONAMED) else ""
        meta["name"] = kept or unique(f"{request.name}-", request.seed)
        annotations = meta.get("annotations") or {}
        if isinstance(annotations, dict):
            meta["annotations"] = annotations | {objects.AUTONAMED: "true"}
    if meta.get("namespace") is None and cluster.namespaced(plain["apiVersion"], plain["kind"]):
        meta["namespace"] = cluster.default_namespace
    return meta
