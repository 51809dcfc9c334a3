"""The resource types and functions that the plugin serves, by their official tokens."""

from collections.abc import Mapping
from typing import Final

from local.plugins.aws import (
    alarms,
    ecr,
    iam,
    kms,
    log_groups,
    rds_groups,
    rds_instance,
    s3_bucket,
    s3_settings,
    security_groups,
)
from local.plugins.aws.functions import CALLER_IDENTITY, CLUSTER, OPEN_ID_CONNECT_PROVIDER, VPC, Function
from local.plugins.aws.kind import Kind

KINDS: Final[Mapping[str, Kind]] = {
    "aws:cloudwatch/logGroup:LogGroup": log_groups.LogGroup(),
    "aws:cloudwatch/metricAlarm:MetricAlarm": alarms.MetricAlarm(),
    "aws:ec2/securityGroup:SecurityGroup": security_groups.SecurityGroup(),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": ecr.LifecyclePolicy(),
    "aws:ecr/repository:Repository": ecr.Repository(),
    "aws:iam/role:Role": iam.Role(),
    "aws:iam/rolePolicy:RolePolicy": iam.RolePolicy(),
    "aws:kms/alias:Alias": kms.Alias(),
    "aws:kms/key:Key": kms.Key(),
    "aws:rds/instance:Instance": rds_instance.Instance(),
    "aws:rds/parameterGroup:ParameterGroup": rds_groups.ParameterGroup(),
    "aws:rds/subnetGroup:SubnetGroup": rds_groups.SubnetGroup(),
    "aws:s3/bucket:Bucket": s3_bucket.Bucket(),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": s3_settings.Lifecycle(),
    "aws:s3/bucketLogging:BucketLogging": s3_settings.Logging(),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": s3_settings.ObjectLock(),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": s3_settings.OwnershipControls(),
    "aws:s3/bucketPolicy:BucketPolicy": s3_settings.Policy(),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": s3_settings.PublicAccessBlock(),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": s3_settings.Replication(),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": s3_settings.Encryption(),
    "aws:s3/bucketVersioning:BucketVersioning": s3_settings.Versioning(),
    "aws:sns/topic:Topic": alarms.Topic(),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": security_groups.IngressRule(),
}

FUNCTIONS: Final[Mapping[str, Function]] = {
    "aws:ec2/getVpc:getVpc": VPC,
    "aws:eks/getCluster:getCluster": CLUSTER,
    "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider": OPEN_ID_CONNECT_PROVIDER,
    "aws:index/getCallerIdentity:getCallerIdentity": CALLER_IDENTITY,
}
