"""The outputs that AWS computes for a resource, as far as the program reads them."""

from typing import Any, Final

from pulumi.runtime.mocks import MockResourceArgs

ACCOUNT_ID: Final = "123456789012"
REGION: Final = "us-west-2"


def computed(args: MockResourceArgs) -> dict[str, Any]:
    """Return the outputs that AWS adds to a resource's inputs."""
    service, _, kind = args.typ.removeprefix("aws:").replace("/", ":").split(":")
    arn = f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{kind}/{args.name}"
    return {"arn": arn, **_COMPUTED.get(f"{service}:{kind}", lambda _: {})(args)}


def _instance(args: MockResourceArgs) -> dict[str, Any]:
    identifier = args.inputs["identifier"]
    return {
        "address": f"{identifier}.c0ffee.{REGION}.rds.amazonaws.com",
        "resourceId": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "masterUserSecrets": [
            {
                "secretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:rds!db-{identifier}-AbCdEf",
                "kmsKeyId": args.inputs["masterUserSecretKmsKeyId"],
                "secretStatus": "active",
            }
        ],
    }


_COMPUTED: Final = {
    "ecr:Repository": lambda args: {
        "repositoryUrl": f"{ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com/{args.inputs['name']}"
    },
    "kms:Key": lambda args: {"keyId": f"{args.name}-id"},
    "iam:Role": lambda args: {"arn": f"arn:aws:iam::{ACCOUNT_ID}:role/{args.inputs['name']}"},
    "rds:Instance": _instance,
    "rds:ParameterGroup": lambda args: {"name": f"{args.name}-0a1b2c3d"},
    "rds:SubnetGroup": lambda args: {"name": f"{args.name}-0a1b2c3d"},
}
