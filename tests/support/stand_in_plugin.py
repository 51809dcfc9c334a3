"""A provider plugin that accepts any resource type and creates nothing: `python -m tests.support.stand_in_plugin`.

With it, the real engine can process types whose real plugin needs an account or a cluster. The table below lists the
inputs that cause a replacement. The environment variable DRIFT is a JSON object that maps the name of a resource to its
drift, or to null if the resource is gone.
"""

import json
import os
import sys

from local.plugins import messages

# This must precede every import of the SDK.
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
    """A stand-in for the package with this name."""

    def __init__(self, name: str, host: Host) -> None:
        super().__init__(host)
        self.name = name
        self.version = VERSIONS[name]

    def configure(self, config: Bag) -> None:
        """Configure nothing."""

    def check(self, request: Request) -> Bag:
        """Accept all inputs."""
        return request.inputs

    def diff(self, request: Request) -> Diff:
        """Compare the inputs."""
        old, new = reveal_bag(request.old_inputs), reveal_bag(request.inputs)
        changes = without(compare(old, new), request.ignore)
        replacing = REPLACING.get(request.type, set())
        return Diff(changes=changes, replaces=frozenset(path for path in changes if path[0] in replacing))

    def create(self, request: Request) -> State:
        """Add an ARN, which is unknown in a preview."""
        arn = UNKNOWN if request.preview else f"arn:aws:test:::{request.name}"
        return State(id="" if request.preview else f"{request.name}-id", outputs=request.inputs | {"arn": arn})

    def read(self, request: Request) -> State | None:
        """Return the state with the drift."""
        drift = json.loads(os.environ.get(DRIFT, "{}")).get(request.name, {})
        if drift is None:
            return None
        return State(id=request.id, outputs=request.state | drift, inputs=request.inputs | drift)

    def update(self, request: Request) -> State:
        """Store the new inputs."""
        return State(id=request.id, outputs=request.state | request.inputs)

    def delete(self, request: Request) -> None:
        """Do nothing."""


if __name__ == "__main__":
    package, engine = sys.argv[1:3]
    process.serve(lambda host: StandIn(package, host), engine)
