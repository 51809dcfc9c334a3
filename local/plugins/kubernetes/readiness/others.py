"""Readiness of Services, Ingresses, volumes, Secrets and ResourceQuotas."""

from urllib.parse import quote

from local.plugins.kubernetes.client import ApiError, Object
from local.plugins.kubernetes.objects import dig, name, namespace
from local.plugins.kubernetes.quantities import amount
from local.plugins.kubernetes.readiness.verdict import Reader, Verdict, ready, waiting


def service(live: Object, client: Reader) -> Verdict:
    """Check that a Service has a ready endpoint, and that its load balancer has an address.

    A Service without a selector, a headless one or one for an external name is always ready.
    """
    spec = live.get("spec") or {}
    if spec.get("type") == "ExternalName" or not spec.get("selector"):
        return ready("nothing to wait for")
    if spec.get("type") == "LoadBalancer" and not dig(live, "status", "loadBalancer", "ingress"):
        return waiting("the load balancer has no address yet")
    if spec.get("clusterIP") == "None" or _endpoints(live, client):
        return ready("it has endpoints")
    return waiting("none of the selected pods is ready yet")


def _endpoints(live: Object, client: Reader) -> bool:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{quote(namespace(live))}/endpointslices"
    slices = client.get(path, labelSelector=f"kubernetes.io/service-name={name(live)}")["items"]
    found = [endpoint for each in slices for endpoint in each.get("endpoints") or []]
    return any((endpoint.get("conditions") or {}).get("ready") is not False for endpoint in found)


def ingress(live: Object, client: Reader) -> Verdict:  # noqa: ARG001 - the Ingress is enough.
    """Check that the ingress controller has assigned an address."""
    if dig(live, "status", "loadBalancer", "ingress"):
        return ready("it has an address")
    return waiting("the ingress controller hasn't assigned an address yet")


def volume_claim(live: Object, client: Reader) -> Verdict:
    """Check that a claim is bound, or that its class binds it only for its first pod."""
    phase = dig(live, "status", "phase")
    if phase == "Bound":
        return ready("bound")
    if phase == "Pending" and _binding_mode(live, client) == "WaitForFirstConsumer":
        return ready("it will be bound for its first pod")
    return waiting(f"the claim is {phase or 'Pending'}")


def _binding_mode(live: Object, client: Reader) -> str | None:
    storage_class = dig(live, "spec", "storageClassName")
    if not storage_class:
        return None
    try:
        found = client.get(f"/apis/storage.k8s.io/v1/storageclasses/{quote(storage_class)}")
    except ApiError:
        return None
    return found.get("volumeBindingMode")


def volume(live: Object, client: Reader) -> Verdict:  # noqa: ARG001 - the volume is enough.
    """Check that a volume can be claimed."""
    phase = dig(live, "status", "phase")
    return ready(str(phase)) if phase in ("Available", "Bound") else waiting(f"the volume is {phase or 'Pending'}")


def secret(live: Object, client: Reader) -> Verdict:  # noqa: ARG001 - the Secret is enough.
    """Check that a service account's token has been written to its Secret."""
    if live.get("type") == "kubernetes.io/service-account-token" and not live.get("data"):
        return waiting("the token hasn't been written yet")
    return ready()


def quota(live: Object, client: Reader) -> Verdict:  # noqa: ARG001 - the quota is enough.
    """Check that a quota is in force."""
    hard, enforced = dig(live, "spec", "hard") or {}, dig(live, "status", "hard") or {}
    in_force = all(amount(enforced.get(key)) == amount(value) for key, value in hard.items())
    return ready("in force") if in_force else waiting("the quota isn't in force yet")
