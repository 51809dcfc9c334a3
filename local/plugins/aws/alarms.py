"""AWS CloudWatch alarms, and the SNS topics that they notify."""

from typing import Any, Final

from local.plugins.aws.client import Aws, found
from local.plugins.aws.documents import tag_list, tag_map
from local.plugins.aws.kind import Kind, fields, tag_changes, tags
from local.plugins.naming import unique
from local.plugins.values import Bag

_GONE: Final = ("NotFound", "ResourceNotFound")


class Topic(Kind):
    """`aws.sns.Topic`: its id is its ARN."""

    fields = fields(optional={"name": None}, computed=("arn", "owner"), replacing=("name",))
    named = "name"

    def generate_name(self, name: str, seed: bytes) -> str:
        """Return a unique name. SNS keeps capital letters."""
        return unique(f"{name}-", seed, digits=7)

    def locate(self, identity: str) -> Bag:
        """Return the name, the last part of the ARN."""
        return {"name": identity.rpartition(":")[2]}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the topic."""
        return aws.client("sns").create_topic(Name=inputs["name"], Tags=tag_list(inputs.get("tags")))["TopicArn"]

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the topic."""
        sns = aws.client("sns")
        answer = found(lambda: sns.get_topic_attributes(TopicArn=identity), *_GONE)
        if answer is None:
            return None
        return {
            **self.locate(identity),
            "arn": identity,
            "owner": answer["Attributes"]["Owner"],
            **tags(tag_map(sns.list_tags_for_resource(ResourceArn=identity)["Tags"])),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Change the tags."""
        sns = aws.client("sns")
        added, removed = tag_changes(old, new)
        if removed:
            sns.untag_resource(ResourceArn=identity, TagKeys=removed)
        if added:
            sns.tag_resource(ResourceArn=identity, Tags=tag_list(added))

    def delete(self, aws: Aws, identity: str, _inputs: Bag) -> None:
        """Delete the topic."""
        found(lambda: aws.client("sns").delete_topic(TopicArn=identity), *_GONE)


class MetricAlarm(Kind):
    """`aws.cloudwatch.MetricAlarm`, on one metric: its id is its name."""

    fields = fields(
        required=("comparisonOperator", "evaluationPeriods"),
        optional={
            "name": None,
            "alarmDescription": None,
            "namespace": None,
            "metricName": None,
            "dimensions": None,
            "statistic": None,
            "period": None,
            "threshold": None,
            "treatMissingData": "missing",
            "alarmActions": None,
            "okActions": None,
        },
        computed=("arn",),
        replacing=("name",),
        sets=("alarmActions", "okActions"),
    )
    named = "name"

    def generate_name(self, name: str, seed: bytes) -> str:
        """Return a unique name. CloudWatch keeps capital letters."""
        return unique(f"{name}-", seed, digits=7)

    def locate(self, identity: str) -> Bag:
        """Return the name, which is the id."""
        return {"name": identity}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the alarm."""
        aws.client("cloudwatch").put_metric_alarm(**_arguments(inputs), Tags=tag_list(inputs.get("tags")))
        return inputs["name"]

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the alarm."""
        cloudwatch = aws.client("cloudwatch")
        alarms = cloudwatch.describe_alarms(AlarmNames=[identity])["MetricAlarms"]
        if not alarms:
            return None
        alarm = alarms[0]
        return {
            "name": identity,
            "arn": alarm["AlarmArn"],
            "alarmDescription": alarm.get("AlarmDescription"),
            "namespace": alarm.get("Namespace"),
            "metricName": alarm.get("MetricName"),
            "dimensions": {each["Name"]: each["Value"] for each in alarm.get("Dimensions", ())} or None,
            "statistic": alarm.get("Statistic"),
            "period": alarm.get("Period"),
            "evaluationPeriods": alarm["EvaluationPeriods"],
            "threshold": alarm.get("Threshold"),
            "comparisonOperator": alarm["ComparisonOperator"],
            "treatMissingData": alarm.get("TreatMissingData", "missing"),
            "alarmActions": alarm.get("AlarmActions") or None,
            "okActions": alarm.get("OKActions") or None,
            **tags(tag_map(cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"])),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Overwrite the alarm, and change its tags, which that leaves alone."""
        cloudwatch = aws.client("cloudwatch")
        cloudwatch.put_metric_alarm(**_arguments({**new, "name": identity}))
        added, removed = tag_changes(old, new)
        arn = aws.arn("cloudwatch", f"alarm:{identity}")
        if removed:
            cloudwatch.untag_resource(ResourceARN=arn, TagKeys=removed)
        if added:
            cloudwatch.tag_resource(ResourceARN=arn, Tags=tag_list(added))

    def delete(self, aws: Aws, identity: str, _inputs: Bag) -> None:
        """Delete the alarm."""
        found(lambda: aws.client("cloudwatch").delete_alarms(AlarmNames=[identity]), *_GONE)


def _arguments(inputs: Bag) -> dict[str, Any]:
    """Return the arguments of `put_metric_alarm`, without those that have no value."""
    arguments: dict[str, Any] = {
        "AlarmName": inputs["name"],
        "AlarmDescription": inputs.get("alarmDescription"),
        "Namespace": inputs.get("namespace"),
        "MetricName": inputs.get("metricName"),
        "Dimensions": [{"Name": name, "Value": value} for name, value in (inputs.get("dimensions") or {}).items()],
        "Statistic": inputs.get("statistic"),
        "EvaluationPeriods": int(inputs["evaluationPeriods"]),
        "Period": None if inputs.get("period") is None else int(inputs["period"]),
        "Threshold": inputs.get("threshold"),
        "ComparisonOperator": inputs["comparisonOperator"],
        "TreatMissingData": inputs.get("treatMissingData"),
        "AlarmActions": inputs.get("alarmActions"),
        "OKActions": inputs.get("okActions"),
    }
    return {name: value for name, value in arguments.items() if value is not None}
