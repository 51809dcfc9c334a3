"""The Vault resource types that are a single document: policies, transit keys, roles and configurations."""

from typing import ClassVar, Final

from local.plugins.fields import Fields
from local.plugins.values import Bag
from local.plugins.vault.client import Vault
from local.plugins.vault.kind import Document, api_name, named

# The options for tokens that a role issues, which are the same for all authentication methods.
_TOKENS: Final[dict[str, str | None]] = dict.fromkeys(
    (
        "tokenTtl",
        "tokenMaxTtl",
        "tokenExplicitMaxTtl",
        "tokenPeriod",
        "tokenNumUses",
        "tokenPolicies",
        "tokenBoundCidrs",
        "tokenNoDefaultPolicy",
        "aliasMetadata",
    )
) | {"tokenType": "default"}
_TOKEN_SETS: Final = frozenset({"tokenPolicies", "tokenBoundCidrs"})


class Policy(Document):
    """`vault.Policy`: its id is its name."""

    path = "sys/policies/acl/{name}"
    fields = Fields(
        required=("name", "policy"), optional={"namespace": None}, replacing=frozenset({"name", "namespace"})
    )

    def identify(self, inputs: Bag) -> str:
        """Return the name."""
        return str(inputs["name"])

    def locate(self, identity: str) -> Bag:
        """Return the name, which is the id."""
        return {"name": identity}


class TransitKey(Document):
    """`vault.transit.SecretBackendKey`. Vault refuses to delete a key unless `deletionAllowed` is set."""

    path = "{backend}/keys/{name}"
    _CONFIGURED: ClassVar = (
        "minDecryptionVersion",
        "minEncryptionVersion",
        "deletionAllowed",
        "exportable",
        "allowPlaintextBackup",
        "autoRotatePeriod",
    )
    fields = Fields(
        required=("backend", "name"),
        optional={
            "type": "aes256-gcm96",
            "derived": False,
            "convergentEncryption": False,
            "exportable": False,
            "allowPlaintextBackup": False,
            "deletionAllowed": False,
            "minDecryptionVersion": 1,
            "minEncryptionVersion": 0,
            "autoRotatePeriod": None,
            "keySize": 0,
            "parameterSet": None,
            "hybridKeyTypeEc": None,
            "hybridKeyTypePqc": None,
            "managedKeyName": None,
            "managedKeyId": None,
            "context": None,
            "namespace": None,
        },
        computed=(
            "keys",
            "latestVersion",
            "minAvailableVersion",
            "supportsEncryption",
            "supportsDecryption",
            "supportsDerivation",
            "supportsSigning",
        ),
        replacing=frozenset(
            {
                "backend",
                "name",
                "type",
                "derived",
                "convergentEncryption",
                "managedKeyName",
                "managedKeyId",
                "context",
                "namespace",
            }
        ),
        filled_in=frozenset({"autoRotatePeriod"}),
        write_only=frozenset({"context", "managedKeyName", "managedKeyId"}),
    )

    def create(self, vault: Vault, inputs: Bag) -> None:
        """Create the key, then set the options that only its configuration accepts."""
        body = self.body(inputs)
        for name in ("minDecryptionVersion", "minEncryptionVersion", "deletionAllowed"):
            body.pop(api_name(name), None)
        vault.write(self.address(inputs), body)
        self._configure(vault, inputs)

    def update(self, vault: Vault, old: Bag, new: Bag) -> None:  # noqa: ARG002 - the whole configuration is written.
        """Write the configuration. The rest of a key can't be changed."""
        self._configure(vault, new)

    def read(self, vault: Vault, inputs: Bag) -> Bag | None:
        """Read the key and its public versions."""
        data = vault.read(self.address(inputs))
        if data is None:
            return None
        versions = [_version(data["keys"][number]) for number in sorted(data.get("keys", {}), key=int)]
        return named(data, self.fields) | {"backend": inputs["backend"], "name": inputs["name"], "keys": versions}

    def _configure(self, vault: Vault, inputs: Bag) -> None:
        settings = {api_name(name): inputs[name] for name in self._CONFIGURED if name in inputs}
        vault.write(f"{self.address(inputs)}/config", settings)


def _version(version: object) -> dict[str, str]:
    """Return a key's version in the official provider's form. A symmetric one has only its creation time."""
    fields = version if isinstance(version, dict) else {"id": version}
    return {name: str(value) for name, value in fields.items()}


class KubernetesAuthConfig(Document):
    """`vault.kubernetes.AuthBackendConfig`. Vault can't unset it, so it stays until the mount is deleted."""

    path = "auth/{backend}/config"
    fields = Fields(
        required=("kubernetesHost",),
        optional={
            "backend": "kubernetes",
            "kubernetesCaCert": None,
            "tokenReviewerJwt": "",
            "tokenReviewerJwtWo": None,
            "tokenReviewerJwtWoVersion": None,
            "pemKeys": None,
            "issuer": None,
            "disableIssValidation": None,
            "disableLocalCaJwt": None,
            "useAnnotationsAsAliasMetadata": None,
            "namespace": None,
        },
        replacing=frozenset({"backend", "namespace"}),
        filled_in=frozenset({"disableIssValidation", "disableLocalCaJwt", "useAnnotationsAsAliasMetadata"}),
        secret=frozenset({"tokenReviewerJwt", "tokenReviewerJwtWo"}),
        write_only=frozenset({"tokenReviewerJwt", "tokenReviewerJwtWo", "tokenReviewerJwtWoVersion"}),
    )

    def body(self, inputs: Bag) -> Bag:
        """Send the write-only token under the token's regular name."""
        body = super().body(inputs)
        write_only = body.pop("token_reviewer_jwt_wo", None)
        body.pop("token_reviewer_jwt_wo_version", None)
        return body | ({"token_reviewer_jwt": write_only} if write_only else {})

    def delete(self, vault: Vault, inputs: Bag) -> None:
        """Do nothing, like the official provider."""


class KubernetesAuthRole(Document):
    """`vault.kubernetes.AuthBackendRole`."""

    path = "auth/{backend}/role/{roleName}"
    fields = Fields(
        required=("roleName", "boundServiceAccountNames"),
        optional={
            "backend": "kubernetes",
            "boundServiceAccountNamespaces": None,
            "boundServiceAccountNamespaceSelector": None,
            "audience": None,
            "aliasNameSource": None,
            "namespace": None,
            **_TOKENS,
        },
        replacing=frozenset({"backend", "roleName", "namespace"}),
        filled_in=frozenset({"aliasNameSource"}),
        sets=_TOKEN_SETS | {"boundServiceAccountNames", "boundServiceAccountNamespaces"},
    )


class JwtAuthRole(Document):
    """`vault.jwt.AuthBackendRole`."""

    path = "auth/{backend}/role/{roleName}"
    fields = Fields(
        required=("roleName", "userClaim"),
        optional={
            "backend": "jwt",
            "roleType": None,
            "boundAudiences": None,
            "boundSubject": None,
            "boundClaims": None,
            "boundClaimsType": None,
            "claimMappings": None,
            "allowedRedirectUris": None,
            "oidcScopes": None,
            "groupsClaim": None,
            "userClaimJsonPointer": False,
            "clockSkewLeeway": 0,
            "expirationLeeway": 0,
            "notBeforeLeeway": 0,
            "maxAge": None,
            "verboseOidcLogging": False,
            "disableBoundClaimsParsing": False,
            "namespace": None,
            **_TOKENS,
        },
        replacing=frozenset({"backend", "roleName", "roleType", "namespace"}),
        filled_in=frozenset({"roleType", "boundClaimsType"}),
        sets=_TOKEN_SETS | {"boundAudiences", "allowedRedirectUris", "oidcScopes"},
    )

    def body(self, inputs: Bag) -> Bag:
        """Leave out the input that only controls the official provider."""
        return {name: value for name, value in super().body(inputs).items() if name != "disable_bound_claims_parsing"}
