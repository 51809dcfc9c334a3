"""The provider `aws`: the resources of one account of an emulated AWS."""

from collections.abc import Mapping
from typing import Final

from local.plugins import defaults
from local.plugins.announce import announce
from local.plugins.aws import settings
from local.plugins.aws.catalogue import FUNCTIONS, KINDS
from local.plugins.aws.client import Aws, Clients, refusals
from local.plugins.aws.documents import text
from local.plugins.aws.kind import Kind
from local.plugins.aws.observed import observed
from local.plugins.diffs import compare, without
from local.plugins.provider import Diff, InvalidInputsError, NotReadyError, PluginError, Provider, Request, State
from local.plugins.values import UNKNOWN, Bag, Secret, mark_like, reveal, reveal_bag

# The official plugin's mark among the inputs, which the engine doesn't show: the names that the program doesn't give.
_MADE_UP: Final = "__defaults"


class AwsProvider(Provider):
    """Talks to the endpoints of its configuration with the keys of its configuration."""

    name = "aws"
    version = "7.51.1"

    _clients: Clients | None = None

    def configure(self, config: Bag) -> None:
        """Take endpoints and keys; nothing is called before a resource needs it."""
        self._clients = Clients(settings.read(reveal_bag(config)))
        announce(self.host, self)

    def check(self, request: Request) -> Bag:
        """Demand the required inputs, refuse unknown ones, make up a name, and write documents as text."""
        kind = _kind(request.type)
        inputs = dict(request.inputs)
        if kind.named and inputs.get(kind.named) is None:
            inputs[kind.named] = request.old_inputs.get(kind.named) or kind.make_up(request.name, request.seed)
            inputs[_MADE_UP] = [kind.named]
        inputs |= {name: text(inputs[name]) for name in kind.fields.documents if inputs.get(name) is not None}
        failures = kind.fields.failures(request.type, inputs) or kind.failures(kind.fields.complete(inputs))
        if failures:
            raise InvalidInputsError(failures)
        return inputs

    def diff(self, request: Request) -> Diff:
        """Compare the inputs by what they mean."""
        kind = _kind(request.type)
        given = defaults.given(request.old_inputs, request.inputs)
        old, new = (kind.normal(kind.fields.complete(bag)) for bag in (given, request.inputs))
        changes = without(compare(old, new, kind.same), request.ignore)
        replaces = frozenset(path for path in changes if kind.replaces(path, old, new))
        # A made-up name is another one for another resource.
        lasting = kind.named not in (request.inputs.get(_MADE_UP) or [])
        first = bool(replaces) and lasting and kind.in_the_way(old, new)
        return Diff(changes=changes, replaces=replaces, delete_before_replace=first)

    def create(self, request: Request) -> State:
        """Make the resource and read it back."""
        kind = _kind(request.type)
        inputs = kind.fields.complete(request.inputs)
        if request.preview:
            return State(id="", outputs=_marked(kind, dict.fromkeys(kind.fields.computed, UNKNOWN) | inputs, request))
        aws = self._aws(request, inputs)
        with refusals(f"creating {_label(request)}"):
            identity = kind.create(aws, inputs)
        try:
            with refusals(f"setting up {_label(request)}"):
                kind.settle(aws, identity, inputs)
                return State(id=identity, outputs=self._outputs(aws, identity, request))
        except PluginError as error:
            raise NotReadyError(str(error), State(id=identity, outputs=_marked(kind, inputs, request))) from error

    def read(self, request: Request) -> State | None:
        """Read the resource; its inputs are the last ones, changed where AWS says something else."""
        kind = _kind(request.type)
        # Nothing in the state is an import.
        known = reveal_bag(request.inputs) if request.state else None
        inputs = kind.fields.complete({**kind.locate(request.id), **reveal_bag(request.state), **(known or {})})
        aws = self._aws(request, inputs)
        with refusals(f"reading {_label(request)}"):
            found = kind.read(aws, request.id, inputs)
        if found is None:
            return None
        now = observed(kind, found, known)
        outputs = _everything(kind, aws, {} if known is None else inputs, found, now)
        return State(id=request.id, outputs=_marked(kind, outputs, request), inputs=mark_like(now, request.inputs))

    def update(self, request: Request) -> State:
        """Change the resource and read it back."""
        kind = _kind(request.type)
        old = kind.fields.complete(defaults.given(request.old_inputs, request.inputs))
        new = kind.fields.complete(request.inputs)
        if request.preview:
            tags = {"tagsAll": new.get("tags") or {}} if "tagsAll" in kind.fields.computed else {}
            outputs = {name: value for name, value in request.state.items() if name not in kind.fields.inputs}
            return State(id=request.id, outputs=_marked(kind, outputs | new | tags, request))
        aws = self._aws(request, new)
        with refusals(f"updating {_label(request)}"):
            kind.update(aws, request.id, old | self._differing(aws, request, new), new)
            return State(id=request.id, outputs=self._outputs(aws, request.id, request))

    def _differing(self, aws: Aws, request: Request, new: Bag) -> Bag:
        """Return the inputs as AWS has them, so that an update ends what a failed one began."""
        kind = _kind(request.type)
        found = kind.read(aws, request.id, new)
        if found is None:
            message = f"AWS has no {request.id!r} any more; 'pulumi refresh' takes it out of the state"
            raise PluginError(message)
        ignored = {path[0] for path in request.ignore if path}
        now = observed(kind, found, reveal_bag(request.inputs))
        return {name: value for name, value in now.items() if name not in ignored}

    def delete(self, request: Request) -> None:
        """Delete the resource."""
        kind = _kind(request.type)
        known = {**kind.locate(request.id), **reveal_bag(request.state), **reveal_bag(request.inputs)}
        inputs = kind.fields.complete(known)
        with refusals(f"deleting {_label(request)}"):
            kind.delete(self._aws(request, inputs), request.id, inputs)

    def invoke(self, token: str, arguments: Bag) -> Bag:
        """Look something up."""
        if token not in FUNCTIONS:
            message = f"the embedded plugin 'aws' doesn't know {token!r}; it knows {', '.join(sorted(FUNCTIONS))}"
            raise PluginError(message)
        function = FUNCTIONS[token]
        given = {name: value for name, value in reveal_bag(arguments).items() if value is not None}
        unknown = sorted(given.keys() - function.arguments - {"region"})
        if unknown:
            message = f"{token} takes {', '.join(sorted(function.arguments))} here, but not {', '.join(unknown)}"
            raise PluginError(message)
        with refusals(f"calling {token}"):
            return function.call(Aws(self._configured(), given.get("region")), given)

    def _outputs(self, aws: Aws, identity: str, request: Request) -> Bag:
        kind = _kind(request.type)
        inputs = kind.fields.complete(request.inputs)
        found = kind.read(aws, identity, inputs)
        if found is None:
            message = f"AWS has no {identity!r} although it was just written"
            raise PluginError(message)
        now = observed(kind, found, reveal_bag(request.inputs))
        return _marked(kind, _everything(kind, aws, inputs, found, now), request)

    def _aws(self, request: Request, inputs: Mapping[str, object]) -> Aws:
        region = inputs.get("region")
        return Aws(self._configured(), str(region) if region else None, request.timeout)

    def _configured(self) -> Clients:
        if self._clients is None:
            message = "the provider isn't configured yet: its region or endpoints aren't known"
            raise PluginError(message)
        return self._clients


def _kind(type_token: str) -> Kind:
    try:
        return KINDS[type_token]
    except KeyError:
        message = f"the embedded plugin 'aws' doesn't know {type_token!r}; it knows {', '.join(sorted(KINDS))}"
        raise PluginError(message) from None


def _label(request: Request) -> str:
    return f"{request.type.rsplit(':', 1)[-1]} {request.id or request.name}"


def _everything(kind: Kind, aws: Aws, inputs: Bag, found: Bag, now: Bag) -> Bag:
    """Return the outputs: what AWS shows, what it doesn't show as it was given, and what means the same as given."""
    region = {"region": aws.region} if "region" in kind.fields.inputs else {}
    return inputs | {name: value for name, value in found.items() if value is not None} | now | region


def _marked(kind: Kind, outputs: Bag, request: Request) -> Bag:
    return {
        name: Secret(reveal(value)) if name in kind.fields.secret and value is not None else value
        for name, value in mark_like(outputs, request.inputs).items()
    }
