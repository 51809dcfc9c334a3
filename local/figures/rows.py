"""The key figures: each with its title, and its value as text."""

from collections.abc import Callable, Mapping

import contracts
from local.figures.samples import Period

NOTHING = "-"
_KIB = 1024.0
_HOUR = 3600.0

Figure = Callable[[Period, float], str]


def rows(period: Period, now: float) -> dict[str, str]:
    """Return the figures at the end of a period, without probes; `now` is in seconds since 1970."""
    of_clients = period.without("route", contracts.PROBE_ROUTES)
    return {title: figure(of_clients, now) for title, figure in _FIGURES.items()}


def _requests(period: Period, _: float) -> str:
    return _text(period.rate("aegis_http_requests_total"), "{:.1f}/s")


def _errors(period: Period, _: float) -> str:
    all_of_them = period.rate("aegis_http_requests_total")
    if not all_of_them:
        return NOTHING
    statuses = {
        status
        for key, _ in period.after.find("aegis_http_requests_total")
        if (status := dict(key.labels).get("status", "")).startswith("5")
    }
    failed = sum(period.rate("aegis_http_requests_total", status=status) or 0 for status in statuses)
    return f"{100 * failed / all_of_them:.1f} %"


def _slowest(period: Period, _: float) -> str:
    return _text(period.quantile(0.95, "aegis_http_request_duration_seconds"), "{:.2f} s")


def _in_progress(period: Period, _: float) -> str:
    return _text(period.after.total("aegis_http_requests_in_progress"), "{:.0f}")


def _transfers(period: Period, _: float) -> str:
    sent = period.rate("aegis_http_request_bytes_total")
    received = period.rate("aegis_http_response_bytes_total")
    if sent is None or received is None:
        return NOTHING
    return f"{_size(sent)}/s in, {_size(received)}/s out"


def _pool(period: Period, _: float) -> str:
    name = "aegis_database_pool_connections"
    used, idle = (period.after.total(name, state=state) for state in ("used", "idle"))
    return NOTHING if used is None or idle is None else f"{used:.0f} used, {idle:.0f} idle"


def _connections(period: Period, _: float) -> str:
    used = period.after.total("pg_stat_database_numbackends")
    most = period.after.total("pg_settings_max_connections")
    return NOTHING if used is None or most is None else f"{used:.0f} of {most:.0f}"


def _backup(period: Period, now: float) -> str:
    newest, verified = (
        period.after.total(f"aegis_backup_newest_{kind}timestamp_seconds") for kind in ("", "verified_")
    )
    if not newest:
        return NOTHING
    return f"{_age(newest, now)}, verified {_age(verified, now) if verified else 'never'}"


def _models(period: Period, _: float) -> str:
    models = period.after.total("aegis_registered_models")
    signed, unsigned = (period.after.total("aegis_model_versions", signed=value) for value in ("true", "false"))
    if models is None:
        return NOTHING
    return f"{models:.0f}, {signed or 0:.0f} versions signed, {unsigned or 0:.0f} not"


def _runs(period: Period, _: float) -> str:
    found = {dict(key.labels).get("status", ""): value for key, value in period.after.find("aegis_runs")}
    shown = [f"{value:.0f} {status.lower()}" for status, value in sorted(found.items()) if value]
    experiments = period.after.total("aegis_experiments")
    where = f" in {experiments:.0f} experiments" if experiments else ""
    return f"{', '.join(shown)}{where}" if shown else _text(period.after.total("aegis_runs"), "{:.0f}")


def _artifacts(period: Period, _: float) -> str:
    size = period.after.total("aegis_artifact_bytes")
    return NOTHING if size is None else _size(size)


def _text(value: float | None, form: str) -> str:
    return NOTHING if value is None else form.format(value)


def _age(moment: float, now: float) -> str:
    return f"{(now - moment) / _HOUR:.1f} h ago"


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < _KIB:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _KIB
    return f"{size:.1f} TiB"


_FIGURES: Mapping[str, Figure] = {
    "Requests": _requests,
    "Errors": _errors,
    "Slowest 5 %": _slowest,
    "In progress": _in_progress,
    "Transfers": _transfers,
    "Pool": _pool,
    "Connections": _connections,
    "Backup": _backup,
    "Models": _models,
    "Runs": _runs,
    "Artifacts": _artifacts,
}
