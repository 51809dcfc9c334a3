"""The provider `vault`: mounts, policies, keys and roles of one Vault server."""

from collections.abc import Mapping
from typing import Final

from local.plugins import defaults
from local.plugins.announce import announce
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
    """Talks to the server of its configuration with the token of its configuration."""

    name = "vault"
    version = "7.7.0"

    _vault: Vault | None = None

    def configure(self, config: Bag) -> None:
        """Take address and token; nothing is called before a resource needs it."""
        self._vault = Vault(server(reveal_bag(config)))
        announce(self.host, self)

    def check(self, request: Request) -> Bag:
        """Demand the required inputs, refuse unknown ones, make up a name."""
        fields = _kind(request.type).fields
        inputs = dict(request.inputs)
        if "name" in fields.required and inputs.get("name") is None:
            inputs["name"] = request.old_inputs.get("name") or unique(f"{request.name}-", request.seed, digits=7)
        failures = fields.failures(request.type, inputs)
        if failures:
            raise InvalidInputsError(failures)
        return inputs

    def diff(self, request: Request) -> Diff:
        """Compare the inputs, spelled-out defaults and the order of sets aside."""
        kind = _kind(request.type)
        given = defaults.given(request.old_inputs, request.inputs)
        unsaid = {name for name in kind.fields.kept if request.inputs.get(name) is None}
        old, new = (_telling(kind, bag, unsaid) for bag in (given, request.inputs))
        changes = without(compare(old, new, _same), request.ignore)
        replaces = frozenset(path for path in changes if path[0] in kind.fields.replacing)
        before, after = (kind.fields.complete(bag) for bag in (given, request.inputs))
        in_the_way = bool(replaces) and kind.identify(before) == kind.identify(after)
        return Diff(changes=changes, replaces=replaces, delete_before_replace=in_the_way)

    def create(self, request: Request) -> State:
        """Make the resource and read it back."""
        kind = _kind(request.type)
        inputs = kind.fields.complete(request.inputs)
        if request.preview:
            return State(id="", outputs=_preview(kind, inputs, request.inputs))
        kind.create(self._server(), inputs)
        return State(id=kind.identify(inputs), outputs=self._outputs(kind, inputs, request.inputs))

    def read(self, request: Request) -> State | None:
        """Read the resource; its inputs are the last ones, changed where Vault says something else."""
        kind = _kind(request.type)
        inputs = kind.fields.complete({**reveal_bag(request.inputs), **kind.locate(request.id)})
        found = kind.read(self._server(), inputs)
        if found is None:
            return None
        now = _observed(kind, found, reveal_bag(request.inputs) if request.inputs else None)
        outputs = _marked(kind, _everything(kind, request.id, inputs | found), request.inputs)
        return State(id=request.id, outputs=outputs, inputs=mark_like(now, request.inputs))

    def update(self, request: Request) -> State:
        """Change the resource and read it back."""
        kind = _kind(request.type)
        old = kind.fields.complete(defaults.given(request.old_inputs, request.inputs))
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

    def _outputs(self, kind: Kind, inputs: Bag, given: Bag) -> Bag:
        found = kind.read(self._server(), inputs)
        if found is None:
            message = f"Vault has no {kind.identify(inputs)!r} although it was just written"
            raise PluginError(message)
        return _marked(kind, _everything(kind, kind.identify(inputs), inputs | found), given)

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


def _telling(kind: Kind, inputs: Bag, unsaid: set[str]) -> Bag:
    """Return inputs for a comparison: an empty value is as good as none, as in all of Vault's API."""
    ordered = kind.fields.ordered(kind.fields.complete(inputs))
    return {name: value for name, value in ordered.items() if value and name not in unsaid}


def _everything(kind: Kind, identity: str, known: Bag) -> Bag:
    """Return the outputs, which name every property as the official ones do, but hold nothing that is only written."""
    names = kind.fields.inputs | frozenset(kind.fields.computed)
    return {name: None if name.endswith("Wo") else known.get(name) for name in sorted(names)} | {"id": identity}


def _same(path: Path, old: Tree, new: Tree) -> bool:
    if path[0] in ("path", "backend"):
        return str(old).strip("/") == str(new).strip("/")
    if str(old).startswith("-----BEGIN "):
        # Vault trims the certificates and keys that it's given.
        return str(old).strip() == str(new).strip()
    return equal(path, old, new)


def _observed(kind: Kind, found: Bag, known: Bag | None) -> Bag:
    """Return the inputs as Vault shows them: of an import all, else those that the program gave."""
    if known is None:
        return {name: value for name, value in found.items() if name in kind.fields.inputs}
    old = kind.fields.ordered(known)
    new = kind.fields.ordered({name: found.get(name, value) for name, value in known.items()})
    return {name: known[name] if not compare(old[name], new[name], _same, (name,)) else found[name] for name in known}


def _preview(kind: Kind, inputs: Bag, given: Bag) -> Bag:
    return _marked(kind, dict.fromkeys(kind.fields.computed, UNKNOWN) | inputs, given)


def _marked(kind: Kind, outputs: Bag, given: Bag) -> Bag:
    marked = mark_like(outputs, given)
    return {
        name: Secret(reveal(value)) if name in kind.fields.secret and value is not None else value
        for name, value in marked.items()
    }
