"""The gateway's settings, from environment variables."""

import os
from dataclasses import dataclass
from typing import Final, Self

from contracts import GATEWAY_ENV_PREFIX, Env, Exit
from workloads import cli
from workloads.cli import WorkloadError

_BOOLEANS: Final = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Addresses, times and limits. Each variable `AEGIS_GATEWAY_NAME` sets the field with its name in lower case."""

    tracking_uri: str
    # The reconciler of served models; without it, nothing is served.
    serving_status: str | None = None
    # Seconds for all requests to MLflow on behalf of one request of a client.
    deadline_seconds: float = 1.8
    # Seconds for the body of a request to arrive, except for predictions and uploads.
    body_seconds: float = 5
    # Seconds for one prediction, and for its input to arrive.
    predict_seconds: float = 30
    # Seconds that a transfer of artifacts may stand still, also before its first byte: with an object store behind it,
    # MLflow fetches a whole file before it sends the first.
    artifact_seconds: float = 60
    # Bytes of a JSON body, of a prediction's, and of an upload.
    max_body_bytes: int = 1 << 20
    max_predict_bytes: int = 16 << 20
    max_artifact_bytes: int = 50 << 30
    # Requests that a process handles at the same time; more are answered with 503.
    max_in_flight: int = 512
    # Requests to MLflow that a process has on their way at the same time, without artifacts. MLflow answers each in a
    # thread, and many threads slow each other down: more requests at a time would get fewer answers.
    mlflow_requests: int = 16
    # Connections of a process to all servers behind it.
    connections: int = 200
    # Seconds between the failing readiness and the end of the open port, in which a load balancer notices.
    drain_seconds: float = 5
    # Whether the web page is served at `/`.
    page: bool = True
    # Shell patterns of the values of Host that are accepted, with ports; empty for all. With names that anybody may
    # point to this machine, another site's page could read answers ("DNS rebinding").
    allowed_hosts: tuple[str, ...] = ()
    # Sites whose pages may send changes, besides the gateway's own.
    allowed_origins: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls) -> Self:
        """Return the settings.

        Raises:
            WorkloadError: A variable is missing or has a value that isn't allowed.
        """
        uri = cli.require_address(Env.TRACKING_URI, "the address of MLflow, such as http://127.0.0.1:5000")
        status = cli.require_address(Env.SERVING_STATUS, "an address") if cli.has_env(Env.SERVING_STATUS) else None
        values = {name: _read(name, kind) for name, kind in _KINDS.items() if cli.has_env(_variable(name))}
        addresses = {"tracking_uri": uri.rstrip("/"), "serving_status": status and status.rstrip("/")}
        return cls(**addresses, **values)  # type: ignore[arg-type] - each value has the type of its field


_KINDS: Final[dict[str, type]] = {
    "deadline_seconds": float,
    "body_seconds": float,
    "predict_seconds": float,
    "artifact_seconds": float,
    "max_body_bytes": int,
    "max_predict_bytes": int,
    "max_artifact_bytes": int,
    "max_in_flight": int,
    "mlflow_requests": int,
    "connections": int,
    "drain_seconds": float,
    "page": bool,
    "allowed_hosts": tuple,
    "allowed_origins": tuple,
}


def _variable(name: str) -> str:
    return f"{GATEWAY_ENV_PREFIX}{name.upper()}"


def _read(name: str, kind: type) -> float | bool | tuple[str, ...]:
    variable = _variable(name)
    text = os.environ[variable].strip()
    if kind is tuple:
        return tuple(part for each in text.split(",") if (part := each.strip()))
    if kind is bool:
        if text.lower() not in _BOOLEANS:
            raise WorkloadError(f"{variable} must be true or false, got {text!r}.", Exit.USAGE)
        return _BOOLEANS[text.lower()]
    try:
        value = kind(text)
    except ValueError:
        value = -1
    least = 0 if name == "drain_seconds" else 1 if kind is int else 0.05
    if not least <= value <= 1 << 40:
        number = "a whole number" if kind is int else "a number"
        raise WorkloadError(f"{variable} must be {number} of at least {least}, got {text!r}.", Exit.USAGE)
    return value
