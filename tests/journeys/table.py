"""The table of the journeys: each row is an action, its place, and the expected outcome. A new capability adds rows.

A refused row has the words of the refusal; docs/operations.md ("Who reaches what") gives the reasons.
"""

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """The place of a user."""

    MACHINE = "the machine, by localhost"
    PUBLIC = "a host that resolves nothing of the cluster, by the public name, with TLS"
    TEAM = "a team's namespace"
    PLATFORM = "the mlflow namespace"
    ELSEWHERE = "a namespace that nobody authorised"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One journey: `within` is its time limit in seconds, `refused` the words of its refusal."""

    where: Place
    what: str
    within: int = 30
    refused: str | None = None

    def __str__(self) -> str:
        return f"{self.what} from {self.where}"


# The actions of client.py, with the MLflow client. The time limits are what a user tolerates on two busy cores.
CLIENT = (
    *(Row(where=place, what=what) for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM, Place.PLATFORM)
      for what in ("log", "search", "small_file")),
    *(Row(where=place, what="load", within=60) for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM, Place.PLATFORM)),
    *(Row(where=place, what="large_file", within=180) for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM)),
    *(Row(where=place, what="told_to_go_past_the_server") for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM)),
    Row(where=Place.PUBLIC, what="missing_file", refused="Failed to download artifacts"),
    *(Row(where=place, what=what, refused="it is not signed")
      for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM, Place.PLATFORM)
      for what in ("unsigned_champion", "unsigned_stage")),
)  # fmt: skip

# The actions of verified.py, with the client library of this project. Pods verify with the workloads' image, which
# doesn't have PyTorch to load the model.
VERIFIED = (
    *(Row(where=place, what="verify", within=60)
      for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM, Place.PLATFORM)),
    *(Row(where=place, what="load", within=90) for place in (Place.MACHINE, Place.PUBLIC)),
    *(Row(where=place, what="load_unsigned", refused="it is not signed")
      for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM, Place.PLATFORM)),
)  # fmt: skip

# The actions of gateway_client.py, without any library.
GATEWAY = (
    *(Row(where=place, what=what) for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM)
      for what in ("look", "log", "register")),
    *(Row(where=place, what="unsigned_stage", refused="it is not signed")
      for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM)),
)  # fmt: skip

# Requests by curl: the target, and the status and words of a refusal; `unreachable` if nothing accepts the connection.
HTTP = (
    Row(where=Place.MACHINE, what="mlflow"),
    Row(where=Place.MACHINE, what="s3"),
    Row(where=Place.MACHINE, what="s3_console"),
    Row(where=Place.MACHINE, what="vault"),
    Row(where=Place.MACHINE, what="mlflow as another page", refused="403 Cross-origin request blocked"),
    Row(where=Place.MACHINE, what="mlflow as another host", refused="403 Invalid Host header"),
    Row(where=Place.MACHINE, what="mlflow as its own page"),
    Row(
        where=Place.MACHINE,
        what="a presigned address",
        refused="501 artifacts are transferred through this server only",
    ),
    Row(where=Place.MACHINE, what="a missing file", refused="404 There is no such file among the artifacts"),
    Row(where=Place.MACHINE, what="the assistant", refused="403 Assistant API is only accessible from the same host"),
    *(Row(where=place, what="gateway") for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM)),
    *(Row(where=place, what="gateway", refused="unreachable") for place in (Place.PLATFORM, Place.ELSEWHERE)),
    Row(where=Place.MACHINE, what="gateway as another page", refused="403 A page of another site"),
    Row(where=Place.MACHINE, what="gateway as another host", refused="403 Invalid Host header"),
    Row(where=Place.PUBLIC, what="mlflow"),
    Row(where=Place.PUBLIC, what="mlflow as its own page"),
    Row(where=Place.PUBLIC, what="mlflow as another page", refused="403 Cross-origin request blocked"),
    Row(where=Place.PUBLIC, what="s3", refused="unreachable"),
    Row(where=Place.PUBLIC, what="vault", refused="unreachable"),
    Row(where=Place.PUBLIC, what="postgres", refused="unreachable"),
    Row(where=Place.TEAM, what="mlflow"),
    Row(where=Place.TEAM, what="s3", refused="unreachable"),
    Row(where=Place.TEAM, what="vault", refused="unreachable"),
    Row(where=Place.TEAM, what="postgres", refused="unreachable"),
    Row(where=Place.PLATFORM, what="mlflow"),
    Row(where=Place.PLATFORM, what="s3", refused="unreachable"),
    Row(where=Place.PLATFORM, what="vault", refused="unreachable"),
    Row(where=Place.PLATFORM, what="postgres", refused="unreachable"),
    *(Row(where=Place.ELSEWHERE, what=what, refused="unreachable") for what in ("mlflow", "s3", "vault", "postgres")),
)

# The pages that a user opens in a browser.
PAGES = ("experiments", "runs", "charts of runs", "run", "charts", "compare", "artifact", "models", "model version")
BROWSER = tuple(Row(where=place, what=page) for place in (Place.MACHINE, Place.PUBLIC) for page in PAGES)

# A person gives a version an alias in the browser: "VERSION gets ALIAS".
ALIASES = (
    *(Row(where=place, what=what, refused=refused)
      for place in (Place.MACHINE, Place.PUBLIC)
      for what, refused in (
          ("unsigned gets champion", "it is not signed"),
          ("altered gets champion", "was changed"),
          ("foreign gets champion", "signed with a key that isn't trusted"),
          ("unsigned gets looked-at", None),
          ("signed gets production", None),
      )),
    # In one place only: it takes a minute until every pod knows that a key was taken out.
    Row(where=Place.PUBLIC, what="revoked gets champion", refused="signed with a key that isn't trusted"),
)  # fmt: skip

# The workloads' commands: on the machine after `eval "$(make -s env)"`, elsewhere with variables that a user might set
# there. Later commands depend on earlier ones.
COMMANDS = (
    *(Row(where=place, what="select") for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM)),
    Row(where=Place.MACHINE, what="package and sign"),
    *(
        Row(where=place, what="package and sign", refused="exit 5: error: Vault at")
        for place in (Place.PUBLIC, Place.TEAM)
    ),
    # Verification needs only the archive and a public key.
    *(Row(where=place, what="verify") for place in (Place.MACHINE, Place.PUBLIC)),
    Row(where=Place.MACHINE, what="back up", within=60),
    *(
        Row(where=place, what="back up", within=60, refused="exit 8: error: PostgreSQL at")
        for place in (Place.PUBLIC, Place.TEAM)
    ),
    Row(where=Place.MACHINE, what="list backups"),
    Row(where=Place.MACHINE, what="restore", within=90),
)

# A model's life on the machine after `eval "$(make -s env)"`, in this order; its second version is the better one.
# Elsewhere nothing can be decided.
LIFE = (
    Row(where=Place.MACHINE, what="release", within=60),
    *(
        Row(where=place, what="roll back", within=60, refused="exit 5: error: Vault at")
        for place in (Place.PUBLIC, Place.TEAM)
    ),
    Row(where=Place.MACHINE, what="promote by a stricter policy", refused="exit 10: error: "),
    Row(where=Place.MACHINE, what="promote", within=60),
    Row(where=Place.MACHINE, what="release the better one", within=60),
    Row(where=Place.MACHINE, what="promote the better one", within=60),
    Row(where=Place.MACHINE, what="verify the champion", within=60),
    Row(where=Place.MACHINE, what="roll back", within=60),
    Row(where=Place.MACHINE, what="history", within=60),
)

# The actions of gateway_client.py with that model, once it is a champion.
SERVING = (
    Row(where=Place.PUBLIC, what="deploy", within=150),
    *(Row(where=place, what="predict") for place in (Place.MACHINE, Place.PUBLIC, Place.TEAM)),
    Row(where=Place.TEAM, what="remove"),
)
