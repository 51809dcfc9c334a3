"""The Vault resource types that are mounted: secrets engines, authentication methods, audit devices."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from local.plugins.fields import Fields
from local.plugins.provider import PluginError
from local.plugins.values import Bag
from local.plugins.vault.client import Vault
from local.plugins.vault.kind import Kind, api_name, emptied, named

# Inputs of a mount that Vault stores in the mount's `config`, with Vault's names.
_TUNABLE: Final = {
    "defaultLeaseTtlSeconds": "default_lease_ttl",
    "maxLeaseTtlSeconds": "max_lease_ttl",
    "auditNonHmacRequestKeys": "audit_non_hmac_request_keys",
    "auditNonHmacResponseKeys": "audit_non_hmac_response_keys",
    "listingVisibility": "listing_visibility",
    "passthroughRequestHeaders": "passthrough_request_headers",
    "allowedResponseHeaders": "allowed_response_headers",
    "allowedManagedKeys": "allowed_managed_keys",
    "delegatedAuthAccessors": "delegated_auth_accessors",
    "identityTokenKey": "identity_token_key",
    "forceNoCache": "force_no_cache",
}
# Settings that Vault's response omits when they are empty.
_OMITTED: Final = {
    "auditNonHmacRequestKeys": [],
    "auditNonHmacResponseKeys": [],
    "listingVisibility": "",
    "identityTokenKey": "",
}
_TUNE: Final = {
    "defaultLeaseTtl": "default_lease_ttl",
    "maxLeaseTtl": "max_lease_ttl",
    "listingVisibility": "listing_visibility",
    "tokenType": "token_type",
    "auditNonHmacRequestKeys": "audit_non_hmac_request_keys",
    "auditNonHmacResponseKeys": "audit_non_hmac_response_keys",
    "passthroughRequestHeaders": "passthrough_request_headers",
    "allowedResponseHeaders": "allowed_response_headers",
}


class Mounted(Kind):
    """A resource with a `path` in one of the mount tables. Its id is that path."""

    table: ClassVar[str]

    def identify(self, inputs: Bag) -> str:
        """Return the path."""
        return str(inputs.get("path") or inputs["type"]).strip("/")

    def locate(self, identity: str) -> Bag:
        """Return the path, which is the id."""
        return {"path": identity}

    def create(self, vault: Vault, inputs: Bag) -> None:
        """Mount it."""
        vault.write(self._address(inputs), self.body(inputs))

    def read(self, vault: Vault, inputs: Bag) -> Bag | None:
        """Find it in the mount table."""
        table = vault.read(self.table) or {}
        entry = table.get(f"{self.identify(inputs)}/")
        if entry is None:
            return None
        return named(entry, self.fields) | {"path": self.identify(inputs)} | self.settings(entry.get("config") or {})

    def update(self, vault: Vault, old: Bag, new: Bag) -> None:
        """Tune it. Only the official plugin supports moving a mount."""
        if self.identify(old) != self.identify(new):
            message = f"the embedded plugin can't move a mount from {self.identify(old)!r} to {self.identify(new)!r}"
            raise PluginError(message)
        vault.write(f"{self._address(new)}/tune", self.tuning(emptied(self.fields, old, new)))

    def delete(self, vault: Vault, inputs: Bag) -> None:
        """Unmount it and delete all its data."""
        vault.delete(self._address(inputs))

    @abstractmethod
    def body(self, inputs: Bag) -> Bag:
        """Return the request body that mounts it."""

    def tuning(self, inputs: Bag) -> Bag:
        """Return the settings that can be changed in place."""
        return {"description": inputs.get("description", "")}

    def settings(self, config: Mapping[str, object]) -> Bag:  # noqa: ARG002 - most mounts have none.
        """Return the inputs that Vault stores in the mount's `config`."""
        return {}

    def _address(self, inputs: Bag) -> str:
        return f"{self.table}/{self.identify(inputs)}"


class Mount(Mounted):
    """`vault.Mount`, a secrets engine."""

    table = "sys/mounts"
    fields = Fields(
        required=("path", "type"),
        optional={
            "description": None,
            "options": None,
            "local": False,
            "sealWrap": None,
            "externalEntropyAccess": False,
            "pluginVersion": None,
            "namespace": None,
            **dict.fromkeys(_TUNABLE),
        },
        computed=("accessor",),
        replacing=frozenset({"type", "local", "sealWrap", "externalEntropyAccess", "namespace"}),
        filled_in=frozenset(
            {
                "defaultLeaseTtlSeconds",
                "maxLeaseTtlSeconds",
                "forceNoCache",
                "auditNonHmacRequestKeys",
                "auditNonHmacResponseKeys",
                "sealWrap",
            }
        ),
        sets=frozenset({"allowedManagedKeys"}),
    )

    def body(self, inputs: Bag) -> Bag:
        """Return the type, the options, and the settings as `config`."""
        excluded = {"path", "namespace", *_TUNABLE}
        plain = {api_name(name): value for name, value in inputs.items() if name not in excluded}
        return plain | {"config": _renamed(inputs, _TUNABLE)}

    def tuning(self, inputs: Bag) -> Bag:
        """Return the settings and the options."""
        return super().tuning(inputs) | {"options": inputs.get("options") or {}} | _renamed(inputs, _TUNABLE)

    def settings(self, config: Mapping[str, object]) -> Bag:
        """Return the settings, including empty ones that Vault omits."""
        return _OMITTED | {
            name: config[vault_name] for name, vault_name in _TUNABLE.items() if config.get(vault_name) is not None
        }


class AuthBackend(Mounted):
    """`vault.AuthBackend`, an authentication method."""

    table = "sys/auth"
    fields = Fields(
        required=("type",),
        optional={
            "path": None,
            "description": None,
            "local": False,
            "tune": None,
            "disableRemount": False,
            "identityTokenKey": None,
            "namespace": None,
        },
        computed=("accessor",),
        replacing=frozenset({"type", "local", "namespace"}),
        filled_in=frozenset({"path", "tune"}),
        write_only=frozenset({"tune", "disableRemount"}),
    )

    def read(self, vault: Vault, inputs: Bag) -> Bag | None:
        """Find it in the mount table. Its tuning is the program's, or if that sets none, Vault's."""
        found = super().read(vault, inputs)
        if found is None:
            return None
        return found | {"tune": inputs.get("tune") or _tuned(vault.read(f"{self._address(inputs)}/tune") or {})}

    def body(self, inputs: Bag) -> Bag:
        """Return the type, and the settings as `config`."""
        plain = {name: inputs[name] for name in ("type", "description", "local") if name in inputs}
        return plain | {"config": self._tune(inputs)}

    def tuning(self, inputs: Bag) -> Bag:
        """Return the settings."""
        return super().tuning(inputs) | self._tune(inputs)

    @staticmethod
    def _tune(inputs: Bag) -> Bag:
        identity = {"identity_token_key": inputs["identityTokenKey"]} if inputs.get("identityTokenKey") else {}
        return _renamed(inputs.get("tune") or {}, _TUNE) | identity


class JwtAuthBackend(AuthBackend):
    """`vault.jwt.AuthBackend`, a JWT or OIDC method with its configuration."""

    _CONFIGURED: ClassVar = (
        "boundIssuer",
        "defaultRole",
        "jwksCaPem",
        "jwksPairs",
        "jwksUrl",
        "jwtSupportedAlgs",
        "jwtValidationPubkeys",
        "oidcClientId",
        "oidcClientSecret",
        "oidcDiscoveryCaPem",
        "oidcDiscoveryUrl",
        "oidcResponseMode",
        "oidcResponseTypes",
        "providerConfig",
        "namespaceInState",
    )
    fields = Fields(
        optional={
            "path": "jwt",
            "type": "jwt",
            "description": None,
            "local": False,
            "tune": None,
            "disableRemount": False,
            "namespace": None,
            **dict.fromkeys(_CONFIGURED),
            "namespaceInState": True,
            "oidcClientSecretWo": None,
            "oidcClientSecretWoVersion": None,
        },
        computed=("accessor",),
        replacing=frozenset({"type", "local", "namespace"}),
        filled_in=frozenset({"tune"}),
        secret=frozenset({"oidcClientSecret", "oidcClientSecretWo"}),
        write_only=frozenset(
            {"tune", "disableRemount", "oidcClientSecret", "oidcClientSecretWo", "oidcClientSecretWoVersion"}
        ),
    )

    def create(self, vault: Vault, inputs: Bag) -> None:
        """Mount it and configure it."""
        super().create(vault, inputs)
        self._configure(vault, inputs)

    def read(self, vault: Vault, inputs: Bag) -> Bag | None:
        """Read the mount and the configuration."""
        found = super().read(vault, inputs)
        if found is None:
            return None
        return named(vault.read(self._config(inputs)) or {}, self.fields) | found

    def update(self, vault: Vault, old: Bag, new: Bag) -> None:
        """Tune it and replace its configuration."""
        super().update(vault, old, new)
        self._configure(vault, emptied(self.fields, old, new))

    def _configure(self, vault: Vault, inputs: Bag) -> None:
        settings = {api_name(name): inputs[name] for name in self._CONFIGURED if name in inputs}
        write_only = inputs.get("oidcClientSecretWo")
        vault.write(self._config(inputs), settings | ({"oidc_client_secret": write_only} if write_only else {}))

    def _config(self, inputs: Bag) -> str:
        return f"auth/{self.identify(inputs)}/config"


class Audit(Mounted):
    """`vault.Audit`, an audit device. It can't be changed in place."""

    table = "sys/audit"
    fields = Fields(
        required=("type", "options"),
        optional={"path": None, "description": None, "local": False, "namespace": None},
        replacing=frozenset({"type", "options", "path", "description", "local", "namespace"}),
        filled_in=frozenset({"path"}),
    )

    def body(self, inputs: Bag) -> Bag:
        """Return all inputs but the path."""
        return {name: value for name, value in inputs.items() if name not in ("path", "namespace")}


def _tuned(config: Mapping[str, Any]) -> Bag:
    """Return the settings of an authentication method, with durations in the official provider's form."""
    found = {name: config.get(vault_name) for name, vault_name in _TUNE.items()}
    times = {name: duration(int(found[name] or 0)) for name in ("defaultLeaseTtl", "maxLeaseTtl")}
    return found | times | {"listingVisibility": found["listingVisibility"] or ""}


def duration(seconds: int) -> str:
    """Format a duration as Go does, but without trailing zero units: `768h`, `1h0m5s`, `0s`."""
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    text = (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"
    for zero in ("m0s", "h0m"):
        text = text[:-2] if text.endswith(zero) else text
    return text


def _renamed(inputs: Bag, names: Mapping[str, str]) -> Bag:
    return {vault_name: inputs[name] for name, vault_name in names.items() if inputs.get(name) is not None}
