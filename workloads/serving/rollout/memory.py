"""What must survive a restart of the reconciler about one served model, and can't be read from its objects."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from aegis.strict import load_json
from workloads.cli import WorkloadError
from workloads.serving.rollout.figures import Figures
from workloads.serving.wanted import Wanted

Action = Literal["start", "promote", "rollback", "abandon", "refuse", "remove"]
State = Literal["serving", "rolling", "waiting", "refused", "failed"]

# Steps that wait for their records. Forward steps stop at the first one, so more come only from changes of mind.
MOST_PENDING: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A step that has no record yet. `time` is in seconds since 1970; with the action, it tells steps apart."""

    action: Action
    time: float
    from_version: str | None = None
    to_version: str | None = None
    alias: str | None = None
    content_sha256: str | None = None
    source: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """A version that isn't tried again until what is wanted changes, which `mark` tells.

    `by_check` says that its signature was refused, so that a good signature is enough to try it again.
    """

    version: str
    mark: str
    state: State
    reason: str
    by_check: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """The version that answers, the one before, and the one that is being rolled out, with what was found so far.

    Times are in seconds since 1970. `wanted` is what was asked last, which counts while MLflow can't be asked, and
    `head` the last record's number and digest. `baseline` are the figures by pod when the canary was opened. `passed`
    says that the target may take over once its record is written, and `back` that it is a way back, which waits for
    nothing and needs no trial. `taken_back` is the version that the last way back left. `failure` is why the last
    delivery failed. By version, `retired` has the time since when it is unused, `contents` the digest of its signed
    files, and `images` its image. `doubt` is why the version that answers would not be served again.
    """

    model: str
    wanted: Mapping[str, Any] | None = None
    source: str | None = None
    asked: str | None = None
    served: str | None = None
    doubt: str = ""
    previous: str | None = None
    since: float = 0
    target: str | None = None
    started: float = 0
    running_since: float | None = None
    canary_since: float | None = None
    baseline: Mapping[str, Figures] = field(default_factory=dict)
    passed: bool = False
    back: bool = False
    taken_back: str | None = None
    failures: int = 0
    retry_at: float = 0
    failure: str = ""
    rejected: Rejected | None = None
    retired: Mapping[str, float] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    pending: tuple[Draft, ...] = ()
    head: tuple[int, str] | None = None
    removed: bool = False

    @property
    def unwritten(self) -> str:
        """What is said of the step whose record is the next to be written; nothing if all are."""
        return f"the record of the step `{self.pending[0].action}` is not written yet" if self.pending else ""

    def to_text(self) -> str:
        """Return the JSON text that `parse` reads."""
        fields = asdict(self) | {"baseline": {version: each.to_json() for version, each in self.baseline.items()}}
        return json.dumps(fields, sort_keys=True)

    @staticmethod
    def parse(text: str) -> "Memory":
        """Return the memory in a text of `to_text`.

        Raises:
            ValueError: It isn't one.
        """
        try:
            fields = load_json(text)
            fields["baseline"] = {version: Figures.from_json(each) for version, each in fields["baseline"].items()}
            if fields["wanted"] is not None:
                Wanted.from_json(fields["wanted"])
            return _MEMORY.validate_python(fields)
        except (KeyError, TypeError, AttributeError, OverflowError, WorkloadError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


# Whoever may write ConfigMaps may have written what is read.
_MEMORY: Final = TypeAdapter(Memory)
