"""The check of the whole: settings that are fine one by one and can't work together, found before anything is made.

Each problem names a key, the numbers that clash, and what would be allowed.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from infra.settings import capacity, in_aws, in_cluster
from infra.settings.model import Settings


def problems(wanted: Settings, project: str) -> list[str]:
    """Return a line for each problem, as `section.key: what was given; what is allowed`."""
    checks = (*_SHAPE, *capacity.CHECKS, *in_cluster.CHECKS)
    return [
        *(problem for check in checks for problem in check(wanted)),
        *(in_aws.problems(wanted, project) if wanted.uses_aws else ()),
    ]


def _cluster(wanted: Settings) -> Iterator[str]:
    if wanted.cluster.kubeconfig is None and wanted.cluster.eks_name is None:
        yield (
            "cluster.kubeconfig: not set; allowed: the path of an existing kubeconfig file (the "
            "environment's KUBECONFIG "
            "fills in), or eksName, the name of an existing EKS cluster"
        )


def _images(wanted: Settings) -> Iterator[str]:
    needed = {
        "postgres": wanted.database.kind == "in-cluster",
        "s3": wanted.artifact_store.kind == "in-cluster",
        "vault": wanted.vault.kind == "in-cluster",
        "trainer": wanted.release.enabled,
    }
    for name, is_needed in needed.items():
        if is_needed and getattr(wanted.images, name) is None:
            yield f"images.{name}: not set; allowed: an image reference with a tag or a digest (this stack runs it)"


def _account(wanted: Settings) -> Iterator[str]:
    if not wanted.uses_aws:
        if wanted.only_repositories:
            yield (
                "aws.onlyRepositories: got true; allowed with something in AWS only, such as cluster.eksName: this "
                "stack would be emptied"
            )
        return
    if wanted.environment is None:
        yield (
            "environment: not set; allowed: an object with name, owner and costCenter (this stack has something in AWS)"
        )
    if wanted.aws is None:
        yield "aws: not set; allowed: an object with accountId (this stack has something in AWS)"
    elif wanted.aws.emulated and wanted.aws.endpoint is None:
        yield (
            "aws.endpoint: not set, with emulated true; allowed: the address of the emulated AWS API (the "
            "environment's AEGIS_AWS_ENDPOINT fills in), as everything would go to AWS itself otherwise"
        )


def _identities(wanted: Settings) -> Iterator[str]:
    cluster = wanted.cluster
    if wanted.database.kind == "rds" and cluster.eks_name is None:
        yield 'database.kind: got "rds"; allowed with cluster.eksName only, as its VPC is where the database is made'
    if wanted.database.kind == "in-cluster" and wanted.database.auth == "iam":
        yield 'database.auth: got "iam"; allowed with kind rds only, as only RDS knows the roles of AWS'
    if wanted.database.auth == "iam" and wanted.artifact_store.kind != "s3":
        yield (
            'database.auth: got "iam"; allowed with artifactStore.kind s3 only, as the workloads\' '
            "roles are made for both"
        )
    if wanted.artifact_store.kind == "s3" and cluster.eks_name is None and cluster.oidc_issuer is None:
        yield (
            'artifactStore.kind: got "s3"; allowed with cluster.eksName or cluster.oidcIssuer only, as '
            "pods get their AWS "
            "roles by the tokens of the cluster's issuer"
        )
    emulated = wanted.aws is not None and wanted.aws.endpoint is not None
    if cluster.eks_name is not None and not emulated:
        for key, given in (("kubeconfig", cluster.kubeconfig), ("context", cluster.context)):
            if given is not None:
                yield (
                    f"cluster.{key}: given with eksName; allowed: one of them, as an EKS cluster is reached by its name"
                )
    if cluster.eks_name is not None and cluster.oidc_issuer is not None:
        yield "cluster.oidcIssuer: given with eksName; allowed: one of them, as an EKS cluster's issuer is looked up"


def _localhost(wanted: Settings) -> Iterator[str]:
    if wanted.localhost is None:
        return
    in_cluster = {
        "mlflow": True,
        "s3": wanted.artifact_store.kind == "in-cluster",
        "s3_console": wanted.artifact_store.kind == "in-cluster",
        "vault": wanted.vault.kind == "in-cluster",
        "postgres": wanted.database.kind == "in-cluster",
    }
    holders: dict[int, str] = {}
    for server in (name for name, is_there in in_cluster.items() if is_there):
        port = getattr(wanted.localhost, server)
        holder = holders.setdefault(port, server)
        if holder != server:
            yield f"localhost.{_camel(server)}: got {port}, which {_camel(holder)} has; allowed: one for each server"


def _only_with(section: str, kind: str, keys: tuple[str, ...]) -> Callable[[Settings], Iterator[str]]:
    """Refuse keys of a section that mean nothing with another kind than this one."""

    def check(wanted: Settings) -> Iterator[str]:
        given = getattr(wanted, section)
        model = type(given).model_fields
        if given.kind == kind:
            return
        for key in keys:
            if key in given.model_fields_set and getattr(given, key) != model[key].default:
                alias = model[key].alias or key
                yield f"{_camel(section)}.{alias}: given with kind {given.kind}; allowed with kind {kind} only"

    return check


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def _vault(wanted: Settings) -> Iterator[str]:
    vault = wanted.vault
    in_eks = wanted.cluster.eks_name is not None and (wanted.aws is None or wanted.aws.endpoint is None)
    if vault.kind == "in-cluster" and in_eks:
        yield (
            'vault.kind: got "in-cluster"; allowed with cluster.kubeconfig only: it answers on the '
            "cluster's own network, "
            "where an EKS cluster's Pulumi is not"
        )
    if vault.kind == "external" and vault.address is None:
        yield "vault.address: not set; allowed: the https address of a Vault, such as https://vault.example.com:8200"
    if vault.kind == "external" and not wanted.egress.vault:
        yield "egress.vault: not set; allowed: a list of the networks in which the external Vault is reached"
    if vault.kind == "external" and wanted.cluster.eks_name is None and wanted.cluster.oidc_issuer is None:
        yield (
            'vault.kind: got "external"; allowed with cluster.eksName or cluster.oidcIssuer only, as '
            "Vault checks pods by "
            "the cluster's issuer"
        )


def _teams(wanted: Settings) -> Iterator[str]:
    names = [team.name for team in wanted.teams]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f'teams: got "{name}" {names.count(name)} times; allowed: each name once'


_SHAPE: Final = (
    _cluster,
    _images,
    _account,
    _identities,
    _localhost,
    _only_with(
        "database",
        "rds",
        (
            "version",
            "instance_class",
            "max_storage",
            "multi_az",
            "backup_days",
            "log_days",
            "subnet_ids",
            "client_security_group_ids",
            "apply_immediately",
            "authorities",
        ),
    ),
    _only_with("artifact_store", "in-cluster", ("storage", "region")),
    _only_with("artifact_store", "s3", ("replica_region", "cold_after_days", "backup_lock_days")),
    _only_with("vault", "external", ("address", "authorities", "namespace")),
    _only_with("vault", "in-cluster", ("storage",)),
    _vault,
    _teams,
)
