"""The object store: it answers, nobody reads it without keys, and presigned addresses work."""

from http import HTTPStatus
from urllib.parse import quote, urlsplit

from local.doctor.checks.objects import MLFLOW, require, shown
from local.doctor.site import Site
from local.doctor.verdict import NoAnswerError, NotHereError, ProblemError

# What S3 answers for an object that isn't there, to who may list the bucket.
_REACHED = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
# The name of no object.
_MISSING = "aegis-doctor"


def answers(site: Site) -> str:
    """Check that MLflow lists its artifacts."""
    pod = require(site, MLFLOW)
    try:
        told = site.told("store", pod)
    except NoAnswerError as reason:
        raise ProblemError(
            "MLflow's pods can't list their artifacts",
            evidence=str(reason),
            remedy="check the pod `s3-0` or the bucket, the keys or the role of MLflow, and the NetworkPolicies",
        ) from None
    return f"the bucket {told['bucket']} answers"


def closed(site: Site) -> str:
    """Check that nobody lists a bucket or reads from it without keys."""
    outputs = site.outputs()
    url = outputs.get("s3_url") or f"https://s3.{outputs.get('s3_region')}.amazonaws.com"
    if (urlsplit(url).hostname or "").endswith(".svc"):
        raise NotHereError(f"{url} is an address in the cluster")
    names = [urlsplit(outputs["artifacts"]).netloc] if outputs.get("artifacts") else []
    names += [outputs[key] for key in ("backups_bucket", "releases_bucket") if outputs.get(key)]
    if not names:
        raise NotHereError("the stack has no buckets")
    stored = _stored(site)
    answers = {
        name: [
            site.get(f"{url}/{name}{path}").status
            for path in ("?list-type=2&max-keys=1", f"/{quote(stored.get(name, _MISSING))}")
        ]
        for name in names
    }
    if public := [name for name, statuses in answers.items() if HTTPStatus.OK in statuses]:
        raise ProblemError(
            "everybody can list or read buckets",
            evidence=shown(public),
            remedy="`pulumi up --refresh` puts the bucket's policy and public access block back",
        )
    other = {name: {*statuses} - {HTTPStatus.FORBIDDEN} for name, statuses in answers.items()}
    if unclear := [f"{name} answers {min(statuses)}" for name, statuses in other.items() if statuses]:
        raise NoAnswerError(f"{shown(unclear)} to who has no keys, instead of 403")
    return f"{shown(names)} refuse who has no keys"


def _stored(site: Site) -> dict[str, str]:
    """Return an object of MLflow's bucket: AWS refuses to say whether another exists, even if all may read."""
    try:
        told = site.told("store", require(site, MLFLOW))
    except (NoAnswerError, NotHereError):
        return {}
    return {told["bucket"]: told["object"]} if told["object"] else {}


def presigned(site: Site) -> str:
    """Check that clients that get a presigned address reach the object store by it."""
    told = site.told("store", require(site, MLFLOW))
    if not told["direct"]:
        raise NotHereError("files pass through MLflow: `mlflow.directTransfers` is off")
    host = urlsplit(told["presigned"]).netloc
    remedy = "clients must reach the store's address: set `mlflow.directTransfers` to false, or make it reachable"
    try:
        answer = site.get(told["presigned"])
    except NoAnswerError as reason:
        raise ProblemError("presigned addresses can't be reached", evidence=str(reason), remedy=remedy) from None
    if answer.status not in _REACHED:
        raise ProblemError("presigned addresses are refused", evidence=f"{host} answers {answer.status}", remedy=remedy)
    return f"{host} is reached"
