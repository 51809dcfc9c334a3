"""The clocks of this machine, the servers, the database and the object store."""

from collections.abc import Iterator

from local.doctor.checks.objects import MLFLOW, require, shown
from local.doctor.site import Site
from local.doctor.verdict import NoAnswerError, ProblemError, Severity

# The Date header has whole seconds. S3 refuses requests after 15 minutes, and tokens are not valid a minute early.
_MUCH, _TOO_MUCH = 5.0, 60.0


def clock(site: Site) -> str:
    """Check that all clocks agree."""
    skews = dict(_skews(site))
    if not skews:
        raise NoAnswerError("no server tells its time")
    off = {name: skew for name, skew in skews.items() if abs(skew) > _MUCH}
    if off:
        raise ProblemError(
            "clocks differ",
            evidence=shown(
                f"{name} is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}" for name, skew in off.items()
            ),
            remedy="let NTP set the clocks (`timedatectl`); logins and signed requests fail otherwise",
            severity=Severity.ERROR if max(map(abs, off.values())) > _TOO_MUCH else Severity.WARNING,
        )
    return f"{', '.join(skews)} within {_MUCH:g} s"


def _skews(site: Site) -> Iterator[tuple[str, float]]:
    """Yield by how many seconds each clock is ahead of the one beside it."""
    pod = require(site, MLFLOW)
    for name, key in (("database", "database_clock"), ("store", "store_clock")):
        try:
            told = site.told(name, pod)
        except NoAnswerError:
            # Another check reports it.
            continue
        if told[key] is not None:
            yield f"the {name} against MLflow", told[key] - told["pod_clock"]
    url = site.outputs().get("mlflow_url")
    try:
        answer = site.get(f"{url}/health")
    except NoAnswerError:
        return
    if answer.date and answer.asked_at:
        yield "MLflow against this machine", (answer.date - answer.asked_at).total_seconds()
