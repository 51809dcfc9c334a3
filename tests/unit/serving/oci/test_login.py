"""How a registry is logged in to."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from contracts import Exit
from tests.support.fake_registry import HOST, IDENTITY, PASSWORD, TOKEN, TOKENS, USER
from tests.unit.serving.oci.world import BASE, MODELS, World
from workloads.cli import WorkloadError
from workloads.serving.oci import credentials

BASIC = {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}


def test_basic_authentication_uses_docker_s_config(world: World, log_in: None) -> None:
    world.registry.auth = "basic"
    assert world.append(world.add_base()) in world.registry.manifests[MODELS]


@pytest.mark.parametrize("entry", [BASIC, {"username": USER, "password": PASSWORD}, {"identitytoken": IDENTITY}])
def test_a_token_is_bought_once_for_all_that_the_push_needs(
    world: World, docker_config: Path, entry: dict[str, str]
) -> None:
    docker_config.write_text(json.dumps({"auths": {HOST: entry}}))
    world.registry.auth = "bearer"
    assert world.append(world.add_base()) in world.registry.manifests[MODELS]
    asked = [request for request in world.registry.requests if request.url.host == TOKENS]
    assert len(asked) == 1
    assert world.registry.scopes == {
        "repository:some:pull",
        f"repository:{BASE}:pull",
        f"repository:{MODELS}:pull,push",
    }


def test_a_token_that_expires_during_the_push_is_bought_again(world: World, log_in: None) -> None:
    world.registry.auth = "bearer"
    base = world.add_base()
    world.registry.token_lasts = 4
    assert world.append(base) in world.registry.manifests[MODELS]


def test_the_token_server_gets_the_password_and_the_registry_only_the_token(world: World, log_in: None) -> None:
    world.registry.auth = "bearer"
    world.append(world.add_base())
    sent = {(each.url.host, each.headers.get("authorization", "none")) for each in world.registry.requests}
    assert sent == {(TOKENS, f"Basic {BASIC['auth']}"), (HOST, f"Bearer {TOKEN}"), (HOST, "none")}


@pytest.mark.parametrize("realm", ["http://auth.test/token", "", "file:///etc/passwd", "https://"])
def test_credentials_never_go_to_a_token_server_without_tls(world: World, log_in: None, realm: str) -> None:
    world.registry.auth, world.registry.realm = "bearer", realm
    with pytest.raises(WorkloadError, match="must be an address with https: no credentials are sent") as refused:
        world.append(world.add_base())
    assert refused.value.code == Exit.NOT_VERIFIED
    assert {request.url.host for request in world.registry.requests} == {HOST}


@pytest.mark.parametrize(("auth", "host"), [("basic", HOST), ("bearer", TOKENS)])
def test_wrong_credentials_are_refused_with_the_registry_s_message(
    world: World, docker_config: Path, auth: Any, host: str
) -> None:
    docker_config.write_text(json.dumps({"auths": {HOST: {"username": USER, "password": "a wrong one"}}}))
    world.registry.auth = auth
    with pytest.raises(WorkloadError, match=f"{host}.* refuses GET: 401 Unauthorized, ") as refused:
        world.append(world.add_base())
    assert refused.value.code == Exit.OBJECT_STORE
    assert "a wrong one" not in str(refused.value)


def test_no_credentials_for_a_registry_that_wants_some_is_its_refusal(world: World) -> None:
    world.registry.auth = "basic"
    with pytest.raises(WorkloadError, match="401 Unauthorized, UNAUTHORIZED: authentication required"):
        world.append(world.add_base())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        (json.dumps({"auths": {HOST: {"auth": "secret"}}}), "must be USER:PASSWORD in base64"),
    ],
)
def test_a_config_of_docker_that_can_t_be_used_is_named_without_its_content(
    world: World, docker_config: Path, content: str, problem: str
) -> None:
    docker_config.write_text(content)
    world.registry.auth = "basic"
    with pytest.raises(WorkloadError, match=problem) as refused:
        world.append(world.add_base())
    assert refused.value.code == Exit.USAGE
    assert str(docker_config) in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com", "us-west-2"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com.attacker.example", None),
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com.cn", None),
        ("12345678901.dkr.ecr.us-west-2.amazonaws.com", None),
        ("dkr.ecr.us-west-2.amazonaws.com", None),
        ("registry.example", None),
    ],
)
def test_a_registry_of_amazon_ecr_is_known_by_its_host_in_each_partition(host: str, region: str | None) -> None:
    assert credentials.ecr_region(host) == region


def test_amazon_ecr_gives_a_token_for_the_pod_s_role(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = ecr(monkeypatch)
    token = base64.b64encode(b"AWS:a-token").decode()
    with Stubber(client) as stub:
        stub.add_response("get_authorization_token", {"authorizationData": [{"authorizationToken": token}]}, {})
        found = credentials.of_registry("123456789012.dkr.ecr.us-west-2.amazonaws.com")
    assert found == credentials.Credentials(user="AWS", password="a-token")
    assert "a-token" not in repr(found)


def test_a_role_without_the_right_to_a_token_is_told_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = ecr(monkeypatch)
    with Stubber(client) as stub:
        stub.add_client_error("get_authorization_token", "AccessDeniedException", "not authorized")
        with pytest.raises(WorkloadError, match="GetAuthorizationToken is refused: AccessDeniedException") as refused:
            credentials.of_registry("123456789012.dkr.ecr.us-west-2.amazonaws.com")
    assert refused.value.code == Exit.OBJECT_STORE


def ecr(monkeypatch: pytest.MonkeyPatch) -> Any:
    client = credentials.boto3.client(
        "ecr", region_name="us-west-2", aws_access_key_id="test", aws_secret_access_key="test"
    )
    monkeypatch.setattr(credentials.boto3, "client", lambda service, region_name: client)
    return client
