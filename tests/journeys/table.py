"""Who does what from where, and what comes of it: the one table of the journeys. A new capability adds rows.

A row that is refused names the words of the refusal; docs/operations.md ("Who reaches what") gives the reasons.
"""

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """Where somebody stands."""

    MACHINE = "the machine, by localhost"
    PUBLIC = "a host that resolves nothing of the cluster, by the public name, with TLS"
    TEAM = "a team's namespace"
    PLATFORM = "the mlflow namespace"
    ELSEWHERE = "a namespace that nobody authorised"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One journey: `within` is the seconds that it may take, `refused` the words of its refusal."""

    where: Place
    what: str
    within: int = 30
    refused: str | None = None

    def __str__(self) -> str:
        return f"{self.what} from {self.where}"


# The actions of client.py, by MLflow's own client. The seconds are what a person bears on a machine of two busy cores.
CLIENT = (
    *(Row(where=place, what=what) for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM, Place.PLATFORM)
      for what in ("log", "search", "small_file")),
    *(Row(where=place, what="load", within=60) for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM, Place.PLATFORM)),
    *(Row(where=place, what="large_file", within=180) for place in (Place.MACHINE, Place.PUBLIC)),
)  # fmt: skip

# Requests by curl: the target, and what curl prints of the answer. `blocked` is a connection that no policy allows.
HTTP = (
    Row(where=Place.MACHINE, what="mlflow"),
    Row(where=Place.MACHINE, what="s3"),
    Row(where=Place.MACHINE, what="s3 console"),
    Row(where=Place.MACHINE, what="vault"),
    Row(where=Place.MACHINE, what="mlflow as another page", refused="403 Cross-origin request blocked"),
    Row(where=Place.MACHINE, what="mlflow as another host", refused="403 Invalid Host header"),
    Row(where=Place.MACHINE, what="mlflow as its own page"),
    Row(where=Place.MACHINE, what="a presigned address", refused="501 Artifacts are transferred through this server"),
    Row(where=Place.PUBLIC, what="mlflow"),
    Row(where=Place.PUBLIC, what="mlflow as its own page"),
    Row(where=Place.PUBLIC, what="mlflow as another page", refused="403 Cross-origin request blocked"),
    Row(where=Place.PUBLIC, what="vault", refused="unreachable"),
    Row(where=Place.TEAM, what="mlflow"),
    Row(where=Place.TEAM, what="s3", refused="unreachable"),
    Row(where=Place.TEAM, what="vault", refused="unreachable"),
    Row(where=Place.TEAM, what="postgres", refused="unreachable"),
    Row(where=Place.PLATFORM, what="mlflow"),
    Row(where=Place.PLATFORM, what="s3", refused="unreachable"),
    Row(where=Place.PLATFORM, what="vault", refused="unreachable"),
    Row(where=Place.ELSEWHERE, what="mlflow", refused="unreachable"),
)

# What a person sees in a browser, page by page.
PAGES = ("experiments", "runs", "run", "charts", "compare", "artifact", "models", "model version")
BROWSER = tuple(Row(where=place, what=page) for place in (Place.MACHINE, Place.PUBLIC) for page in PAGES)

# The workloads' commands on the machine, after `eval "$(make -s env)"`, in the order in which one needs another.
COMMANDS = tuple(
    Row(where=Place.MACHINE, what=what, within=within)
    for what, within in (
        ("select", 20), ("package and sign", 30), ("verify", 20),
        ("back up", 60), ("list backups", 20), ("restore", 90),
    )
)  # fmt: skip
