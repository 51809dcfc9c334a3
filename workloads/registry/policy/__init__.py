"""The promotion policy: a file of rules, and the judgement of a model version by them."""

from workloads.registry.policy.file import Policy, load
from workloads.registry.policy.judgement import Judge, judge
from workloads.registry.policy.report import Report, Rule

__all__ = ["Judge", "Policy", "Report", "Rule", "judge", "load"]
