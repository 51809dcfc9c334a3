"""Correction of manual changes: the next `pulumi up --refresh` restores each changed field.

By default server-side apply gives a changed field to its new manager, and Pulumi fails with a conflict.
"""

from collections.abc import Mapping
from typing import Final

import pulumi
from pulumi import ResourceTransformationArgs, ResourceTransformationResult

# https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
PATCH_FORCE: Final = "pulumi.com/patchForce"


def put_back_drift() -> None:
    """Make Pulumi take back the fields of every Kubernetes object that the program registers after this call."""
    pulumi.runtime.register_stack_transformation(_force_apply)


def _force_apply(args: ResourceTransformationArgs) -> ResourceTransformationResult | None:
    metadata = args.props.get("metadata")
    if not args.type_.startswith("kubernetes:") or not isinstance(metadata, Mapping):
        return None
    annotations = pulumi.Output.from_input(metadata.get("annotations") or {})
    forced = {**metadata, "annotations": annotations.apply(lambda own: {**own, PATCH_FORCE: "true"})}
    return ResourceTransformationResult(props={**args.props, "metadata": forced}, opts=args.opts)
