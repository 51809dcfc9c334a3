"""What happens to a field that somebody changed by hand: the next `pulumi up --refresh` puts it back.

Without a word from the program, a changed field belongs to whoever changed it, and Pulumi ends with a conflict.
"""

from collections.abc import Mapping
from typing import Final

import pulumi
from pulumi import ResourceTransformationArgs, ResourceTransformationResult

# https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
PATCH_FORCE: Final = "pulumi.com/patchForce"


def put_back_drift() -> None:
    """Make every Kubernetes object that this program registers from here on take back the fields that it states."""
    pulumi.runtime.register_stack_transformation(_taking_back)


def _taking_back(args: ResourceTransformationArgs) -> ResourceTransformationResult | None:
    metadata = args.props.get("metadata")
    if not args.type_.startswith("kubernetes:") or not isinstance(metadata, Mapping):
        return None
    annotations = pulumi.Output.from_input(metadata.get("annotations") or {})
    forced = {**metadata, "annotations": annotations.apply(lambda given: {**given, PATCH_FORCE: "true"})}
    return ResourceTransformationResult(props={**args.props, "metadata": forced}, opts=args.opts)
