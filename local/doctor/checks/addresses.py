"""The addresses at which people and pods reach the servers."""

import json
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

import contracts
from local.doctor.checks.objects import GATEWAY, MLFLOW, full_name, require, shown
from local.doctor.site import Answer, Site
from local.doctor.verdict import NoAnswerError, NotHereError, ProblemError
from local.processes import State

# RFC 6761: no name below it is ever in the DNS.
_RESERVED = ".test"
_REACH = "`make status` shows the addresses; without ports on localhost they are reached from the cluster only"


def mlflow(site: Site) -> str:
    """Check that MLflow answers people."""
    return _answers(site, "mlflow_url", "/health")


def mlflow_api(site: Site) -> str:
    """Check that MLflow's API answers with experiments, so it reaches its database."""
    return _answers(site, "mlflow_url", "/api/2.0/mlflow/experiments/search?max_results=1", _has_experiments)


def mlflow_page(site: Site) -> str:
    """Check that MLflow's page is there."""
    return _answers(site, "mlflow_url", "/", lambda text: "<html" in text)


def gateway(site: Site) -> str:
    """Check that the gateway is ready."""
    require(site, GATEWAY)
    return _answers(site, "gateway_url", "/readyz")


def ports(site: Site) -> str:
    """Check that the processes of the platform on this machine run."""
    found = site.parts()
    if not found:
        raise NotHereError("no process of the platform belongs on this machine")
    bad = [
        f"{part.name}: {part.trouble or part.state}" for part in found if part.trouble or part.state != State.RUNNING
    ]
    if bad:
        raise ProblemError(
            "processes of the platform don't run",
            evidence=shown(bad),
            remedy="`make up` starts them; `make status` names their logs",
        )
    return f"{len(found)} run"


def inside(site: Site) -> str:
    """Check that a pod of MLflow looks up the servers that it needs, and connects to them."""
    pod = require(site, MLFLOW)
    services = {full_name(item) for item in site.listed("Service")}
    needed = [contracts.SERVERS[name] for name in ("postgres", "s3")]
    targets = [
        f"{name}.{namespace}.svc:{port}" for namespace, name, port in needed if f"{namespace}/{name}" in services
    ]
    if not targets:
        raise NotHereError("MLflow's database and object store are outside the cluster")
    outcomes = site.told("network", pod, *targets)
    if failed := [f"{target}: {outcome}" for target, outcome in outcomes.items() if outcome != "open"]:
        raise ProblemError(
            "a pod of MLflow doesn't reach its servers",
            evidence=shown(failed),
            remedy="`unknown name`: check CoreDNS; else check the server's pods and the NetworkPolicies",
        )
    return f"a pod of MLflow reaches {shown(targets)}"


def public_names(site: Site) -> str:
    """Check that the names under which people reach the servers are in the DNS."""
    hosts = public_hosts(site)
    if not hosts:
        raise NotHereError("the settings have no `publicHosts` that the DNS can know")
    if unknown := [host for host in hosts if not site.addresses_of(host.partition(":")[0])]:
        raise ProblemError(
            "names of `publicHosts` have no address",
            evidence=shown(unknown),
            remedy="add them to the DNS, with the address of the ingress or load balancer",
        )
    return shown(hosts)


def public_hosts(site: Site) -> list[str]:
    """Return the public names of the stack's servers, with their ports."""
    hosts = [host for section in ("mlflow", "gateway") for host in site.config(section).get("publicHosts", ())]
    return [host for host in dict.fromkeys(hosts) if not host.partition(":")[0].endswith(_RESERVED)]


def _answers(site: Site, output: str, path: str, is_sound: Callable[[str], bool] = lambda _: True) -> str:
    url = site.outputs().get(output)
    if url is None:
        raise NotHereError(f"the stack has no output {output}")
    if (urlsplit(url).hostname or "").endswith(".svc"):
        raise NotHereError(f"{url} is an address in the cluster")
    try:
        answer = site.get(f"{url}{path}")
    except NoAnswerError as reason:
        raise ProblemError("nothing answers at its address", evidence=str(reason), remedy=_REACH) from None
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return f"{url} answers, and asks for a login"
    if answer.status != HTTPStatus.OK or not is_sound(answer.text):
        raise ProblemError(
            f"{urlsplit(url + path).path} answers {answer.status}",
            evidence=_excerpt(answer),
            remedy="read the server's log: `kubectl -n mlflow logs deployment/NAME`",
        )
    return f"{url} answers"


def _has_experiments(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    # MLflow leaves out an empty list.
    return isinstance(found, dict) and found.keys() <= {"experiments", "next_page_token"}


def _excerpt(answer: Answer) -> str:
    return " ".join(answer.text.split())[:120] or "no text"
