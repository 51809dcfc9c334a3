"""An environment's Vault resources with the real engine, with mounts and a key that aren't the defaults."""

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
MOUNT, METHOD, TRUST, KEY = "ml/signing", "ml/aegis-ci", "ml/eks-ci", "aegis-ci-models"
MODEL = b"a model"

PROGRAM = """
    import sys

    import pulumi_vault
    from pulumi import ResourceOptions, ResourceTransformationResult

    sys.path.insert(0, {root!r})

    from infra.capabilities.signing.grants import WORKLOAD
    from infra.vault.audit import AuditLog
    from infra.vault.login import SignerAccess, SignerAccessArgs
    from infra.vault.transit import SigningKey, SigningKeyArgs
    from infra.vault.login import SignerTrust, SignerTrustArgs

    def outside_of_a_pod(resource):
        # The test's Vault server has no service account with which to review tokens.
        if resource.type_.endswith(":AuthBackendConfig"):
            replaced = {{"kubernetes_ca_cert": open({certificate!r}).read(), "token_reviewer_jwt": "reviewer"}}
            return ResourceTransformationResult({{**resource.props, **replaced}}, resource.opts)
        # There is also no issuer that publishes its keys.
        if resource.type_ == "vault:jwt/authBackend:AuthBackend":
            replaced = {{"oidc_discovery_url": None, "jwt_validation_pubkeys": [open({public_key!r}).read()]}}
            return ResourceTransformationResult({{**resource.props, **replaced}}, resource.opts)

    provider = pulumi_vault.Provider("vault", address={address!r}, token={token!r}, skip_child_token=True)
    opts = ResourceOptions(providers=[provider], transformations=[outside_of_a_pod])
    audit = AuditLog("vault-audit", opts)
    key = SigningKey("signing-key", SigningKeyArgs(mount={mount!r}, key={key!r}, deletion_allowed=True), opts)
    SignerAccess(
        "signer-access",
        SignerAccessArgs(
            mount=key.mount, key=key.key, signers=[WORKLOAD], kubernetes_host="https://10.0.0.1:6443",
            auth_mount={method!r},
        ),
        opts,
    )
    SignerTrust(
        "signer-trust",
        SignerTrustArgs(
            mount=key.mount, key=key.key, signers=[WORKLOAD], auth_mount={trust!r}, policy={trust!r} + "-signer",
            issuer="https://issuer.example.com",
        ),
        opts,
    )
"""


@pytest.fixture
def signing(stack: Stack, vault: Vault) -> Stack:
    public_key, certificate = vault.trust()
    settings = {
        "public_key": str(public_key),
        "certificate": str(certificate),
        "address": vault.address,
        "token": vault.token,
        "mount": MOUNT,
        "method": METHOD,
        "trust": TRUST,
        "key": KEY,
    }
    stack.program(textwrap.dedent(PROGRAM.format(root=str(ROOT), **settings)))
    return stack


def sign_and_verify(vault: Vault, policies: list[str]) -> None:
    """Sign and verify with a token that has only these policies, like one from a login of the signer's role."""
    token_options = {"policies": policies, "no_default_policy": True}
    client = hvac.Client(
        vault.address, token=vault.call("POST", "auth/token/create", token_options)["auth"]["client_token"]
    )
    signature = client.secrets.transit.sign_data(
        name=KEY,
        mount_point=MOUNT,
        hash_input=base64.b64encode(hashlib.sha256(MODEL).digest()).decode(),
        hash_algorithm="sha2-256",
        prehashed=True,
        marshaling_algorithm="asn1",
    )["data"]["signature"]
    public = client.secrets.transit.read_key(name=KEY, mount_point=MOUNT)["data"]["keys"]["1"]["public_key"]
    verifier = serialization.load_pem_public_key(public.encode())
    assert isinstance(verifier, ec.EllipticCurvePublicKey)
    verifier.verify(base64.b64decode(signature.split(":")[2]), MODEL, ec.ECDSA(hashes.SHA256()))


def test_mounts_with_slashes_and_a_custom_key_are_created_used_kept_and_destroyed(signing: Stack, vault: Vault) -> None:
    count = signing.up().counts["create"]
    assert signing.preview().counts == {"same": count}
    assert signing.refresh().counts == {"same": count}
    for method, policy in ((METHOD, "signer"), (TRUST, f"{TRUST}-signer")):
        policies = vault.call("GET", f"auth/{method}/role/signer")["data"]["token_policies"]
        assert policies == [policy]
        sign_and_verify(vault, policies)
    device = vault.call("GET", "sys/audit")["data"]["stdout/"]
    assert (device["type"], device["options"]) == ("file", {"file_path": "stdout"})

    signing.destroy()
    assert f"{MOUNT}/" not in vault.call("GET", "sys/mounts")["data"]
    assert not {f"{METHOD}/", f"{TRUST}/"} & vault.call("GET", "sys/auth")["data"].keys()
    assert "stdout/" not in vault.call("GET", "sys/audit")["data"]
