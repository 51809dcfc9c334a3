"""The settings of the reconciler, from the environment variables that the stack sets."""

import os
import re
from dataclasses import dataclass
from typing import Final, Literal, cast

import contracts
from contracts import Env, Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.serving.rollout.site import Site
from workloads.serving.rollout.situation import Limits

# Seconds for which unused servers are kept.
LINGER_SECONDS: Final = "AEGIS_SERVING_LINGER_SECONDS"
_SIZE: Final = re.compile(r"[1-9][0-9]{0,5}(Mi|Gi|Ti)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where and how models are served; `kserve` is whether KServe serves them where the cluster has it."""

    site: Site
    limits: Limits
    kserve: bool


def from_environment() -> Settings:
    """Return the settings.

    Raises:
        WorkloadError: A variable is missing or its value isn't allowed (`Exit.USAGE`).
    """
    delivery = _choice(Env.SERVING_DELIVERY, "volume", ("volume", "image"))
    repository = os.environ.get(Env.SERVING_REPOSITORY) or None
    if delivery == "image" and repository is None:
        raise WorkloadError(f"{Env.SERVING_REPOSITORY} is not set: deliveries by image need a repository.", Exit.USAGE)
    size = os.environ.get(Env.SERVING_VOLUME_SIZE) or "5Gi"
    if not _SIZE.fullmatch(size):
        raise WorkloadError(f"{Env.SERVING_VOLUME_SIZE} must be a size such as 5Gi, got {size!r}.", Exit.USAGE)
    defaults = Limits()
    return Settings(
        site=Site(
            namespace=os.environ.get(Env.SERVING_NAMESPACE) or contracts.SERVING_NAMESPACE,
            image=cli.require_env(Env.SERVING_IMAGE, "the reference of the image of the model servers"),
            tracking_uri=cli.require_env(Env.TRACKING_URI, "the address of MLflow, such as http://mlflow:5000"),
            delivery=cast('Literal["volume", "image"]', delivery),
            storage_class=os.environ.get(Env.SERVING_STORAGE_CLASS) or None,
            volume_size=size,
            repository=repository,
            server_environment={
                name: each for name, each in os.environ.items() if name.startswith(contracts.WATCH_ENV_PREFIX)
            },
        ),
        limits=Limits(
            start=_seconds(Env.SERVING_START_SECONDS, defaults.start),
            linger=_seconds(LINGER_SECONDS, defaults.linger),
            remove_unverified=_choice(Env.SERVING_UNVERIFIED, "keep", ("keep", "remove")) == "remove",
        ),
        kserve=_choice(Env.SERVING_KSERVE, "off", ("auto", "off")) == "auto",
    )


def _choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = os.environ.get(name) or default
    if value not in allowed:
        raise WorkloadError(f"{name} must be {' or '.join(allowed)}, got {value!r}.", Exit.USAGE)
    return value


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name) or f"{default:g}"
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise WorkloadError(f"{name} must be a whole number of seconds, got {text!r}.", Exit.USAGE)
    return float(text)
