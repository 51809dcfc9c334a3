"""Names and networks of a stack file: the check accepts only what AWS, Kubernetes, Vault and MLflow accept."""

from argparse import ArgumentTypeError
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from infra.settings.load import SettingsError, parse
from infra.settings.model import Settings
from tests.support.engine import ROOT
from workloads.registry import options

PROD: Mapping[str, Any] = {
    key.removeprefix("aegis:"): value
    for key, value in yaml.safe_load((ROOT / "stacks" / "Pulumi.prod.yaml").read_text())["config"].items()
    if key.startswith("aegis:")
}


def prod(section: str, changes: Mapping[str, object], project: str = "aegis") -> Settings:
    """Return the settings of prod with `changes` in one section."""
    return parse({**PROD, section: {**PROD.get(section, {}), **changes}}, project, "prod")


def refusal(section: str, changes: Mapping[str, object], project: str = "aegis") -> str:
    with pytest.raises(SettingsError) as caught:
        prod(section, changes, project)
    return str(caught.value)


ACCEPTED = [
    ("environment", "name", "eu-prod"),
    ("environment", "name", "p"),
    ("environment", "name", "3d-prod"),
    ("environment", "name", "a-b-c-d"),
    ("environment", "owner", "Équipe ML"),
    ("environment", "costCenter", "ML 300 / 数据"),
    ("aws", "region", "ap-southeast-1"),
    ("vault", "transitMount", "ml/transit"),
    ("vault", "transitMount", "ML_transit.v2"),
    ("vault", "transitMount", "system"),
    ("vault", "authMount", "ml/eks-prod"),
    ("vault", "authMount", "tokens"),
    ("vault", "signingKey", "ml.models_v2-prod"),
    ("vault", "signingKey", "k"),
    ("vault", "namespace", "admin/ml"),
    ("cluster", "storageClass", "gp3.encrypted"),
    ("mlflow", "publicHosts", ["mlflow.example.com:8443", "10.0.0.5", "ml"]),
    ("release", "experiment", "digits, 2026: the first"),
    ("release", "experiment", "--digits"),
    ("release", "experiment", "e" * 256),
    ("release", "metric", "val/top-5 accuracy"),
    ("release", "modelName", "fraud detector v2.1"),
    ("release", "modelName", "m" * 255),
]
REFUSED = [
    ("environment", "name", "eu--prod"),
    ("environment", "name", "eu-"),
    ("environment", "name", "-eu"),
    ("environment", "name", "eu_prod"),
    ("environment", "name", "eu.prod"),
    ("environment", "name", ""),
    ("environment", "owner", " ml"),
    ("environment", "owner", "AWS:ml"),
    ("environment", "costCenter", "ml\n"),
    ("aws", "region", "us-west-"),
    ("vault", "transitMount", "sys"),
    ("vault", "transitMount", "sys/transit"),
    ("vault", "transitMount", "cubbyhole"),
    ("vault", "transitMount", "identity"),
    ("vault", "transitMount", "auth/transit"),
    ("vault", "transitMount", "audit"),
    ("vault", "transitMount", "/transit"),
    ("vault", "transitMount", "transit/"),
    ("vault", "transitMount", "ml//transit"),
    ("vault", "transitMount", "ml/../sys"),
    ("vault", "transitMount", "ml/+"),
    ("vault", "transitMount", "ml*"),
    ("vault", "authMount", "token"),
    ("vault", "authMount", "token/eks"),
    ("vault", "authMount", "EKS"),
    ("vault", "signingKey", "a/b"),
    ("vault", "signingKey", "-a"),
    ("vault", "signingKey", "a."),
    ("vault", "signingKey", ""),
    ("vault", "namespace", "root"),
    ("vault", "namespace", "admin/sys"),
    ("vault", "namespace", "admin/.."),
    ("vault", "address", "https://vault..example.com"),
    ("vault", "address", f"https://{'v' * 64}.example.com"),
    ("cluster", "storageClass", "gp3..encrypted"),
    ("cluster", "storageClass", "-gp3"),
    ("cluster", "domain", "cluster..local"),
    ("cluster", "domain", f"{'d' * 64}.local"),
    ("mlflow", "clientNamespaces", ["n" * 64]),
    ("mlflow", "publicHosts", ["https://mlflow.example.com"]),
    ("mlflow", "publicHosts", ["mlflow..example.com"]),
    ("mlflow", "publicHosts", ["mlflow.example.com:0"]),
    ("mlflow", "publicHosts", ["mlflow.example.com/"]),
    ("mlflow", "publicHosts", ["10.0.0.256"]),
    ("mlflow", "publicHosts", [".".join(["h" * 60] * 5)]),
    ("release", "experiment", " "),
    ("release", "experiment", "a\nb"),
    ("release", "experiment", "e" * 257),
    ("release", "metric", "val//accuracy"),
    ("release", "metric", "../accuracy"),
    ("release", "metric", "accuracy%"),
    ("release", "modelName", ".."),
    ("release", "modelName", " "),
    ("release", "modelName", "m" * 256),
    # The name of a folder has at most 255 bytes.
    ("release", "modelName", "ü" * 128),
    ("trainer", "nodeSelector", {f"{'x' * 250}.io/pool": "gpu"}),
    ("images", "mlflow", "registry.example.com/mlflow@sha256:1234"),
    ("images", "mlflow", "registry.example.com//mlflow:1"),
    ("images", "mlflow", f"registry.example.com/mlflow:{'t' * 129}"),
]


@pytest.mark.parametrize(("section", "key", "value"), ACCEPTED)
def test_a_name_that_is_valid_everywhere_is_accepted(section: str, key: str, value: object) -> None:
    assert prod(section, {key: value})


PARSERS = {"experiment": options.experiment, "metric": options.metric, "modelName": options.model}


@pytest.mark.parametrize(("key", "value"), [(key, value) for section, key, value in ACCEPTED if section == "release"])
def test_the_release_accepts_the_names_that_the_settings_accept(key: str, value: str) -> None:
    assert PARSERS[key](value) == value


@pytest.mark.parametrize("key", ["experiment", "modelName"])
def test_the_release_refuses_longer_names_than_the_settings_do(key: str) -> None:
    longest = max(len(value) for section, name, value in ACCEPTED if (section, name) == ("release", key))
    with pytest.raises(ArgumentTypeError):
        PARSERS[key]("n" * (longest + 1))


@pytest.mark.parametrize(("section", "key", "value"), REFUSED)
def test_a_name_that_would_be_refused_later_is_refused_with_the_rule(section: str, key: str, value: object) -> None:
    message = refusal(section, {key: value})
    assert f"aegis:{section}.{key}" in message
    assert "; allowed: " in message


def longest(section: str, fixed: Mapping[str, object]) -> tuple[str, str]:
    """Return the longest valid environment name, and the error for a name that is one character longer."""
    for length in range(1, 64):
        try:
            parse(
                {
                    **PROD,
                    "environment": {**PROD["environment"], "name": "e" * length},
                    section: {**PROD[section], **fixed},
                },
                "aegis",
                "prod",
            )
        except SettingsError as error:
            return "e" * (length - 1), str(error)
    raise AssertionError("No name is too long.")


def test_the_longest_name_that_contains_the_environment_s_limits_its_length() -> None:
    name, message = longest("artifactStore", {"replicaRegion": "us-east-2"})
    bucket = f"aegis-{name}e-artifacts-333333333333-us-west-2"
    assert (len(name), len(bucket)) == (24, 64)
    assert (
        f'environment.name: got "{name}e", which makes the bucket name {bucket} of 64 characters, 1 too many' in message
    )
    assert "allowed: 63, so 24 in environment.name" in message


def test_a_longer_region_of_the_buckets_or_replicas_leaves_less_room() -> None:
    for section, region in (
        ("aws", {"region": "ap-southeast-1"}),
        ("artifactStore", {"replicaRegion": "ap-southeast-1"}),
    ):
        name, message = longest(section, region)
        assert len(name) == 19
        assert f"bucket name aegis-{name}e-artifacts-333333333333-ap-southeast-1 of 64 characters" in message


@pytest.mark.parametrize("project", ["xn--ml", "sthree-ml", "ML"])
def test_a_project_whose_buckets_s3_would_refuse_is_refused(project: str) -> None:
    assert f"which makes the bucket name {project}-prod-artifacts" in refusal("environment", {}, project)


@pytest.mark.parametrize("name", ["v", "3d-vision", "v" * 30])
def test_a_team_may_have_any_name_that_is_valid_for_its_namespace_and_role(name: str) -> None:
    assert parse({**PROD, "teams": [{"name": name}]}, "aegis", "prod").teams[0].name == name


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eusc-de-east-1", "aws-eusc"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("us-iso-east-1", "aws-iso"),
    ],
)
def test_a_region_of_another_partition_accepts_the_arns_of_that_partition(region: str, partition: str) -> None:
    boundary = f"arn:{partition}:iam::333333333333:policy/aegis-boundary"
    settings = parse(
        {
            **PROD,
            "aws": {**PROD["aws"], "region": region, "permissionsBoundary": boundary},
            "database": {**PROD["database"], "authorities": "infra/aws/authorities/us-east-1.pem"},
            "artifactStore": {"kind": "s3"},
        },
        "aegis",
        "prod",
    )
    assert settings.aws is not None
    assert settings.aws.region == region


NETWORKS = [("cluster", "dnsNetworks"), ("egress", "aws"), ("egress", "vault"), ("mlflow", "clientNetworks")]


def networks(settings: Settings, section: str, key: str) -> list[str]:
    return settings.model_dump(by_alias=True)[section][key]


@pytest.mark.parametrize(("section", "key"), NETWORKS)
@pytest.mark.parametrize(
    ("network", "normalized"),
    [
        ("169.254.20.10", "169.254.20.10/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/255.255.0.0", "10.0.0.0/16"),
        ("10.0.0.0/0.0.255.255", "10.0.0.0/16"),
        ("10.0.0.0/08", "10.0.0.0/8"),
    ],
)
def test_addresses_and_masks_become_cidrs_that_kubernetes_accepts(
    section: str, key: str, network: str, normalized: str
) -> None:
    assert networks(prod(section, {key: [network]}), section, key) == [normalized]


@pytest.mark.parametrize(("section", "key"), NETWORKS)
@pytest.mark.parametrize(
    "network",
    ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/7", "0.0.0.0/0", "010.0.0.1", "10.0.0", "fd00::a", "", " 10.0.0.1", 5],
)
def test_an_invalid_network_or_one_with_host_bits_is_refused(section: str, key: str, network: object) -> None:
    assert f"aegis:{section}.{key}[0]: got " in refusal(section, {key: [network]})


@pytest.mark.parametrize(("section", "key"), NETWORKS)
def test_an_address_inside_another_network_of_the_list_is_refused(section: str, key: str) -> None:
    message = refusal(section, {key: ["10.1.0.0/16", "10.1.2.3"]})
    assert "got 10.1.0.0/16 and 10.1.2.3/32, which overlap" in message
