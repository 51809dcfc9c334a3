"""What should be served: one shape for the stack, the command line and the tag of a registered model."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from aegis.strict import load_json, to_json
from contracts import Exit
from workloads.cli import WorkloadError

# The tag of a registered model that asks to serve it, as JSON.
TAG: Final = "aegis.serving"
# The header by which a model server's answer says which version gave it.
VERSION_HEADER: Final = "x-aegis-model-version"
DEFAULT_ALIAS: Final = "champion"
DEFAULT_REPLICAS: Final = 2
MOST_REPLICAS: Final = 100
MOST_CANARY_PERCENT: Final = 99
# In seconds: a day.
LONGEST_CANARY: Final = 86_400
MOST_LATENCY_RATIO: Final = 1000
# Forms of https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ that people write.
CPU: Final = r"[1-9][0-9]{0,5}m|[1-9][0-9]{0,2}(\.[0-9]{1,3})?|0\.[0-9]{0,2}[1-9]"
MEMORY: Final = r"[1-9][0-9]{0,7}(Mi|Gi|Ti|M|G)"

_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}")
# MLflow's rule for aliases (mlflow/utils/validation.py).
_ALIAS: Final = re.compile(r"(?!(?i:v)[0-9]+$)[A-Za-z0-9_\-]{1,255}")
# In characters, from the column of MLflow's database.
_LONGEST_MODEL: Final = 256
_LARGEST_BYTES: Final = 16_384


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What each server requests of its node, as Kubernetes quantities such as `500m` and `1Gi`."""

    cpu: str = "500m"
    memory: str = "1Gi"

    def __post_init__(self) -> None:
        _match("resources.cpu", self.cpu, re.compile(CPU), "a number of cores such as 500m or 2")
        _match("resources.memory", self.memory, re.compile(MEMORY), "an amount such as 512Mi or 2Gi")


@dataclass(frozen=True, kw_only=True, slots=True)
class Canary:
    """How a new version is tried beside the stable one.

    It gets `percent` of the traffic for `seconds`. It is taken back if its share of failed requests exceeds the stable
    version's by more than `max_error_rate`, or if its 95th percentile of latency is more than `max_latency_ratio` times
    the stable version's.
    """

    percent: int = 10
    seconds: int = 10
    max_error_rate: float = 0.02
    max_latency_ratio: float = 2.0

    def __post_init__(self) -> None:
        _between("canary.percent", self.percent, 1, MOST_CANARY_PERCENT, whole=True)
        _between("canary.seconds", self.seconds, 1, LONGEST_CANARY, whole=True)
        _between("canary.max_error_rate", self.max_error_rate, 0, 1)
        _between("canary.max_latency_ratio", self.max_latency_ratio, 1, MOST_LATENCY_RATIO)

    def servers(self, stable: int, most: int) -> int:
        """Return how many servers, at most `most`, come nearest to the wanted share beside `stable` ones."""
        return min(most, max(1, round(self.percent * stable / (100 - self.percent))))

    def share(self, stable: int, most: int) -> int:
        """Return the percentage of all servers that these are."""
        servers = self.servers(stable, most)
        return round(100 * servers / (servers + stable))


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A served model: the version that its `alias` names, or a fixed `version`, on `replicas` servers.

    Without a `canary`, a new version replaces the old one as soon as all of its servers are ready.

    Raises:
        WorkloadError: A value isn't allowed (`Exit.USAGE`).
    """

    model: str
    alias: str | None = None
    version: str | None = None
    replicas: int = DEFAULT_REPLICAS
    resources: Resources = field(default_factory=Resources)
    canary: Canary | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not 0 < len(self.model) <= _LONGEST_MODEL or not self.model.isprintable():
            raise _bad("model", self.model, "the name of a registered model")
        if set(self.model) & set("/:@"):
            raise _bad("model", self.model, "a name without / : and @")
        if (self.alias is None) == (self.version is None):
            raise WorkloadError("wanted: set either `alias` or `version`, not both and not neither.", Exit.USAGE)
        if self.alias is not None:
            _match("alias", self.alias, _ALIAS, "an alias such as champion")
        if self.version is not None:
            _match("version", self.version, _VERSION, "the number of a version")
        _between("replicas", self.replicas, 1, MOST_REPLICAS, whole=True)

    @property
    def reference(self) -> str:
        """The version that is wanted, as people write it: `NAME@ALIAS` or `NAME/VERSION`."""
        return f"{self.model}@{self.alias}" if self.alias else f"{self.model}/{self.version}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that `from_json` reads."""
        return asdict(self)

    def to_text(self) -> str:
        """Return the JSON text that `parse` reads."""
        return to_json(self.to_json()).decode()

    @property
    def digest(self) -> str:
        """A short digest: what is wanted changed if it did."""
        return hashlib.sha256(self.to_text().encode()).hexdigest()[:16]

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return what a JSON object wants; `alias` is `champion` if neither it nor a version is given.

        Raises:
            WorkloadError: It is no such object (`Exit.USAGE`).
        """
        fields = _object("wanted", value, {"model", "alias", "version", "replicas", "resources", "canary"})
        if fields.get("model") is None:
            raise WorkloadError("wanted: `model` is missing.", Exit.USAGE)
        if fields.get("alias") is None and fields.get("version") is None:
            fields["alias"] = DEFAULT_ALIAS
        if fields.get("resources") is not None:
            fields["resources"] = Resources(**_object("resources", fields["resources"], {"cpu", "memory"}))
        if fields.get("canary") is not None:
            fields["canary"] = Canary(
                **_object("canary", fields["canary"], {"percent", "seconds", "max_error_rate", "max_latency_ratio"})
            )
        return cls(**{name: each for name, each in fields.items() if each is not None})


def parse(text: str | bytes) -> Wanted:
    """Return what a JSON text wants, such as `{"model": "digits", "replicas": 2}`.

    Raises:
        WorkloadError: It isn't JSON, or wants what isn't allowed (`Exit.USAGE`).
    """
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(content) > _LARGEST_BYTES:
        raise WorkloadError(
            f"wanted: it has {len(content)} bytes, and at most {_LARGEST_BYTES} are allowed.", Exit.USAGE
        )
    try:
        value = load_json(content)
    except ValueError as error:
        raise WorkloadError(f"wanted: it is not JSON: {error}.", Exit.USAGE) from error
    return Wanted.from_json(value)


def parse_tag(model: str, text: str) -> Wanted:
    """Return what the tag of a registered model wants: MLflow's permissions on one model must not reach another.

    Raises:
        WorkloadError: As `parse`, or it wants another model (`Exit.USAGE`).
    """
    wanted = parse(text)
    if wanted.model != model:
        raise WorkloadError(
            f"the tag {TAG} of {model!r} wants {wanted.model!r}: a model's tag is about itself.", Exit.USAGE
        )
    return wanted


def cores(cpu: str) -> float:
    """Return a quantity of CPU as a number of cores."""
    return float(cpu[:-1]) / 1000 if cpu.endswith("m") else float(cpu)


def _object(name: str, value: object, allowed: set[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _bad(name, value, "a JSON object")
    if unknown := sorted(set(value) - allowed):
        raise WorkloadError(
            f"{name}: {', '.join(map(repr, unknown))} is unknown; allowed are {', '.join(sorted(allowed))}.", Exit.USAGE
        )
    return dict(value)


def _match(name: str, value: object, pattern: re.Pattern[str], allowed: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _bad(name, value, allowed)


def _between(name: str, value: object, least: float, most: float, *, whole: bool = False) -> None:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        raise _bad(name, value, f"a {'whole ' if whole else ''}number from {least:g} to {most:g}")


def _bad(name: str, value: object, allowed: str) -> WorkloadError:
    return WorkloadError(f"{name} must be {allowed}, got {value!r}.", Exit.USAGE)
