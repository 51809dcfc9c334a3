"""Backups: there is a recent one, and it was read back."""

from datetime import timedelta

import contracts
from local.doctor.checks.objects import full_name, time
from local.doctor.site import Object, Site
from local.doctor.verdict import NoAnswerError, NotHereError, ProblemError

_CRON_JOB = f"{contracts.MLFLOW_NAMESPACE}/backup"
# An hour to start and as long as a large database may take.
_RUN = timedelta(hours=2)
# https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
_NAMED = {
    "@hourly": timedelta(hours=1),
    "@daily": timedelta(days=1),
    "@midnight": timedelta(days=1),
    "@weekly": timedelta(days=7),
    "@monthly": timedelta(days=31),
    "@yearly": timedelta(days=366),
    "@annually": timedelta(days=366),
}
_BY_HAND = "`kubectl -n mlflow create job by-hand --from=cronjob/backup`: docs/backup.md"


def age(site: Site) -> str:
    """Check that the last backup is as recent as its schedule demands."""
    cron_job = _cron_job(site)
    status = cron_job.get("status", {})
    made = status.get("lastSuccessfulTime")
    since = time(made or cron_job["metadata"]["creationTimestamp"])
    greatest = _interval(cron_job["spec"]["schedule"]) + _RUN
    old = site.now() - since
    if old > greatest:
        last = (
            f"the last one was {_hours(old)} ago"
            if made
            else f"none succeeded in the {_hours(old)} since it is scheduled"
        )
        raise ProblemError(
            "the backup is overdue",
            evidence=f"{last}, the schedule `{cron_job['spec']['schedule']}` allows {_hours(greatest)}",
            remedy=f"read the log of the last Job, and then run {_BY_HAND}",
        )
    return f"{_hours(old)} old" if made else "none yet, the first is not due"


def verified(site: Site) -> str:
    """Check that the newest backup was read back."""
    cron_job = _cron_job(site)
    whole = [backup for backup in site.command("workloads.backup.list") if backup["state"] != "half"]
    if not whole:
        if cron_job.get("status", {}).get("lastSuccessfulTime"):
            raise ProblemError(
                "the bucket has no backup",
                evidence="a Job made one",
                remedy=f"find out who deletes them, and run {_BY_HAND}",
            )
        raise NotHereError("there is no backup yet")
    newest = whole[-1]
    if newest["state"] != "verified":
        raise ProblemError(
            f"the newest backup is {newest['state']}",
            evidence=newest["id"],
            remedy=f"`python -m workloads.backup.verify {newest['id']}` says why; then run {_BY_HAND}",
        )
    return f"{newest['id']}, one of {len(whole)}"


def _cron_job(site: Site) -> Object:
    found = next((item for item in site.listed("CronJob") if full_name(item) == _CRON_JOB), None)
    if found is None:
        raise NotHereError(f"there is no CronJob {_CRON_JOB}")
    if found["spec"].get("suspend"):
        raise NotHereError("the backup is suspended")
    return found


def _interval(schedule: str) -> timedelta:
    """Return the longest time between two runs, by the fields of cron that are set.

    Raises:
        NoAnswerError: The schedule is in another form.
    """
    match schedule.split():
        case [name] if name in _NAMED:
            return _NAMED[name]
        case [_, _, day, month, weekday]:
            return _longest(day, month, weekday)
        case _:
            raise NoAnswerError(f"the doctor doesn't know the schedule `{schedule}`")


def _longest(day: str, month: str, weekday: str) -> timedelta:
    if month != "*":
        return timedelta(days=366)
    if day != "*":
        return timedelta(days=31)
    return timedelta(days=1 if weekday == "*" else 7)


def _hours(duration: timedelta) -> str:
    return f"{duration.total_seconds() / 3600:.1f} h"
