import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import Env, Exit
from tests.support.fake_vault import TOKEN, FakeVault, fake_vault
from tests.support.tls import self_signed
from workloads.cli import WorkloadError
from workloads.signing import transit

DIGESTS = [bytes(32), bytes(range(32))]


def failure(action) -> WorkloadError:  # noqa: ANN001
    with pytest.raises(WorkloadError) as error:
        action()
    assert "\n" not in str(error.value)
    return error.value


def test_digests_are_signed_prehashed_in_one_request(vault: FakeVault) -> None:
    vault.signer.rotate()
    signatures = transit.from_environment().sign(DIGESTS, 2)
    key = vault.signer.public_key(2)
    assert [key.accepts(signature, digest) for signature, digest in zip(signatures, DIGESTS, strict=True)] == [True] * 2
    [(method, path, body)] = vault.requests
    assert (method, path) == ("POST", "/v1/transit/sign/aegis-cosign")
    assert {name: body[name] for name in ("prehashed", "hash_algorithm", "marshaling_algorithm", "key_version")} == {
        "prehashed": True,
        "hash_algorithm": "sha2-256",
        "marshaling_algorithm": "asn1",
        "key_version": 2,
    }


def test_all_versions_of_the_public_key_are_read(vault: FakeVault) -> None:
    vault.signer.rotate()
    ring = transit.from_environment().key_ring()
    assert ring.latest == 2
    assert {version: key.pem for version, key in ring.versions.items()} == {
        version: vault.signer.public_key(version).pem for version in (1, 2)
    }


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pod's token for Vault, and the role that it may use."""
    token = tmp_path / "token"
    token.write_text("the.pod.token")
    monkeypatch.delenv("VAULT_TOKEN")
    monkeypatch.setenv("AEGIS_VAULT_ROLE", "signer")
    monkeypatch.setattr(transit, "VAULT_TOKEN_PATH", str(token))


def test_a_pod_logs_in_with_its_service_account(vault: FakeVault, pod: None) -> None:
    assert transit.from_environment().key_ring().latest == 1
    assert vault.requests[0] == ("POST", "/v1/auth/kubernetes/login", {"role": "signer", "jwt": "the.pod.token"})


def test_a_pod_logs_in_at_the_mount_that_the_stack_names(
    vault: FakeVault, pod: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.auth_mount = "jwt-eks"
    monkeypatch.setenv("AEGIS_VAULT_AUTH_MOUNT", "jwt-eks")
    assert transit.from_environment().key_ring().latest == 1
    assert vault.requests[0] == ("POST", "/v1/auth/jwt-eks/login", {"role": "signer", "jwt": "the.pod.token"})


def test_key_and_engine_are_the_ones_that_the_stack_names(
    vault: FakeVault, pod: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.transit_mount, vault.transit_key, vault.auth_mount = "team/sign", "models", "jwt-eks"
    monkeypatch.setenv("AEGIS_VAULT_AUTH_MOUNT", "jwt-eks")
    monkeypatch.setenv("AEGIS_VAULT_TRANSIT_MOUNT", "team/sign/")
    monkeypatch.setenv(Env.VAULT_TRANSIT_KEY, "models")
    signer = transit.from_environment()
    assert len(signer.sign(DIGESTS, signer.key_ring().latest)) == 2
    assert (signer.mount, signer.key) == ("team/sign", "models")


def test_what_the_caller_names_comes_before_the_environment(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_VAULT_TRANSIT_MOUNT", "elsewhere")
    monkeypatch.setenv(Env.VAULT_TRANSIT_KEY, "another")
    assert transit.from_environment(key="aegis-cosign", mount="transit").key_ring().latest == 1


@pytest.mark.parametrize("name", [name for name in vars(Env) if "VAULT" in name])
def test_every_variable_about_vault_is_read(name: str) -> None:
    # hvac reads the CA certificates itself.
    sources = [path.read_text() for path in Path(transit.__file__).parent.glob("*.py")]
    assert any(f"Env.{name}" in source for source in sources)


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\r\n", "\t{} "])
def test_white_space_around_a_token_is_not_part_of_it(
    vault: FakeVault, monkeypatch: pytest.MonkeyPatch, around: str
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", around.format(TOKEN))
    assert transit.from_environment().key_ring().latest == 1


def test_the_password_in_an_address_is_not_printed(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, code in (
        ("http://user:hush-hush@127.0.0.1:1", Exit.VAULT),
        ("ftp://user:hush-hush@vault", Exit.USAGE),
        ("http://user:hush-hush@[", Exit.USAGE),
    ):
        monkeypatch.setenv("VAULT_ADDR", address)
        error = failure(lambda: transit.from_environment().key_ring())
        assert error.code == code
        assert "hush" not in str(error)


def test_a_token_that_vault_echoes_is_not_printed(vault: FakeVault) -> None:
    vault.spoil = lambda path, good: (400, {"errors": [f"what is {TOKEN}?"]})
    assert "what is ***?" in str(failure(transit.from_environment().key_ring))


@pytest.mark.parametrize("content", [b"two words", b"\xff", b""])
def test_a_pods_token_that_is_none_is_refused_without_its_value(vault: FakeVault, pod: None, content: bytes) -> None:
    Path(transit.VAULT_TOKEN_PATH).write_bytes(content)
    error = failure(transit.from_environment().key_ring)
    assert "words" not in str(error)
    assert transit.VAULT_TOKEN_PATH in str(error)


def test_login_and_signing_name_the_namespace_of_vault_enterprise(
    vault: FakeVault, pod: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_NAMESPACE", "admin/ml")
    transit.from_environment().sign(DIGESTS, 1)
    assert vault.namespaces == ["admin/ml", "admin/ml"]


@pytest.fixture
def private_vault(vault: FakeVault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A Vault whose certificate is signed by a private CA, and the file of that CA's certificate."""
    authority, key = self_signed(tmp_path)
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_cert_chain(authority, key)
    with fake_vault(certificate) as server:
        monkeypatch.setenv("VAULT_ADDR", server.address)
        yield authority


def test_a_private_authority_of_vault_is_trusted_where_it_is_named(
    private_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # hvac reads VAULT_CACERT when it is imported.
    monkeypatch.setattr("hvac.v1.VAULT_CACERT", str(private_vault))
    assert transit.from_environment().key_ring().latest == 1


def test_a_vault_of_an_unknown_authority_gets_no_token(private_vault: Path) -> None:
    error = failure(transit.from_environment().key_ring)
    assert error.code == Exit.VAULT
    assert "certificate verify failed" in str(error)
    assert "attempts" not in str(error)


def test_a_missing_authority_of_vault_is_one_clear_line(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", vault.address.replace("http:", "https:"))
    monkeypatch.setattr("hvac.v1.VAULT_CACERT", "/nowhere/ca.pem")
    error = failure(transit.from_environment().key_ring)
    assert error.code == Exit.VAULT
    assert "/nowhere/ca.pem" in str(error)


def test_a_missing_service_account_token_is_named(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_TOKEN")
    monkeypatch.setenv("AEGIS_VAULT_ROLE", "signer")
    error = failure(transit.from_environment().key_ring)
    assert "/var/run/secrets/vault/token, cannot be read" in str(error)
    assert error.code == Exit.VAULT


@pytest.mark.parametrize("status", [500, 502, 503, 429, 501])
def test_a_vault_that_comes_back_is_waited_for(vault: FakeVault, status: int) -> None:
    vault.failures = [status, status]
    assert transit.from_environment().key_ring().latest == 1


def test_a_sealed_vault_is_given_up_after_a_few_attempts(vault: FakeVault) -> None:
    vault.failures = [503] * 100
    error = failure(transit.from_environment().key_ring)
    assert error.code == Exit.VAULT
    assert f"Vault at {vault.address} does not answer after 4 attempts" in str(error)
    assert len(vault.requests) == 4


def test_a_dead_vault_is_one_clear_line(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    error = failure(transit.from_environment().key_ring)
    assert error.code == Exit.VAULT
    assert "Vault at http://127.0.0.1:1 does not answer after 4 attempts" in str(error)


def test_a_denied_permission_is_not_tried_again(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "s.wrong")
    error = failure(lambda: transit.from_environment().sign(DIGESTS, 1))
    assert error.code == Exit.VAULT
    assert "denies permission to sign with transit/sign/aegis-cosign" in str(error)
    assert len(vault.requests) == 1


def test_an_unknown_key_is_named(vault: FakeVault) -> None:
    error = failure(transit.from_environment(key="other").key_ring)
    assert error.code == Exit.VAULT
    assert "has no key other in the transit engine transit" in str(error)


def test_a_key_of_another_type_is_refused(vault: FakeVault) -> None:
    vault.key_type = "rsa-2048"
    error = failure(transit.from_environment().key_ring)
    assert error.code == Exit.VAULT
    assert "is of type rsa-2048, not ecdsa-p256" in str(error)


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("VAULT_ADDR", "VAULT_ADDR is not set"), ("VAULT_TOKEN", "Neither VAULT_TOKEN nor AEGIS_VAULT_ROLE is set")],
)
def test_a_missing_variable_is_named(
    vault: FakeVault, monkeypatch: pytest.MonkeyPatch, missing: str, reason: str
) -> None:
    monkeypatch.delenv(missing)
    error = failure(transit.from_environment)
    assert error.code == Exit.USAGE
    assert reason in str(error)


@pytest.mark.parametrize("address", ["vault:no/url", "localhost:8200", "http://", "http://vault:99999"])
def test_an_address_that_is_none_is_refused_by_its_variable(
    vault: FakeVault, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("VAULT_ADDR", address)
    error = failure(transit.from_environment)
    assert error.code == Exit.USAGE
    assert str(error).startswith("VAULT_ADDR must be an address such as https://HOST:PORT")


def test_the_identity_is_the_login_without_its_secrets(vault: FakeVault) -> None:
    assert transit.from_environment().identity() == {
        "vault": vault.address,
        "display_name": "token-tester",
        "path": "auth/token/create",
        "meta": {"team": "research"},
    }


def test_a_token_that_may_not_look_at_itself_is_unknown(vault: FakeVault) -> None:
    vault.failures = [403]
    assert transit.from_environment().identity() == {
        "vault": vault.address,
        "unknown": "the token may not read auth/token/lookup-self",
    }
