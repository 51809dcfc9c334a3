"""The AWS environments, each from its stack file: resource counts, protection, and the rights of workloads."""

import json
import re
from collections import Counter
from pathlib import Path

import pulumi
import pytest

import contracts
from tests.program.conftest import stack_graph
from tests.support.engine import ROOT, Graph, Registered, run_program, stack_config

# Resources of each environment by provider. A change here changes costs and upkeep.
COUNTS = {
    "ci": {"aws": 72, "kubernetes": 71, "random": 4, "vault": 8},
    "dev": {"aws": 74, "kubernetes": 58, "random": 3, "vault": 6},
    "staging": {"aws": 74, "kubernetes": 61, "random": 3, "vault": 6},
    "prod": {"aws": 114, "kubernetes": 61, "random": 3, "vault": 6},
}
PROTECTED = ("staging", "prod")
# Kinds that hold or guard data. `pulumi destroy` must stop at each of them.
KEPT = {
    "Bucket",
    "BucketPolicy",
    "BucketPublicAccessBlock",
    "BucketVersioning",
    "Instance",
    "Key",
    "LogGroup",
    "Repository",
}
TAGS = {"Project", "Environment", "Owner", "CostCenter", "ManagedBy"}


@pytest.fixture
def environments() -> dict[str, Graph]:
    """Return the graph of the whole program, for each AWS environment."""
    return {name: stack_graph(_file(name)) for name in COUNTS}


def _file(name: str) -> Path:
    return ROOT / "stacks" / f"Pulumi.{name}.yaml"


def in_aws(graph: Graph) -> list[Registered]:
    return [each for each in graph.custom() if each.type.startswith("aws:")]


@pytest.mark.parametrize("name", COUNTS)
def test_the_number_of_resources_of_an_environment(environments: dict[str, Graph], name: str) -> None:
    assert Counter(each.type.partition(":")[0] for each in environments[name].custom()) == COUNTS[name]


@pytest.mark.parametrize("name", PROTECTED)
def test_resources_that_hold_data_are_protected(environments: dict[str, Graph], name: str) -> None:
    unprotected = [each.name for each in environments[name].of_kind(*KEPT) if not each.protect]
    assert unprotected == []
    database = environments[name].one("Instance").inputs
    assert (database["deletionProtection"], database["skipFinalSnapshot"]) == (True, False)


def test_a_setting_alone_makes_an_environment_destroyable_with_its_data(environments: dict[str, Graph]) -> None:
    graph = environments["ci"]
    assert [each.name for each in in_aws(graph) if each.protect] == []
    database = graph.one("Instance").inputs
    assert (database["deletionProtection"], database["skipFinalSnapshot"]) == (False, True)


@pytest.mark.parametrize("name", COUNTS)
def test_every_resource_that_takes_tags_has_them(environments: dict[str, Graph], name: str) -> None:
    tagged = [
        each for each in in_aws(environments[name]) if each.kind in {"Bucket", "Key", "Role", "Instance", "LogGroup"}
    ]
    assert tagged
    environment = json.loads(stack_config(_file(name))["aegis:environment"])["name"]
    for each in tagged:
        assert each.inputs["tags"].keys() >= TAGS, each.name
        assert each.inputs["tags"]["Environment"] == environment


@pytest.mark.parametrize("name", COUNTS)
def test_each_role_trusts_one_service_account_that_exists(environments: dict[str, Graph], name: str) -> None:
    graph = environments[name]
    accounts = {
        f"system:serviceaccount:{each.namespace}:{each.object_name}" for each in graph.of_kind("ServiceAccount")
    }
    subjects = [
        subject
        for role in in_aws(graph)
        if role.kind == "Role" and "oidc-provider" in role.inputs["assumeRolePolicy"]
        for statement in json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        for key, subject in statement["Condition"]["StringEquals"].items()
        if key.endswith(":sub")
    ]
    assert subjects
    assert set(subjects) <= accounts
    assert len(subjects) == len(set(subjects))


@pytest.mark.parametrize("name", COUNTS)
def test_no_pod_gets_an_aws_key_or_a_database_password(environments: dict[str, Graph], name: str) -> None:
    for secret in environments[name].of_kind("Secret"):
        data = secret.inputs.get("stringData", {})
        assert not data.keys() & {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"}, secret.name
        assert "://mlflow:" not in str(data), secret.name


@pytest.mark.parametrize("name", COUNTS)
def test_a_pod_with_a_role_gets_the_token_for_it(environments: dict[str, Graph], name: str) -> None:
    graph = environments[name]
    roles = {
        each.object_name: each.inputs["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        for each in graph.of_kind("ServiceAccount")
        if "annotations" in each.inputs["metadata"] and each.namespace == "mlflow"
    }
    with_role = [
        (pod, roles[pod["serviceAccountName"]]) for _, pod, _ in graph.pods() if pod.get("serviceAccountName") in roles
    ]
    assert len(with_role) >= 4
    for pod, arn in with_role:
        variables = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
        assert variables["AWS_ROLE_ARN"] == arn
        volume = next(each for each in pod["volumes"] if each["name"] == "aws-iam-token")
        assert volume["projected"]["sources"][0]["serviceAccountToken"]["audience"] == "sts.amazonaws.com"


def test_the_replica_is_in_its_own_region(environments: dict[str, Graph]) -> None:
    providers = {
        each.name: each.inputs["region"]
        for each in environments["prod"].resources
        if each.type == "pulumi:providers:aws"
    }
    assert providers == {"aws": "us-west-2", "aws-replica": "us-east-2"}
    replicas = [each for each in environments["prod"].of_kind("Bucket") if each.provider.endswith("::aws-replica")]
    assert all(each.inputs["bucket"].endswith("-us-east-2") for each in replicas)
    assert len(replicas) == 4


def test_gpu_trainers_run_on_the_gpu_nodes(environments: dict[str, Graph]) -> None:
    pod = next(pod for workload, pod, _ in environments["dev"].pods() if workload.name == "trainer-run")
    assert pod["nodeSelector"] == {"karpenter.sh/nodepool": "gpu"}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_a_variable_left_in_the_shell_redirects_no_update(environments: dict[str, Graph]) -> None:
    endpoints = {
        name: [each.inputs.get("endpoints") for each in graph.resources if each.type == "pulumi:providers:aws"]
        for name, graph in environments.items()
    }
    assert all(endpoint for endpoint in endpoints.pop("ci"))
    assert all(endpoint is None for each in endpoints.values() for endpoint in each)


def test_a_preview_against_an_emulated_aws_shows_the_outputs_of_the_account(module_surroundings: None) -> None:
    shown = {
        name: run_program(stack_config(_file(name)), stack=name, preview=True).outputs.get("s3_url")
        for name in ("ci", "staging")
    }
    assert shown == {"ci": "http://127.0.0.1:5555", "staging": None}


def test_a_preview_that_does_not_reach_the_account_warns(
    module_surroundings: None, caplog: pytest.LogCaptureFixture
) -> None:
    warnings = {}
    for name, preview in (("ci", True), ("staging", True), ("staging", False)):
        caplog.clear()
        run_program(stack_config(_file(name)), stack=name, preview=preview)
        warnings[name, preview] = [each.message for each in caplog.records if "emulated" in each.message]
    assert warnings == {
        ("ci", True): [],
        ("staging", True): [
            "Calls go to the emulated AWS API at http://127.0.0.1:5555, not to AWS account 222222222222."
        ],
        ("staging", False): [],
    }


def test_another_eks_cluster_is_another_cluster_to_pulumi(environments: dict[str, Graph]) -> None:
    provider = next(each for each in environments["prod"].resources if each.type == "pulumi:providers:kubernetes")
    assert provider.inputs["clusterIdentifier"] == "arn:aws:eks:us-west-2:333333333333:cluster/aegis-prod"


BAD = [
    ("aegis:vault", {"kind": "in-cluster"}, 'aegis:vault.kind: got "in-cluster"; allowed only with cluster.kubeconfig'),
    ("aegis:cluster", {"eksName": "e", "context": "c"}, "aegis:cluster.context: set with eksName; allowed: only one"),
    ("aegis:cluster", {"eksName": "e", "storageClass": "aegis-gp3"}, "only with gp3Class true, which creates it"),
    ("aegis:database", {"kind": "rds", "storage": "20500Mi"}, "aegis:database.storage: got 20500Mi; allowed with"),
    ("aegis:aws", {"accountId": "123456789012", "region": "ap-southeast-5"}, 'aegis:aws.region: got "ap-southeast-5";'),
    ("aegis:serving", {"enabled": True}, 'aegis:serving.delivery: got "volume"; allowed with cluster.eksName: image'),
    ("aegis:environment", {"name": "Prod", "owner": "o", "costCenter": "c"}, 'aegis:environment.name: got "Prod"'),
    ("aegis:environment", {"name": "prod", "owner": "", "costCenter": "c"}, 'aegis:environment.owner: got ""'),
    ("aegis:vault", {"kind": "external", "storage": "5Gi"}, "vault.storage: set with kind external; allowed only with"),
    (
        "aegis:aws",
        {"accountId": 333333333333},
        "got 333333333333; allowed: the 12 digits of the AWS account ID, in quotes",
    ),
    ("aegis:aws", {"accountId": "1234"}, 'aegis:aws.accountId: got "1234"; allowed: the 12 digits'),
    ("aegis:aws", {"accountId": "123456789012", "region": "mars"}, 'aegis:aws.region: got "mars"'),
    (
        "aegis:aws",
        {"accountId": "123456789012", "region": "us-east-2"},
        'replicaRegion: got "us-east-2", the same as aws.region; allowed: a different region',
    ),
    ("aegis:database", {"kind": "rds", "instanceClass": "db.t4g.huge"}, "aegis:database.instanceClass:"),
    ("aegis:database", {"kind": "rds", "instanceClass": "db.t4g.micro"}, "and db.t4g.micro accepts 78; allowed: at"),
    ("aegis:database", {"kind": "rds", "storage": "10Gi"}, "aegis:database.storage: got 10Gi; allowed with kind"),
    ("aegis:database", {"kind": "rds", "storage": "95Gi"}, "maxStorage: got 100Gi with storage 95Gi; allowed: at"),
    ("aegis:database", {"kind": "rds", "backupDays": 3}, "aegis:database.backupDays: got 3 in a protected environment"),
    ("aegis:database", {"kind": "rds", "logDays": 45}, "aegis:database.logDays: got 45; allowed: RDS only: days to"),
    ("aegis:database", {"kind": "rds", "subnetIds": ["subnet-01234567"]}, "subnetIds: got only subnet-01234567;"),
    ("aegis:database", {"kind": "rds", "subnetIds": ["vpc-01234567"]}, 'database.subnetIds[0]: got "vpc-01234567"'),
    ("aegis:database", {"kind": "rds", "clientSecurityGroupIds": ["sg-one"]}, 'SecurityGroupIds[0]: got "sg-one"'),
    (
        "aegis:database",
        {"kind": "rds", "clientSecurityGroupIds": ["sg-01234567", "sg-01234567"]},
        "aegis:database.clientSecurityGroupIds: got sg-01234567 2 times; allowed: each once",
    ),
    ("aegis:artifactStore", {"kind": "s3", "backupLockDays": 60}, "got 60 with backup.retentionDays 30; allowed: 1 to"),
    ("aegis:egress", {"vault": ["10.0.0.0/8", "10.1.0.0/16"]}, "egress.vault: got 10.0.0.0/8 and 10.1.0.0/16,"),
    ("aegis:egress", {}, "aegis:egress.vault: not set; allowed: a list of the networks where pods reach"),
    (
        "aegis:teams",
        [{"name": "nlp"}, {"name": "a-team-with-a-very-long-name-ok"}],
        "-ok-trainer-us-west-2 of 65 characters, 1 too many; allowed: 64, so 30 in teams[1].name",
    ),
    (
        "aegis:aws",
        {"accountId": "333333333333", "permissionsBoundary": "arn:aws:iam::111111111111:policy/other"},
        "allowed: a policy of the account 333333333333 in the partition aws, or one that AWS manages",
    ),
    (
        "aegis:aws",
        {"accountId": "333333333333", "permissionsBoundary": "arn:aws-cn:iam::333333333333:policy/other"},
        "allowed: a policy of the account 333333333333 in the partition aws, or one that AWS manages",
    ),
    (
        "aegis:database",
        {"kind": "rds", "subnetIds": ["subnet-01234567", "subnet-01234567"]},
        "aegis:database.subnetIds: got only subnet-01234567; allowed: 2 or more subnets",
    ),
    ("aegis:database", {"kind": "rds", "storage": "21Gi", "maxStorage": "23Gi"}, "21Gi; allowed: at least 24Gi"),
    ("aegis:database", {"kind": "rds", "maxStorage": "65Ti"}, 'aegis:database.maxStorage: got "65Ti"; allowed: RDS'),
    ("aegis:database", {"kind": "rds", "authorities": "README.md"}, 'aegis:database.authorities: got "README.md"'),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "line"), BAD, ids=[line for _, _, line in BAD])
def test_settings_that_cannot_work_in_aws_are_refused_with_numbers(
    module_surroundings: None, key: str, value: object, line: str
) -> None:
    with pytest.raises(Exception, match="The settings of stack prod have") as caught:
        run_program(stack_config(_file("prod"), {key: value}), stack="prod")
    assert line in str(caught.value)


@pytest.mark.parametrize(("storage", "most", "gib"), [("100Gi", "110Gi", 110), ("16Ti", "64Ti", 65_536)])
def test_a_database_may_grow_by_ten_percent_or_to_the_maximum_of_rds(
    module_surroundings: None, storage: str, most: str, gib: int
) -> None:
    database = {"kind": "rds", "auth": "iam", "instanceClass": "db.m7g.xlarge", "storage": storage, "maxStorage": most}
    graph = run_program(stack_config(_file("prod"), {"aegis:database": database}), stack="prod")
    assert graph.one("Instance").inputs["maxAllocatedStorage"] == gib


def test_the_authorities_of_a_database_are_found_from_the_repository_s_root(
    module_surroundings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "infra")
    path = "infra/aws/authorities/eu-west-1.pem"
    database = {"kind": "rds", "auth": "iam", "instanceClass": "db.m7g.xlarge", "authorities": path}
    graph = run_program(stack_config(_file("prod"), {"aegis:database": database}), stack="prod")
    assert graph.one("ConfigMap", "database-access-authorities").inputs["data"]["ca.pem"] == (ROOT / path).read_text()


def test_workloads_log_in_to_rds_by_their_roles_where_the_buckets_are_in_the_cluster(module_surroundings: None) -> None:
    config = stack_config(
        _file("prod"), {"aegis:artifactStore": {"kind": "in-cluster"}, "aegis:teams": [{"name": "a"}]}
    )
    images = json.loads(config["aegis:images"]) | {"s3": "s3:1"}
    graph = run_program(config | {"aegis:images": json.dumps(images)}, stack="prod")
    actions = {
        policy.name.removesuffix("-role-policy"): [
            action for statement in json.loads(policy.inputs["policy"])["Statement"] for action in statement["Action"]
        ]
        for policy in graph.of_kind("RolePolicy")
    }
    assert actions.pop("database-setup") == ["secretsmanager:GetSecretValue", "kms:Decrypt"]
    assert {action.partition(":")[0] for action in actions.pop("serving-delivery")} == {"ecr"}
    # The signer, the reconciler and the teams' trainers have no rights in AWS here.
    assert actions == {role: ["rds-db:connect"] for role in ("mlflow", "migration", "backup")}
    accounts = {workload.name: spec.get("serviceAccountName") for workload, spec, _ in graph.pods()}
    assert accounts["mlflow-server"] == "mlflow"
    assert accounts["backup-schedule"] == "backup"
    policy = graph.one("NetworkPolicy", "s3", "mlflow").inputs["spec"]
    callers = [rule["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for rule in policy["ingress"]]
    assert callers == ["s3-setup", "mlflow", "backup", "serving-reconciler"], "the release is switched off"
    # A role's token is exchanged at AWS, wherever the buckets are.
    for component in ("mlflow", "migration", "backup"):
        egress = graph.one("NetworkPolicy", component, "mlflow").inputs["spec"]["egress"]
        assert 443 in [rule["ports"][0]["port"] for rule in egress], component


def test_a_pod_with_a_role_and_a_bucket_in_the_cluster_has_one_region(module_surroundings: None) -> None:
    config = stack_config(_file("prod"), {"aegis:artifactStore": {"kind": "in-cluster", "region": "eu-west-1"}})
    with pytest.raises(
        pulumi.RunError, match=re.escape('region: got "eu-west-1"; allowed with database.auth iam: "us-west-2"')
    ):
        run_program(config, stack="prod")


def test_an_emulated_stack_without_its_address_never_goes_to_aws(
    surroundings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(contracts.AWS_ENDPOINT_ENV)
    with pytest.raises(pulumi.RunError, match="endpoint: not set, with emulated true; allowed"):
        run_program(stack_config(_file("ci")), stack="ci")


def test_the_provider_validates_the_region_except_for_an_emulated_aws(environments: dict[str, Graph]) -> None:
    skipped = {
        name: {each.inputs["skipRegionValidation"] for each in graph.resources if each.type == "pulumi:providers:aws"}
        for name, graph in environments.items()
    }
    # Pulumi passes a provider's inputs as JSON text.
    assert skipped == {"ci": {"true"}, "dev": {"false"}, "staging": {"false"}, "prod": {"false"}}


def test_a_server_that_runs_in_the_cluster_has_a_repository_for_its_image(module_surroundings: None) -> None:
    config = stack_config(_file("dev"))
    images = json.loads(config["aegis:images"]) | {"postgres": "postgres:15"}
    graph = run_program(config | {"aegis:database": "{}", "aegis:images": json.dumps(images)}, stack="dev")
    assert {each.inputs["name"] for each in graph.of_kind("Repository")} == {
        f"aegis-dev/{image}" for image in ("postgres", "mlflow", "workloads", "trainer", "gateway", "serving", "models")
    }


def test_before_the_first_images_there_are_only_their_repositories(module_surroundings: None) -> None:
    account = {"accountId": "333333333333", "onlyRepositories": True}
    graph = run_program(stack_config(_file("prod"), {"aegis:aws": account}), stack="prod")
    assert {each.kind for each in graph.custom()} == {"Repository", "LifecyclePolicy", "Key", "Alias"}
    assert set(graph.outputs) == {"image_repositories"}
