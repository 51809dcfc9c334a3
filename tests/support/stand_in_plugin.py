"""A provider plugin that takes any resource type and makes nothing: `python -m tests.support.stand_in_plugin`.

It lets the real engine say what it says of types whose real plugin needs an account or a cluster. What replaces a
resource is in the table below; what has drifted is the JSON object of the environment's DRIFT, by the resource's name,
null for a resource that is gone.
"""

import json
import os
import sys

from local.plugins import messages

# Before anything that imports the SDK.
messages.load_alone()

from local.plugins import process  # noqa: E402
from local.plugins.diffs import compare, without  # noqa: E402
from local.plugins.provider import Diff, Host, Provider, Request, State  # noqa: E402
from local.plugins.values import UNKNOWN, Bag, reveal_bag  # noqa: E402

DRIFT = "DRIFT"
VERSIONS = {"aws": "7.51.1", "kubernetes": "4.28.0"}
REPLACING = {
    "aws:rds/instance:Instance": {"identifier", "engine"},
    "aws:ec2/securityGroup:SecurityGroup": {"description"},
    "kubernetes:core/v1:Namespace": {"metadata"},
}


class StandIn(Provider):
    """Plays the package of that name."""

    def __init__(self, name: str, host: Host) -> None:
        super().__init__(host)
        self.name = name
        self.version = VERSIONS[name]

    def configure(self, config: Bag) -> None:
        """Take nothing."""

    def check(self, request: Request) -> Bag:
        """Take everything."""
        return request.inputs

    def diff(self, request: Request) -> Diff:
        """Compare the inputs."""
        old, new = reveal_bag(request.old_inputs), reveal_bag(request.inputs)
        changes = without(compare(old, new), request.ignore)
        replacing = REPLACING.get(request.type, set())
        return Diff(changes=changes, replaces=frozenset(path for path in changes if path[0] in replacing))

    def create(self, request: Request) -> State:
        """Add an ARN, unknown in a preview."""
        arn = UNKNOWN if request.preview else f"arn:aws:test:::{request.name}"
        return State(id="" if request.preview else f"{request.name}-id", outputs=request.inputs | {"arn": arn})

    def read(self, request: Request) -> State | None:
        """Return the state as it has drifted."""
        drift = json.loads(os.environ.get(DRIFT, "{}")).get(request.name, {})
        if drift is None:
            return None
        return State(id=request.id, outputs=request.state | drift, inputs=request.inputs | drift)

    def update(self, request: Request) -> State:
        """Take the new inputs."""
        return State(id=request.id, outputs=request.state | request.inputs)

    def delete(self, request: Request) -> None:
        """Do nothing."""


if __name__ == "__main__":
    package, engine = sys.argv[1:3]
    process.serve(lambda host: StandIn(package, host), engine)
