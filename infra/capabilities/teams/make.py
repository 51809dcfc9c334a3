"""Create the namespace of each team."""

from collections.abc import Mapping

import pulumi

from infra.capabilities.teams.namespace import Team as TeamSpace
from infra.capabilities.teams.namespace import TeamArgs
from infra.capabilities.teams.settings import Team
from infra.context import Context
from infra.limits.flows import Pods


def make_teams(context: Context) -> Mapping[str, pulumi.Output[str]]:
    """Create the teams' namespaces.

    Returns each one by its name, as an output that waits for the namespace.
    """
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
