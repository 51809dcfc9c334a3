"""The certificates of the addresses, and those of the embedded cluster."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from local.doctor.checks.addresses import public_hosts
from local.doctor.checks.objects import shown
from local.doctor.site import Site
from local.doctor.verdict import NotHereError, ProblemError, Severity

# As the alert has it.
_SOON = timedelta(days=21)
_HTTPS = 443


def of_addresses(site: Site) -> str:
    """Check that the certificates of HTTPS addresses are valid for weeks, and that clients accept them."""
    places = list(dict.fromkeys(_places(site)))
    if not places:
        raise NotHereError("no address has a certificate")
    found = {f"{host}:{port}": site.certificate(host, port) for host, port in places}
    said = _judged(site, {name: each.end for name, each in found.items()}, "renew it at the ingress or load balancer")
    if refused := {name: each for name, each in found.items() if each.refusal}:
        foreign = any(each.of_another_host for each in refused.values())
        raise ProblemError(
            "clients refuse a certificate",
            evidence=shown(f"{name}: {each.refusal}" for name, each in refused.items()),
            remedy="install one for that name with its whole chain; for your own authority set SSL_CERT_FILE",
            # Clients may trust an authority that this machine doesn't.
            severity=Severity.ERROR if foreign else Severity.WARNING,
        )
    return said


def of_cluster(site: Site) -> str:
    """Check that the certificates of the embedded cluster are valid for weeks."""
    if not site.embedded:
        raise NotHereError("the cluster has its own operator")
    ends = site.own_certificates()
    if not ends:
        raise NotHereError("the cluster was never started")
    return _judged(site, ends, "`make down` and `make up` renew it")


def _places(site: Site) -> Iterator[tuple[str, int]]:
    urls = [str(url) for name, url in site.outputs().items() if name.endswith("_url")]
    # A name without a port is behind an ingress, with HTTPS.
    for address in (*urls, *(f"https://{host}" for host in public_hosts(site))):
        parts = urlsplit(address)
        if parts.scheme == "https" and parts.hostname:
            yield parts.hostname, parts.port or _HTTPS


def _judged(site: Site, ends: Mapping[str, datetime], remedy: str) -> str:
    name, end = min(ends.items(), key=lambda item: item[1])
    left = end - site.now()
    if left < _SOON:
        soon = sorted(f"{each}: {day:%Y-%m-%d}" for each, day in ends.items() if day - site.now() < _SOON)
        expired = left < timedelta(0)
        raise ProblemError(
            "a certificate has expired" if expired else "a certificate expires soon",
            evidence=shown(soon),
            remedy=remedy,
            severity=Severity.ERROR if expired else Severity.WARNING,
        )
    return f"{len(ends)} are valid, {name} until {end:%Y-%m-%d}"
