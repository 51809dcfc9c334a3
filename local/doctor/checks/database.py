"""MLflow's database: it answers, its schema fits the server, and it has connections left."""

from local.doctor.checks.objects import MLFLOW, require
from local.doctor.site import Site
from local.doctor.verdict import NoAnswerError, NotHereError, ProblemError, Severity

# As the alert has it; above the second, requests soon wait for a connection.
_MUCH, _TOO_MUCH = 0.8, 0.95
# As infra/limits/connections.py has them: for jobs and administrators, and a rollout's additional pod.
_JOBS, _SURGE = 10, 1


def answers(site: Site) -> str:
    """Check that the database answers MLflow."""
    pod = require(site, MLFLOW)
    try:
        told = site.told("database", pod)
    except NoAnswerError as reason:
        raise ProblemError(
            "MLflow's pods get no answer from their database",
            evidence=str(reason),
            remedy="check the pod `postgres-0` or the RDS instance, its password or role, and the NetworkPolicies",
        ) from None
    return f"{told['connections']} of {told['most_connections']} connections are open"


def schema(site: Site) -> str:
    """Check that the schema is that of the server's MLflow."""
    told = site.told("database", require(site, MLFLOW))
    if told["revision"] != told["head"]:
        raise ProblemError(
            "the database has another schema than the server's MLflow needs",
            evidence=f"it is at {told['revision']}, MLflow needs {told['head']}",
            remedy="`pulumi up` runs the migration; an older server needs a restore: docs/backup.md",
        )
    return f"revision {told['revision']}"


def connections(site: Site) -> str:
    """Check that the database has connections left."""
    told = site.told("database", require(site, MLFLOW))
    used, most = told["connections"], told["most_connections"]
    if used > _MUCH * most:
        raise ProblemError(
            "the database's connections are nearly used up",
            evidence=f"{used} of {most} are open",
            remedy="find who opened them in pg_stat_activity; fewer replicas or workers, or a larger database",
            severity=Severity.ERROR if used > _TOO_MUCH * most else Severity.WARNING,
        )
    return f"{used} of {most} are open"


def budget(site: Site) -> str:
    """Check that the database accepts what all of MLflow's pods may open."""
    told = site.told("database", require(site, MLFLOW))
    pool, most = told["pool"], told["most_connections"]
    per_pod = pool["workers"] * (pool["size"] + pool["overflow"])
    pods = next(
        (
            item["spec"]["maxReplicas"]
            for item in site.listed("HorizontalPodAutoscaler")
            if item["spec"]["scaleTargetRef"]["name"] == "mlflow"
        ),
        None,
    )
    if pods is None:
        raise NotHereError("MLflow is not autoscaled")
    needed = (pods + _SURGE) * per_pod + _JOBS
    sum_of = f"({pods} + {_SURGE} in a rollout) pods x {per_pod} + {_JOBS} for jobs"
    if needed > most:
        raise ProblemError(
            "MLflow's pods may open more connections than the database accepts",
            evidence=f"{sum_of} = {needed}, and it accepts {most}",
            remedy="the autoscaler or the database was changed by hand: `pulumi up --refresh` puts the settings back",
            severity=Severity.WARNING,
        )
    return f"{sum_of} = {needed} of {most}"
