"""The look-up of an EKS cluster, and its kubeconfig."""

import json
from typing import Any

import pulumi_aws
import pytest

from infra.aws.eks import EksCluster, LookUpError, kubeconfig, look_up
from tests.support import aws_invokes
from tests.support.aws_roles import ACCOUNT, REGION
from tests.support.engine import run


def looked_up(name: str) -> EksCluster:
    clusters: list[EksCluster] = []

    def program() -> None:
        clusters.append(look_up(name, ACCOUNT, pulumi_aws.Provider("aws", region=REGION)))

    run(program, {})
    return clusters[0]


def parsed_kubeconfig() -> dict[str, Any]:
    return json.loads(kubeconfig(looked_up("platform"), REGION))


def test_a_cluster_is_read_from_the_answers_of_aws() -> None:
    assert looked_up("platform") == EksCluster(
        name="platform",
        endpoint="https://platform.eks.example.com",
        certificate_authority=aws_invokes.CERTIFICATE_AUTHORITY,
        issuer="https://oidc.eks.eu-west-1.amazonaws.com/id/PLATFORM",
        oidc_provider_arn="arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/PLATFORM",
        vpc_id=aws_invokes.VPC_ID,
        # A disassociated block may belong to another VPC by now.
        vpc_cidrs=("10.0.0.0/16", "100.64.0.0/16"),
        security_group_id=aws_invokes.SECURITY_GROUP_ID,
        subnet_ids=tuple(aws_invokes.SUBNET_IDS),
    )


def test_the_error_for_a_missing_cluster_names_it_and_the_account_and_region() -> None:
    with pytest.raises(LookUpError, match="EKS cluster 'absent' of the AWS account 123456789012 in eu-west-1"):
        looked_up(aws_invokes.ABSENT_CLUSTER)


def test_a_cluster_that_is_still_being_created_is_refused_with_its_state() -> None:
    with pytest.raises(LookUpError, match=r"'unfinished' of .* must be ACTIVE or UPDATING, got CREATING"):
        looked_up(aws_invokes.UNFINISHED_CLUSTER)


def test_the_error_contains_the_reason_from_aws() -> None:
    with pytest.raises(LookUpError, match="couldn't find resource"):
        looked_up(aws_invokes.ABSENT_CLUSTER)


def test_the_error_for_a_missing_identity_provider_names_the_command_that_creates_it() -> None:
    with pytest.raises(LookUpError, match="eksctl utils associate-iam-oidc-provider --cluster NAME --approve"):
        looked_up(aws_invokes.CLUSTER_WITHOUT_PROVIDER)


def test_the_kubeconfig_reaches_the_cluster_with_its_authority() -> None:
    (cluster,) = parsed_kubeconfig()["clusters"]
    assert cluster["cluster"] == {
        "server": "https://platform.eks.example.com",
        "certificate-authority-data": aws_invokes.CERTIFICATE_AUTHORITY,
    }


def test_the_kubeconfig_s_user_asks_the_aws_command_for_a_token() -> None:
    login = parsed_kubeconfig()["users"][0]["user"]["exec"]
    assert " ".join([login["command"], *login["args"]]) == (
        "aws --region eu-west-1 eks get-token --cluster-name platform --output json"
    )


def test_the_kubeconfig_s_context_joins_the_user_and_the_cluster() -> None:
    config = parsed_kubeconfig()
    (context,) = config["contexts"]
    assert config["current-context"] == context["name"]
    assert context["context"] == {"cluster": config["clusters"][0]["name"], "user": config["users"][0]["name"]}
