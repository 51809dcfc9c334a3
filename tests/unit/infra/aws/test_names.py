"""Names of resources in AWS: within AWS's limits, or refused with the limit."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contracts
from infra.limits.account import Account
from infra.limits.buckets import LOGS, PURPOSES

ENVIRONMENTS = st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", fullmatch=True).filter(lambda name: len(name) <= 80)
REGIONS = st.sampled_from(["us-east-1", "eu-west-1", "ap-southeast-2", "us-gov-west-1"])
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
ROLE = re.compile(r"[\w+=,.@-]{1,64}")
# https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html
ALIAS = re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}")


def account(environment: str, region: str) -> Account:
    return Account(project="aegis", environment=environment, account_id="123456789012", region=region, tags={})


@given(ENVIRONMENTS, REGIONS, st.sampled_from([*PURPOSES.values(), LOGS]))
def test_a_bucket_name_is_valid_in_s3_or_refused(environment: str, region: str, purpose: str) -> None:
    length = len(f"aegis-{environment}-{purpose}-123456789012-{region}")
    if length > 63:
        with pytest.raises(ValueError, match=f"must be at most 63 characters, got {length}"):
            account(environment, region).bucket_name(purpose)
        return
    assert BUCKET.fullmatch(account(environment, region).bucket_name(purpose))


@given(ENVIRONMENTS, REGIONS)
def test_the_name_of_a_replication_s_role_is_valid_in_iam_or_refused(environment: str, region: str) -> None:
    length = len(f"aegis-{environment}-replication-{region}")
    if length > 64:
        with pytest.raises(ValueError, match=f"must be at most 64 characters, got {length}"):
            account(environment, region).role_name("replication")
        return
    assert ROLE.fullmatch(account(environment, region).role_name("replication"))


@given(ENVIRONMENTS, REGIONS, st.sampled_from(["buckets", "images", "database"]))
def test_the_alias_of_a_key_is_valid_in_kms(environment: str, region: str, purpose: str) -> None:
    assert ALIAS.fullmatch(account(environment, region).key_alias(purpose))


@pytest.mark.parametrize("image", contracts.IMAGES)
def test_a_repository_is_named_after_its_environment_and_image(image: str) -> None:
    assert account("prod", "eu-west-1").repository_name(image) == f"aegis-prod/{image}"


@pytest.mark.parametrize("image", ["", "Trainer", "a b", "-a", "a//b", "a" * 300])
def test_a_repository_name_that_ecr_would_refuse_is_refused_with_the_rule(image: str) -> None:
    with pytest.raises(ValueError, match=r"repository name must be at most 256 characters"):
        account("prod", "eu-west-1").repository_name(image)
