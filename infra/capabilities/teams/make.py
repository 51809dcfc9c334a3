"""Makes the namespace of every team."""

from collections.abc import Mapping

import pulumi

from infra.capabilities.teams.settings import Team
from infra.capabilities.teams.space import Team as TeamSpace
from infra.capabilities.teams.space import TeamArgs
from infra.context import Context
from infra.limits.flows import Pods


def make_teams(context: Context) -> Mapping[str, pulumi.Output[str]]:
    """Make the teams' namespaces, and return them by their names."""
    return {team.namespace: _make_team(context, team) for team in context.settings.teams}


def _make_team(context: Context, team: Team) -> pulumi.Output[str]:
    namespace = context.closed_namespace(team.namespace)
    TeamSpace(
        f"{team.namespace}-space",
        TeamArgs(
            namespace=namespace,
            cpu=team.cpu,
            memory=team.memory,
            gpus=team.gpus,
            traffic=context.traffic(Pods(team.namespace)),
        ),
        context.opts,
    )
    return namespace
