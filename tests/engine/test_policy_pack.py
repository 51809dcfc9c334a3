"""The policy pack (`--policy-pack policy`) with the real engine, on small programs."""

import json
import shutil
from pathlib import Path

import pytest

from local.servers import Kubernetes
from tests.engine.stack import EngineError, Stack
from tests.support.aws_server import ACCOUNT, REGION, SERVICES, Aws

PACK = Path(__file__).parents[2] / "policy"

BUCKET = """
    import json
    import pulumi_aws as aws
    from pulumi import Config, ResourceOptions
    from pulumi_aws import kms, s3

    config = Config()
    account = aws.Provider(
        "account", region="{region}", access_key="test", secret_key="test", s3_use_path_style=True,
        allowed_account_ids=["{account}"], endpoints=[dict.fromkeys({services!r}, {url!r})],
    )
    opts = ResourceOptions(provider=account)
    tags = {{"Environment": "test", "Owner": "ml", "CostCenter": "1"}}
    # Without names: AWS generates them, so a preview of a new stack doesn't know them.
    root = {{"AWS": "arn:aws:iam::" + (config.get("owner") or "{account}") + ":root"}}
    owned = {{"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}}
    kms.Key(
        "key", enable_key_rotation=not config.get_bool("unrotated"), tags=tags, opts=opts,
        policy=json.dumps({{"Version": "2012-10-17", "Statement": [owned]}}),
    )
    bucket = s3.Bucket("bucket", tags=tags, opts=opts)
    s3.BucketPublicAccessBlock(
        "block", bucket=bucket.id, block_public_acls=True, block_public_policy=True, ignore_public_acls=True,
        restrict_public_buckets=not config.get_bool("public"), opts=opts,
    )
    s3.BucketServerSideEncryptionConfiguration(
        "encryption", bucket=bucket.id, opts=opts,
        rules=[{{"apply_server_side_encryption_by_default": {{"sse_algorithm": "AES256"}}}}],
    )
    if not config.get_bool("unversioned"):
        s3.BucketVersioning("versions", bucket=bucket.id, versioning_configuration={{"status": "Enabled"}}, opts=opts)
    denial = {{
        "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Condition": {{"Bool": {{"aws:SecureTransport": "false"}}}},
    }}
    policy = bucket.arn.apply(
        lambda arn: json.dumps(
            {{"Version": "2012-10-17", "Statement": [denial | {{"Resource": [arn, arn + "/*"]}}]}}
        )
    )
    s3.BucketPolicy("policy", bucket=bucket.id, policy=policy, opts=opts)
"""

SERVER = """
    import pulumi_kubernetes as k8s
    from pulumi import Config, ResourceOptions

    tag = Config().get("tag")
    server = k8s.Provider("server", kubeconfig={kubeconfig!r})
    opts = ResourceOptions(provider=server)
    size = {{"cpu": "100m", "memory": "64Mi"}}
    container = {{
        "name": "web", "image": "web:" + tag if tag else "web@sha256:" + "0" * 64,
        "resources": {{"requests": size, "limits": size}},
        "security_context": {{
            "allow_privilege_escalation": False, "read_only_root_filesystem": True, "capabilities": {{"drop": ["ALL"]}},
        }},
    }}
    pod = {{"containers": [container], "security_context": {{"run_as_non_root": True}}}}
    labels = {{"app": "web"}}
    template = {{"metadata": {{"labels": labels}}, "spec": pod}}
    k8s.apps.v1.Deployment("web", spec={{"selector": {{"match_labels": labels}}, "template": template}}, opts=opts)
"""


@pytest.fixture
def bucket(stack: Stack, aws: Aws) -> Stack:
    """A stack with a key and a bucket with all its safeguards."""
    stack.program(BUCKET.format(region=REGION, account=ACCOUNT, services=SERVICES, url=aws.url))
    # Test data needs no protection.
    (stack.folder / "policy.json").write_text(json.dumps({"data-is-protected": "disabled"}))
    return stack


def run_with_policies(stack: Stack, *command: str) -> str:
    """Run a command of the engine with the policy pack and, if there is one, the stack's policy file."""
    config = stack.folder / "policy.json"
    configured = ["--policy-pack-config", str(config)] if config.is_file() else []
    return stack.run(*command, "--non-interactive", "--color", "never", "--policy-pack", str(PACK), *configured)


def refused(stack: Stack, *command: str) -> str:
    """Run a command that must fail, and return the engine's output."""
    with pytest.raises(EngineError) as error:
        run_with_policies(stack, *command)
    return str(error.value)


def test_a_safeguarded_bucket_passes_before_and_after_its_creation(bucket: Stack) -> None:
    assert "[mandatory]" not in run_with_policies(bucket, "preview")
    run_with_policies(bucket, "up", "--yes", "--skip-preview")
    assert "[mandatory]" not in run_with_policies(bucket, "preview", "--expect-no-changes")


def test_unknown_values_dont_disable_rules_in_a_preview(bucket: Stack) -> None:
    assert "can't run policy" not in run_with_policies(bucket, "preview")


def test_a_rule_about_related_resources_fails_a_preview(bucket: Stack) -> None:
    bucket.config(public="true", unversioned="true")
    text = refused(bucket, "preview")
    assert "[mandatory]  bucket-blocks-public-access  (aws:s3:Bucket: bucket)" in text
    assert "block leaves open: restrictPublicBuckets." in text
    assert "[mandatory]  bucket-is-versioned  (aws:s3:Bucket: bucket)" in text
    assert "Give it a BucketVersioning with the status Enabled." in text
    assert text.count("[mandatory]") == 2


def test_a_rule_about_one_resource_prevents_its_creation(bucket: Stack, aws: Aws) -> None:
    bucket.config(unrotated="true")
    assert "[mandatory]  key-rotates  (aws:kms:Key: key)" in refused(bucket, "up", "--yes", "--skip-preview")
    assert aws.client("kms").list_keys()["Keys"] == []


def test_the_first_preview_knows_a_keys_account_from_the_provider(bucket: Stack) -> None:
    bucket.config(owner="999999999999")
    text = refused(bucket, "preview")
    assert "[mandatory]  key-stays-in-its-account  (aws:kms:Key: key)" in text
    assert "statement 1 hands it to the account 999999999999." in text


def test_every_rule_is_mandatory_without_a_policy_file(bucket: Stack) -> None:
    (bucket.folder / "policy.json").unlink()
    text = refused(bucket, "preview")
    assert "[mandatory]  data-is-protected  (aws:s3:Bucket: bucket)" in text
    assert "It lacks the resource option protect." in text


def test_a_mistake_in_a_policy_file_is_refused(bucket: Stack) -> None:
    (bucket.folder / "policy.json").write_text(json.dumps({"service-is-internal": {"opened": "mlflow/mlflow"}}))
    assert "opened" in refused(bucket, "preview")


def test_a_pack_without_its_environment_is_a_clear_error(stack: Stack, tmp_path: Path) -> None:
    shutil.copytree(PACK, tmp_path / "pack")
    stack.program("")
    with pytest.raises(EngineError, match="option virtualenv names an environment without Python"):
        stack.run("preview", "--non-interactive", "--policy-pack", str(tmp_path / "pack"))


def test_a_workload_is_judged_by_its_pods(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.program(SERVER.format(kubeconfig=str(kubernetes.kubeconfig)))
    assert "[mandatory]" not in run_with_policies(stack, "preview")
    stack.config(tag="1.0")
    text = refused(stack, "preview")
    assert "[mandatory]  image-by-digest  (kubernetes:apps/v1:Deployment: web)" in text
    assert "web: image is web:1.0." in text
    assert text.count("[mandatory]") == 1
