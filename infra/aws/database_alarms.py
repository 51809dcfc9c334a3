"""CloudWatch's alarms on a PostgreSQL server in RDS: what only AWS knows of it.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-metrics.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import cloudwatch, sns

from infra.limits.account import Account

_GIB: Final = 2**30
# Seconds of one value.
_PERIOD: Final = 300
# RDS adds storage when less than 10 % is free, which takes minutes. Less than this for half an hour
# means that it can't.
_FREE_SHARE: Final = 0.08
_MOST_CONNECTIONS: Final = 0.8
# A credit is a minute of one vCPU. With fewer than these a busy burstable server soon falls back to its baseline.
_LEAST_CREDITS: Final = 30
_BURSTABLE: Final = "db.t"
# Bytes that a replica of the server is behind.
_MOST_LAG: Final = _GIB


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseAlarmsArgs:
    """Arguments of `DatabaseAlarms`: the server, its storage and the connections that it accepts."""

    account: Account
    identifier: str
    instance_class: str
    storage_gib: int
    connections: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """The condition that a metric is above or below `threshold` in each of `periods` of five minutes."""

    name: str
    metric: str
    above: bool
    threshold: float
    periods: int
    description: str


class DatabaseAlarms(pulumi.ComponentResource):
    """An alarm for each limit, and the SNS topic `topic_arn` that they notify, to which an administrator subscribes."""

    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DatabaseAlarmsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:aws:DatabaseAlarms", name, {}, opts)
        child = ResourceOptions(parent=self)
        # SNS's own policy lets the alarms of the account publish.
        topic = sns.Topic(f"{name}-topic", tags=args.account.tags, opts=child)
        self.topic_arn = topic.arn
        for limit in limits(args):
            cloudwatch.MetricAlarm(
                f"{name}-{limit.name}",
                alarm_description=limit.description,
                namespace="AWS/RDS",
                metric_name=limit.metric,
                dimensions={"DBInstanceIdentifier": args.identifier},
                statistic="Average",
                period=_PERIOD,
                evaluation_periods=limit.periods,
                comparison_operator="GreaterThanThreshold" if limit.above else "LessThanThreshold",
                threshold=limit.threshold,
                # Only a server with replicas has a lag, and a stopped one has no values.
                treat_missing_data="notBreaching",
                alarm_actions=[topic.arn],
                ok_actions=[topic.arn],
                tags=args.account.tags,
                opts=child,
            )
        self.register_outputs({"topicArn": self.topic_arn})


def limits(args: DatabaseAlarmsArgs) -> Iterator[Limit]:
    """Yield the limits of the server."""
    yield Limit(
        name="storage",
        metric="FreeStorageSpace",
        above=False,
        threshold=int(args.storage_gib * _GIB * _FREE_SHARE),
        periods=6,
        description=f"Less than {_FREE_SHARE:.0%} of the database's {args.storage_gib} GiB is free, and RDS adds none.",
    )
    yield Limit(
        name="connections",
        metric="DatabaseConnections",
        above=True,
        threshold=int(args.connections * _MOST_CONNECTIONS),
        periods=1,
        description=f"More than {_MOST_CONNECTIONS:.0%} of the database's {args.connections} connections are open.",
    )
    yield Limit(
        name="replica-lag",
        metric="OldestReplicationSlotLag",
        above=True,
        threshold=_MOST_LAG,
        periods=3,
        description="A replica of the database is more than 1 GiB behind.",
    )
    if args.instance_class.startswith(_BURSTABLE):
        yield Limit(
            name="credits",
            metric="CPUCreditBalance",
            above=False,
            threshold=_LEAST_CREDITS,
            periods=3,
            description=f"The database has fewer than {_LEAST_CREDITS} CPU credits: it will be slow under load.",
        )
