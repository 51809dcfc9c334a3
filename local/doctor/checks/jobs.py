"""Jobs and CronJobs."""

from local.doctor.checks.objects import condition, full_name, shown
from local.doctor.site import Object, Site
from local.doctor.verdict import NotHereError, ProblemError, Severity


def failed(site: Site) -> str:
    """Check that no Job failed, unless its CronJob has succeeded since."""
    found = site.listed("Job")
    succeeded = {full_name(item): item.get("status", {}).get("lastSuccessfulTime", "") for item in _cron_jobs(site)}
    # Failed Jobs are kept for their logs.
    bad = [job for job in found if _failed(job) and _began(job) >= succeeded.get(_owner(job) or "", "")]
    if bad:
        # A Job of an update has no owner: without it, that update is not complete.
        of_update = any(_owner(job) is None for job in bad)
        raise ProblemError(
            f"{len(bad)} of {len(found)} Jobs failed",
            evidence=shown(full_name(job) for job in bad),
            remedy="`kubectl -n NAMESPACE logs job/NAME` says why",
            severity=Severity.ERROR if of_update else Severity.WARNING,
        )
    return f"none of {len(found)} failed"


def suspended(site: Site) -> str:
    """Check that no CronJob is suspended."""
    found = _cron_jobs(site)
    if not found:
        raise NotHereError("nothing is scheduled")
    off = [full_name(item) for item in found if item["spec"].get("suspend")]
    if off:
        raise ProblemError(
            "scheduled Jobs are suspended",
            evidence=shown(off),
            remedy="set `suspended: false` in the stack file; `pulumi up --refresh` undoes a change by hand",
            severity=Severity.WARNING,
        )
    return f"{len(found)} run on their schedule"


def _cron_jobs(site: Site) -> list[Object]:
    return list(site.listed("CronJob"))


def _failed(job: Object) -> bool:
    return (condition(job, "Failed") or {}).get("status") == "True"


def _began(job: Object) -> str:
    return job["status"].get("startTime", "")


def _owner(job: Object) -> str | None:
    """Return the CronJob that made the Job."""
    owners = [owner["name"] for owner in job["metadata"].get("ownerReferences", ()) if owner["kind"] == "CronJob"]
    return f"{job['metadata']['namespace']}/{owners[0]}" if owners else None
