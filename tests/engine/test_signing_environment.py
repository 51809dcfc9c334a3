"""What an environment has in its Vault under the real engine, with other mounts and another key than the defaults."""

import base64
import hashlib
import textwrap
from pathlib import Path

import hvac
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.engine.servers import Vault
from tests.engine.stack import Stack

ROOT = Path(__file__).parents[2]
MOUNT, METHOD, KEY = "ml/signing", "ml/aegis-ci", "aegis-ci-models"

PROGRAM = """
    import sys

    import pulumi_vault
    from pulumi import ResourceOptions, ResourceTransformationResult

    sys.path.insert(0, {root!r})

    from infra.vault.audit import AuditLog
    from infra.vault.auth import SignerAccess, SignerAccessArgs
    from infra.vault.transit import SigningKey, SigningKeyArgs

    def outside_of_a_pod(resource):
        # The server of the test has no service account to review tokens with.
        if resource.type_.endswith(":AuthBackendConfig"):
            given = {{"kubernetes_ca_cert": open({certificate!r}).read(), "token_reviewer_jwt": "reviewer"}}
            return ResourceTransformationResult({{**resource.props, **given}}, resource.opts)

    provider = pulumi_vault.Provider("vault", address={address!r}, token={token!r}, skip_child_token=True)
    opts = ResourceOptions(providers=[provider], transformations=[outside_of_a_pod])
    audit = AuditLog("vault-audit", opts)
    key = SigningKey("signing-key", SigningKeyArgs(mount={mount!r}, key={key!r}, deletion_allowed=True), opts)
    SignerAccess(
        "signer-access",
        SignerAccessArgs(
            mount=key.mount, key=key.key, service_account="signer", namespace="mlflow",
            kubernetes_host="https://10.0.0.1:6443", auth_mount={method!r},
        ),
        opts,
    )
"""


@pytest.fixture
def signing(stack: Stack, vault: Vault) -> Stack:
    _, certificate = vault.trust()
    given = {
        "certificate": str(certificate),
        "address": vault.address,
        "token": vault.token,
        "mount": MOUNT,
        "method": METHOD,
        "key": KEY,
    }
    stack.program(textwrap.dedent(PROGRAM.format(root=str(ROOT), **given)))
    return stack


def test_mounts_with_slashes_and_another_key_are_made_used_kept_and_taken_down(signing: Stack, vault: Vault) -> None:
    made = signing.up().counts["create"]
    assert signing.preview().counts == {"same": made}
    assert signing.refresh().counts == {"same": made}
    assert f"{METHOD}/" in vault.call("GET", "sys/auth")["data"]

    # A token with the signer's policy alone, as a login of its role would hand out.
    role = vault.call("GET", f"auth/{METHOD}/role/signer")["data"]
    token = vault.call("POST", "auth/token/create", {"policies": role["token_policies"], "no_default_policy": True})[
        "auth"
    ]["client_token"]
    client = hvac.Client(vault.address, token=token)
    digest = hashlib.sha256(b"a model").digest()
    signature = client.secrets.transit.sign_data(
        name=KEY, mount_point=MOUNT, hash_input=base64.b64encode(digest).decode(), hash_algorithm="sha2-256",
        prehashed=True, marshaling_algorithm="asn1",
    )["data"]["signature"]  # fmt: skip
    public = client.secrets.transit.read_key(name=KEY, mount_point=MOUNT)["data"]["keys"]["1"]["public_key"]
    verifier = serialization.load_pem_public_key(public.encode())
    assert isinstance(verifier, ec.EllipticCurvePublicKey)
    verifier.verify(base64.b64decode(signature.split(":")[2]), b"a model", ec.ECDSA(hashes.SHA256()))

    signing.destroy()
    assert f"{MOUNT}/" not in vault.call("GET", "sys/mounts")["data"]
    assert f"{METHOD}/" not in vault.call("GET", "sys/auth")["data"]


def test_every_request_is_written_down(signing: Stack, vault: Vault) -> None:
    signing.up()
    (device,) = vault.call("GET", "sys/audit")["data"].values()
    assert (device["type"], device["options"]) == ("file", {"file_path": "stdout"})
    signing.destroy()
