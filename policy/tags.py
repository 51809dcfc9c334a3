"""The rule about tags: each AWS resource names its environment, its owner and its cost center."""

from collections.abc import Iterator
from typing import Final

from policy.resources import UNKNOWN, Resource, dig
from policy.rule import each

REQUIRED: Final = ("Environment", "Owner", "CostCenter")
# The types with tags that this program makes or may make one day.
TAGGED: Final = (
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:ec2/instance:Instance",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/vpc:Vpc",
    "aws:ecr/repository:Repository",
    "aws:eks/cluster:Cluster",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    "aws:iam/policy:Policy",
    "aws:iam/role:Role",
    "aws:kms/key:Key",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:rds/cluster:Cluster",
    "aws:rds/clusterParameterGroup:ClusterParameterGroup",
    "aws:rds/instance:Instance",
    "aws:rds/parameterGroup:ParameterGroup",
    "aws:rds/subnetGroup:SubnetGroup",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketV2:BucketV2",
    "aws:secretsmanager/secret:Secret",
    "aws:sns/topic:Topic",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
)


def _tags(resource: Resource) -> Iterator[str]:
    tags = resource.get("tags")
    if tags is not UNKNOWN and (missing := [tag for tag in REQUIRED if not dig(tags, tag)]):
        yield f"tags lacks {', '.join(missing)}."


RULES: Final = (
    each(
        "aws-resource-is-tagged",
        f"An AWS resource names its owner. Set the tags {', '.join(REQUIRED)}.",
        TAGGED,
        _tags,
    ),
)
