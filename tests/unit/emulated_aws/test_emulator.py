"""The emulator from the outside: authentication, the permissions of a role's session, and persistence."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from local.aws import clients, ldap
from tests.unit.emulated_aws.conftest import ACCOUNT, ISSUER, REGION, Emulator, Issuer

Credentials = dict[str, str]
BUCKET = "aegis-ci-artifacts"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/kubernetes.default.svc.cluster.local"


def error(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def make_role(emulator: Emulator, name: str, *statements: dict[str, Any]) -> str:
    issuer = ISSUER.removeprefix("https://")
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{issuer}:sub": f"system:serviceaccount:mlflow:{name}",
                f"{issuer}:aud": "sts.amazonaws.com",
            }
        },
    }
    iam = emulator.client("iam")
    document = {"Version": "2012-10-17", "Statement": [trust]}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"} | each for each in statements]}
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(allowed))
    return arn


def assume(emulator: Emulator, arn: str, token: str) -> Credentials:
    sts = emulator.client("sts")
    sts.meta.events.register("choose-signer.sts", lambda **_: UNSIGNED)
    request = {"RoleArn": arn, "RoleSessionName": "a-pod", "WebIdentityToken": token}
    return sts.assume_role_with_web_identity(**request)["Credentials"]


@pytest.fixture(scope="module")
def mlflow(emulator: Emulator, issuer: Issuer) -> Credentials:
    """A session of a role with access to the prefix `mlflow/` in a bucket."""
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="datasets/mnist", Body=b"data")
    tls_only = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [tls_only]}))
    objects = {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{BUCKET}/mlflow/*"}
    listing = {
        "Action": "s3:ListBucket",
        "Resource": f"arn:aws:s3:::{BUCKET}",
        "Condition": {"StringLike": {"s3:prefix": "mlflow/*"}},
    }
    return assume(emulator, make_role(emulator, "mlflow", objects, listing), issuer.token())


def test_only_its_service_account_can_assume_a_role(emulator: Emulator, mlflow: Credentials, issuer: Issuer) -> None:
    assert mlflow["AccessKeyId"].startswith("ASIA")
    arn = f"arn:aws:iam::{ACCOUNT}:role/mlflow"
    token = issuer.token("system:serviceaccount:mlflow:backup")
    assert error(assume, emulator=emulator, arn=arn, token=token) == "AccessDenied"


def test_a_session_can_do_what_its_role_allows(emulator: Emulator, mlflow: Credentials) -> None:
    s3 = emulator.client("s3", mlflow)
    s3.put_object(Bucket=BUCKET, Key="mlflow/1/model", Body=b"weights")
    assert s3.get_object(Bucket=BUCKET, Key="mlflow/1/model")["Body"].read() == b"weights"
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="mlflow/")["Contents"]
    assert "mlflow/1/model" in [each["Key"] for each in listed]


def test_a_session_cant_do_anything_else(emulator: Emulator, mlflow: Credentials) -> None:
    s3 = emulator.client("s3", mlflow)
    assert error(s3.get_object, Bucket=BUCKET, Key="datasets/mnist") == "AccessDenied"
    assert error(s3.list_objects_v2, Bucket=BUCKET, Prefix="datasets/") == "AccessDenied"
    assert error(s3.delete_object, Bucket=BUCKET, Key="mlflow/1/model") == "AccessDenied"
    assert error(s3.put_bucket_policy, Bucket=BUCKET, Policy="{}") == "AccessDenied"
    assert error(emulator.client("iam", mlflow).list_roles) == "AccessDenied"
    assert error(emulator.client("secretsmanager", mlflow).list_secrets) == "AccessDeniedException"


def test_a_session_may_ask_who_it_is(emulator: Emulator, mlflow: Credentials) -> None:
    arn = emulator.client("sts", mlflow).get_caller_identity()["Arn"]
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/mlflow/a-pod"


def test_a_session_without_its_token_is_refused(emulator: Emulator, mlflow: Credentials) -> None:
    stolen = {name: value for name, value in mlflow.items() if name != "SessionToken"}
    assert error(emulator.client("s3", stolen).list_buckets) == "ExpiredToken"


def test_unknown_and_unsigned_callers_are_refused(emulator: Emulator) -> None:
    guessed = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "guessed"}
    assert error(emulator.client("s3", guessed).list_buckets) == "InvalidAccessKeyId"
    assert error(emulator.client("iam", guessed).list_roles) == "InvalidClientTokenId"
    unsigned = emulator.client("s3")
    unsigned.meta.events.register("choose-signer.s3", lambda **_: UNSIGNED)
    assert error(unsigned.list_buckets) == "AccessDenied"


def test_the_account_has_a_network_a_cluster_and_its_identity_provider(emulator: Emulator) -> None:
    cluster = emulator.client("eks").describe_cluster(name="aegis-ci")["cluster"]
    assert cluster["endpoint"] == emulator.account.cluster.endpoint
    assert cluster["identity"]["oidc"]["issuer"] == ISSUER
    network = cluster["resourcesVpcConfig"]
    ec2 = emulator.client("ec2")
    assert ec2.describe_vpcs(VpcIds=[network["vpcId"]])["Vpcs"][0]["CidrBlock"] == emulator.account.network
    subnets = ec2.describe_subnets(SubnetIds=network["subnetIds"])["Subnets"]
    assert {subnet["AvailabilityZone"] for subnet in subnets} == {f"{REGION}{zone}" for zone in "abc"}
    assert emulator.client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)["ClientIDList"] == [
        "sts.amazonaws.com"
    ]
    assert emulator.client("kms").encrypt(KeyId="alias/aegis-ci", Plaintext=b"secret")["CiphertextBlob"]


def binds(emulator: Emulator, user: str, password: str) -> bool:
    """Return the answer that PostgreSQL would get for a login."""
    port = emulator.account.logins_port
    assert port is not None
    with socket.create_connection((emulator.account.host, port), timeout=10) as connection:
        connection.sendall(ldap.bind(1, f"{ldap.NAME_PREFIX}{user}", password))
        return connection.recv(100) == ldap.response(1, 0)


@pytest.fixture(scope="module")
def database(emulator: Emulator) -> dict[str, Any]:
    kms = emulator.client("kms").create_key()["KeyMetadata"]["Arn"]
    rds = emulator.client("rds")
    instance = rds.create_db_instance(
        DBInstanceIdentifier="aegis-ci",
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="administrator",
        ManageMasterUserPassword=True,
        MasterUserSecretKmsKeyId=kms,
        EnableIAMDatabaseAuthentication=True,
    )
    return instance["DBInstance"]


def test_the_administrator_logs_in_with_the_managed_secret(emulator: Emulator, database: dict[str, Any]) -> None:
    arn = database["MasterUserSecret"]["SecretArn"]
    secret = json.loads(emulator.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    assert secret["username"] == "administrator"
    assert binds(emulator, "administrator", secret["password"])
    assert not binds(emulator, "administrator", "guessed")
    assert not binds(emulator, "mlflow", secret["password"])


def test_a_token_of_an_allowed_role_logs_in_as_its_database_user(
    emulator: Emulator, database: dict[str, Any], issuer: Issuer
) -> None:
    user = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:{database['DbiResourceId']}/mlflow"
    arn = make_role(emulator, "migration", {"Action": "rds-db:connect", "Resource": user})
    session = assume(emulator, arn, issuer.token("system:serviceaccount:mlflow:migration"))
    token = signed(emulator, session, "mlflow")
    assert binds(emulator, "mlflow", token)
    assert not binds(emulator, "administrator", token)
    assert not binds(emulator, "mlflow", f"{token[:-4]}0000")
    assert not binds(emulator, "administrator", signed(emulator, session, "administrator"))


def test_a_token_of_a_role_without_permission_is_refused(
    emulator: Emulator, database: dict[str, Any], mlflow: Credentials
) -> None:
    assert database["DBInstanceIdentifier"] == "aegis-ci"
    assert not binds(emulator, "mlflow", signed(emulator, mlflow, "mlflow"))


def signed(emulator: Emulator, session: Credentials, user: str) -> str:
    host = f"aegis-ci.aaaaaaaaaa.{REGION}.rds.amazonaws.com"
    return emulator.client("rds", session).generate_db_auth_token(host, 5432, user)


def test_the_state_survives_a_killed_process(make_emulator: Callable[[], Emulator]) -> None:
    emulator = make_emulator()
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"first", b"second"):
        s3.put_object(Bucket=BUCKET, Key="model", Body=body)
    secret = emulator.client("kms").encrypt(KeyId="alias/aegis-ci", Plaintext=b"secret")["CiphertextBlob"]
    emulator.client("logs").create_log_group(logGroupName="/aws/rds/instance/mlflow/postgresql")
    cluster = emulator.client("eks").describe_cluster(name="aegis-ci")["cluster"]
    before = identity(emulator)
    saved(emulator)
    emulator.kill()
    emulator.start()
    versions = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    bodies = [
        s3.get_object(Bucket=BUCKET, Key="model", VersionId=each["VersionId"])["Body"].read() for each in versions
    ]
    assert sorted(bodies) == [b"first", b"second"]
    assert emulator.client("kms").decrypt(CiphertextBlob=secret)["Plaintext"] == b"secret"
    assert len(emulator.client("logs").describe_log_groups()["logGroups"]) == 1
    again = emulator.client("eks").describe_cluster(name="aegis-ci")["cluster"]
    assert again["resourcesVpcConfig"] == cluster["resourcesVpcConfig"]
    assert identity(emulator) == before


def identity(emulator: Emulator) -> str:
    return clients.identity(emulator.account)


def saved(emulator: Emulator) -> None:
    """Wait until the last change is saved."""
    file = Path(emulator.account.state) / "state.pickle"
    changed = time.time()
    end = time.monotonic() + 30
    while file.stat().st_mtime < changed:
        assert time.monotonic() < end, "nothing was saved for 30 s"
        time.sleep(0.1)
