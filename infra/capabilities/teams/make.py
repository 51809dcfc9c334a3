"""Create the namespace of each team."""

from collections.abc import Mapping

import pulumi

from infra.capabilities.teams.namespace import Team as TeamSpace
from infra.capabilities.teams.namespace import TeamArgs
from infra.capabilities.teams.settings import Team
from infra.context import Context
from infra.kube.signing_keys import SigningKeys, SigningKeysArgs
from infra.limits.flows import Pods
from infra.links import Signing


def make_teams(context: Context, signing: Signing) -> Mapping[str, pulumi.Output[str]]:
    """Create the teams' namespaces.

    Returns each one by its name, as an output that waits for the namespace.
    """
    return {team.namespace: _make_team(context, team, signing) for team in context.settings.teams}


def _make_team(context: Context, team: Team, signing: Signing) -> pulumi.Output[str]:
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
    # Data scientists' pods mount them for `aegis.load_model`.
    keys = SigningKeysArgs(namespace=namespace, pem=signing.trusted_keys)
    SigningKeys(f"{team.namespace}-signing-keys", keys, context.in_place)
    return namespace
