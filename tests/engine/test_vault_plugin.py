"""The embedded plugin `vault` with the real engine, against a real Vault server."""

from pathlib import Path

import pytest

from tests.engine.servers import Vault
from tests.engine.stack import EngineError, Stack

PROGRAM = """
    import pulumi
    import pulumi_vault as vault
    from pulumi import ResourceOptions

    config = pulumi.Config()
    server = vault.Provider("server", address={address!r}, token={token!r}, skip_child_token=True)
    opts = ResourceOptions(provider=server)
    transit = vault.Mount("transit", path="{name}-transit", type="transit", opts=opts)
    key = vault.transit.SecretBackendKey(
        "key", backend=transit.path, name="cosign", type="ecdsa-p256",
        deletion_allowed=config.get_bool("deletion") or False, opts=opts,
    )
    rules = pulumi.Output.concat(
        'path "', transit.path, "/sign/", key.name, '" {{ capabilities = ["', config.get("can") or "update", '"] }}'
    )
    policy = vault.Policy("policy", name="{name}-signer", policy=rules, opts=opts)
    auth = vault.AuthBackend("auth", type="kubernetes", path="{name}-kubernetes", opts=opts)
    vault.kubernetes.AuthBackendConfig(
        "config", backend=auth.path, kubernetes_host="https://10.0.0.1:6443",
        kubernetes_ca_cert=open({certificate!r}).read(),
        token_reviewer_jwt="reviewer", disable_iss_validation=True, opts=opts,
    )
    vault.kubernetes.AuthBackendRole(
        "role", backend=auth.path, role_name="signer", bound_service_account_names=["signer", "release"],
        bound_service_account_namespaces=["mlflow"], token_policies=[policy.name], token_ttl=600, audience="vault",
        opts=opts,
    )
    jwt = vault.jwt.AuthBackend(
        "jwt", path="{name}-jwt", jwt_validation_pubkeys=[open({public_key!r}).read()], opts=opts
    )
    vault.jwt.AuthBackendRole(
        "jwt-role", backend=jwt.path, role_name="ci", role_type="jwt", user_claim="sub", bound_audiences=["ci"],
        token_policies=[policy.name], opts=opts,
    )
    vault.Audit("audit", type="file", path="{name}-audit", opts=opts,
        options={{"file_path": {folder!r} + "/{name}-" + (config.get("log") or "first") + ".log"}},
    )
    pulumi.export("public", key.keys[0]["public_key"])
    pulumi.export("accessor", auth.accessor)
"""
RESOURCES = 9


def write(stack: Stack, vault: Vault, name: str, address: str | None = None) -> None:
    key, certificate = (str(path) for path in vault.trust())
    stack.program(
        PROGRAM.format(
            address=address or vault.address,
            token=vault.token,
            name=name,
            public_key=key,
            certificate=certificate,
            folder=str(Path(key).parent),
        )
    )


def audit_log(vault: Vault) -> str:
    return vault.call("GET", "sys/audit")["data"]["cycle-audit/"]["options"]["file_path"]


def test_the_signers_vault_is_created_kept_changed_and_destroyed(stack: Stack, vault: Vault) -> None:
    write(stack, vault, "cycle")
    assert stack.preview().counts == {"create": RESOURCES}
    assert stack.up().counts == {"create": RESOURCES}
    assert stack.outputs()["public"].startswith("-----BEGIN PUBLIC KEY-----")
    state = stack.state()
    assert state["key"]["id"] == "cycle-transit/keys/cosign"
    assert state["role"]["id"] == "auth/cycle-kubernetes/role/signer"
    assert state["transit"]["id"] == "cycle-transit"
    role = vault.call("GET", "auth/cycle-kubernetes/role/signer")["data"]
    assert (role["token_policies"], role["token_ttl"], role["audience"]) == (["cycle-signer"], 600, "vault")

    assert stack.preview().counts == {"same": RESOURCES}
    assert stack.refresh().counts == {"same": RESOURCES}
    assert stack.preview().counts == {"same": RESOURCES}

    assert audit_log(vault).endswith("/cycle-first.log")
    stack.config(can="create", deletion="true", log="second")
    assert stack.preview().differences == {
        "policy": {"policy"},
        "key": {"deletionAllowed"},
        "audit": {"options.file_path"},
    }
    changed = stack.up()
    assert changed.steps["audit"] == "replace"
    assert audit_log(vault).endswith("/cycle-second.log")
    assert (changed.steps["policy"], changed.steps["key"]) == ("update", "update")
    assert '"create"' in vault.call("GET", "sys/policies/acl/cycle-signer")["data"]["policy"]

    stack.destroy()
    assert "cycle-transit/" not in vault.call("GET", "sys/mounts")["data"]
    assert not {"cycle-kubernetes/", "cycle-jwt/"} & set(vault.call("GET", "sys/auth")["data"])
    assert vault.call("GET", "sys/policies/acl/cycle-signer") is None
    assert "cycle-audit/" not in vault.call("GET", "sys/audit")["data"]


def test_a_refresh_shows_drift_in_vault_and_an_update_reverts_it(stack: Stack, vault: Vault) -> None:
    write(stack, vault, "drift")
    stack.up()
    vault.call("POST", "sys/policies/acl/drift-signer", {"policy": 'path "*" { capabilities = ["sudo"] }'})
    vault.call("POST", "auth/drift-kubernetes/role/signer", {"token_ttl": 6000})
    vault.call("DELETE", "auth/drift-jwt/role/ci")
    refreshed = stack.refresh()
    assert (refreshed.steps["policy"], refreshed.steps["role"], refreshed.steps["jwt-role"]) == (
        "update",
        "update",
        "delete",
    )
    updated = stack.up()
    assert updated.counts == {"same": RESOURCES - 3, "update": 2, "create": 1}
    assert vault.call("GET", "auth/drift-kubernetes/role/signer")["data"]["token_ttl"] == 600
    assert "sudo" not in vault.call("GET", "sys/policies/acl/drift-signer")["data"]["policy"]


def test_a_key_whose_deletion_isnt_allowed_is_kept(stack: Stack, vault: Vault) -> None:
    write(stack, vault, "keep")
    stack.up()
    with pytest.raises(EngineError, match="deletion is not allowed for this key"):
        stack.destroy()
    assert vault.call("GET", "keep-transit/keys/cosign")["data"]["type"] == "ecdsa-p256"


def test_an_unreachable_vault_is_reported_in_one_line(stack: Stack, vault: Vault) -> None:
    write(stack, vault, "none", address="http://127.0.0.1:1")
    assert stack.preview().counts == {"create": RESOURCES}, "a preview of new resources needs no Vault"
    with pytest.raises(EngineError, match=r"Vault at http://127\.0\.0\.1:1 can't be reached"):
        stack.up()
