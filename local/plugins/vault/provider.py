"""The provider `vault`, for mounts, policies, keys and roles of one Vault server."""

from collections.abc import Mapping
from typing import Final

from local.plugins import defaults
from local.plugins.diffs import compare, equal, without
from local.plugins.naming import unique
from local.plugins.paths import Path
from local.plugins.provider import Diff, InvalidInputsError, PluginError, Provider, Request, State
from local.plugins.values import UNKNOWN, Bag, Secret, Tree, mark_like, reveal, reveal_bag
from local.plugins.vault.client import Vault, server
from local.plugins.vault.documents import JwtAuthRole, KubernetesAuthConfig, KubernetesAuthRole, Policy, TransitKey
from local.plugins.vault.kind import Kind
from local.plugins.vault.mounts import Audit, AuthBackend, JwtAuthBackend, Mount

KINDS: Final[Mapping[str, Kind]] = {
    "vault:index/mount:Mount": Mount(),
    "vault:index/policy:Policy": Policy(),
    "vault:index/authBackend:AuthBackend": AuthBackend(),
    "vault:index/audit:Audit": Audit(),
    "vault:transit/secretBackendKey:SecretBackendKey": TransitKey(),
    "vault:kubernetes/authBackendConfig:AuthBackendConfig": KubernetesAuthConfig(),
    "vault:kubernetes/authBackendRole:AuthBackendRole": KubernetesAuthRole(),
    "vault:jwt/authBackend:AuthBackend": JwtAuthBackend(),
    "vault:jwt/authBackendRole:AuthBackendRole": JwtAuthRole(),
}


class VaultProvider(Provider):
    """A provider that calls the Vault server in its configuration with the token in its configuration."""

    name = "vault"
    version = "7.7.0"

    _vault: Vault | None = None

    def configure(self, config: Bag) -> None:
        """Store the address and the token. Nothing is called until a resource needs it."""
        self._vault = Vault(server(reveal_bag(config)))
        self.announce()

    def check(self, request: Request) -> Bag:
        """Check the inputs, and generate a name if needed."""
        fields = _kind(request.type).fields
        inputs = dict(request.inputs)
        if "name" in fields.required and inputs.get("name") is None:
            inputs["name"] = request.old_inputs.get("name") or unique(f"{request.name}-", request.seed, digits=7)
        failures = fields.failures(request.type, inputs)
        if failures:
            raise InvalidInputsError(failures)
        return inputs

    def diff(self, request: Request) -> Diff:
        """Compare the inputs, ignoring explicit defaults and the order of sets."""
        kind = _kind(request.type)
        old_explicit = defaults.set_by_program(request.old_inputs, request.inputs)
        left_to_vault = {name for name in kind.fields.filled_in if request.inputs.get(name) is None}
        old, new = (_comparable(kind, bag, left_to_vault) for bag in (old_explicit, request.inputs))
        changes = without(compare(old, new, _same), request.ignore)
        replaces = frozenset(path for path in changes if path[0] in kind.fields.replacing)
        before, after = (kind.fields.complete(bag) for bag in (old_explicit, request.inputs))
        same_identity = bool(replaces) and kind.identify(before) == kind.identify(after)
        return Diff(changes=changes, replaces=replaces, delete_before_replace=same_identity)

    def create(self, request: Request) -> State:
        """Create the resource and read it back."""
        kind = _kind(request.type)
        inputs = kind.fields.complete(request.inputs)
        if request.preview:
            return State(id="", outputs=_preview(kind, inputs, request.inputs))
        kind.create(self._server(), inputs)
        return State(id=kind.identify(inputs), outputs=self._outputs(kind, inputs, request.inputs))

    def read(self, request: Request) -> State | None:
        """Read the resource. Its inputs are the last ones, updated where Vault differs."""
        kind = _kind(request.type)
        inputs = kind.fields.complete({**reveal_bag(request.inputs), **kind.locate(request.id)})
        found = kind.read(self._server(), inputs)
        if found is None:
            return None
        observed_inputs = _observed(kind, found, reveal_bag(request.inputs) if request.inputs else None)
        outputs = _marked(kind, _all_outputs(kind, request.id, inputs | found), request.inputs)
        return State(id=request.id, outputs=outputs, inputs=mark_like(observed_inputs, request.inputs))

    def update(self, request: Request) -> State:
        """Change the resource and read it back."""
        kind = _kind(request.type)
        old = kind.fields.complete(defaults.set_by_program(request.old_inputs, request.inputs))
        new = kind.fields.complete(request.inputs)
        if request.preview:
            return State(id=request.id, outputs=_preview(kind, new, request.inputs))
        kind.update(self._server(), old, new)
        return State(id=request.id, outputs=self._outputs(kind, new, request.inputs))

    def delete(self, request: Request) -> None:
        """Delete the resource."""
        kind = _kind(request.type)
        kind.delete(
            self._server(), kind.fields.complete({**request.state, **request.inputs, **kind.locate(request.id)})
        )

    def _outputs(self, kind: Kind, inputs: Bag, program_inputs: Bag) -> Bag:
        found = kind.read(self._server(), inputs)
        if found is None:
            message = f"Vault has no {kind.identify(inputs)!r}, although it was just written"
            raise PluginError(message)
        return _marked(kind, _all_outputs(kind, kind.identify(inputs), inputs | found), program_inputs)

    def _server(self) -> Vault:
        if self._vault is None:
            message = "the provider isn't configured yet: its address or token isn't known"
            raise PluginError(message)
        return self._vault


def _kind(type_token: str) -> Kind:
    try:
        return KINDS[type_token]
    except KeyError:
        message = f"the embedded plugin 'vault' doesn't know {type_token!r}; it knows {', '.join(sorted(KINDS))}"
        raise PluginError(message) from None


def _comparable(kind: Kind, inputs: Bag, left_to_vault: set[str]) -> Bag:
    """Return inputs for a comparison, without empty values, which Vault's API treats like missing ones."""
    ordered = kind.fields.ordered(kind.fields.complete(inputs))
    return {name: value for name, value in ordered.items() if value and name not in left_to_vault}


def _all_outputs(kind: Kind, identity: str, properties: Bag) -> Bag:
    """Return every property, like the official provider, but None for write-only ones."""
    names = kind.fields.inputs | frozenset(kind.fields.computed)
    return {name: None if name.endswith("Wo") else properties.get(name) for name in sorted(names)} | {"id": identity}


def _same(path: Path, old: Tree, new: Tree) -> bool:
    if path[0] in ("path", "backend"):
        return str(old).strip("/") == str(new).strip("/")
    if str(old).startswith("-----BEGIN "):
        # Vault trims certificates and keys.
        return str(old).strip() == str(new).strip()
    return equal(path, old, new)


def _observed(kind: Kind, found: Bag, program_inputs: Bag | None) -> Bag:
    """Return the current values of the inputs that the program set; for an import (None), of all inputs."""
    if program_inputs is None:
        return {name: value for name, value in found.items() if name in kind.fields.inputs}
    old = kind.fields.ordered(program_inputs)
    new = kind.fields.ordered({name: found.get(name, value) for name, value in program_inputs.items()})
    return {
        name: program_inputs[name] if not compare(old[name], new[name], _same, (name,)) else found[name]
        for name in program_inputs
    }


def _preview(kind: Kind, inputs: Bag, program_inputs: Bag) -> Bag:
    return _marked(kind, dict.fromkeys(kind.fields.computed, UNKNOWN) | inputs, program_inputs)


def _marked(kind: Kind, outputs: Bag, program_inputs: Bag) -> Bag:
    marked = mark_like(outputs, program_inputs)
    return {
        name: Secret(reveal(value)) if name in kind.fields.secret and value is not None else value
        for name, value in marked.items()
    }
