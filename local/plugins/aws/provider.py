"""The provider `aws`, for the resources of one account of an emulated AWS."""

from collections.abc import Mapping
from typing import Final

from local.plugins import defaults
from local.plugins.aws import settings
from local.plugins.aws.catalogue import FUNCTIONS, KINDS
from local.plugins.aws.client import Aws, Clients, explained_errors
from local.plugins.aws.documents import text
from local.plugins.aws.kind import Kind
from local.plugins.aws.observed import observed
from local.plugins.diffs import compare, without
from local.plugins.provider import Diff, InvalidInputsError, NotReadyError, PluginError, Provider, Request, State
from local.plugins.values import UNKNOWN, Bag, Secret, mark_like, reveal, reveal_bag

# The official plugin's hidden input that lists the inputs for which it generated a name.
_GENERATED: Final = "__defaults"


class AwsProvider(Provider):
    """A provider that calls the endpoints in its configuration with the keys in its configuration."""

    name = "aws"
    version = "7.51.1"

    _clients: Clients | None = None

    def configure(self, config: Bag) -> None:
        """Store the endpoints and keys. Nothing is called until a resource needs it."""
        self._clients = Clients(settings.read(reveal_bag(config)))
        self.announce()

    def check(self, request: Request) -> Bag:
        """Check the inputs, generate a name if needed, and convert documents to text."""
        kind = _kind(request.type)
        inputs = dict(request.inputs)
        if kind.named and inputs.get(kind.named) is None:
            inputs[kind.named] = request.old_inputs.get(kind.named) or kind.generate_name(request.name, request.seed)
            inputs[_GENERATED] = [kind.named]
        inputs |= {name: text(inputs[name]) for name in kind.fields.documents if inputs.get(name) is not None}
        failures = kind.fields.failures(request.type, inputs) or kind.failures(kind.fields.complete(inputs))
        if failures:
            raise InvalidInputsError(failures)
        return inputs

    def diff(self, request: Request) -> Diff:
        """Compare the inputs by meaning."""
        kind = _kind(request.type)
        old_explicit = defaults.set_by_program(request.old_inputs, request.inputs)
        old, new = (kind.normal(kind.fields.complete(bag)) for bag in (old_explicit, request.inputs))
        changes = without(compare(old, new, kind.same), request.ignore)
        replaces = frozenset(path for path in changes if kind.replaces(path, old, new))
        # A generated name is different for each resource.
        fixed_name = kind.named not in (request.inputs.get(_GENERATED) or [])
        delete_first = bool(replaces) and fixed_name and kind.blocks_new(old, new)
        return Diff(changes=changes, replaces=replaces, delete_before_replace=delete_first)

    def create(self, request: Request) -> State:
        """Create the resource and read it back."""
        kind = _kind(request.type)
        inputs = kind.fields.complete(request.inputs)
        if request.preview:
            return State(id="", outputs=_marked(kind, dict.fromkeys(kind.fields.computed, UNKNOWN) | inputs, request))
        aws = self._aws(request, inputs)
        with explained_errors(f"creating {_label(request)}"):
            identity = kind.create(aws, inputs)
        try:
            with explained_errors(f"setting up {_label(request)}"):
                kind.settle(aws, identity, inputs)
                return State(id=identity, outputs=self._outputs(aws, identity, request))
        except PluginError as error:
            raise NotReadyError(str(error), State(id=identity, outputs=_marked(kind, inputs, request))) from error

    def read(self, request: Request) -> State | None:
        """Read the resource. Its inputs are the last ones, updated where AWS differs."""
        kind = _kind(request.type)
        # The state is empty in an import.
        program_inputs = reveal_bag(request.inputs) if request.state else None
        inputs = kind.fields.complete(
            {**kind.locate(request.id), **reveal_bag(request.state), **(program_inputs or {})}
        )
        aws = self._aws(request, inputs)
        with explained_errors(f"reading {_label(request)}"):
            found = kind.read(aws, request.id, inputs)
        if found is None:
            return None
        observed_inputs = observed(kind, found, program_inputs)
        outputs = _all_outputs(kind, aws, {} if program_inputs is None else inputs, found, observed_inputs)
        return State(
            id=request.id, outputs=_marked(kind, outputs, request), inputs=mark_like(observed_inputs, request.inputs)
        )

    def update(self, request: Request) -> State:
        """Change the resource and read it back."""
        kind = _kind(request.type)
        old = kind.fields.complete(defaults.set_by_program(request.old_inputs, request.inputs))
        new = kind.fields.complete(request.inputs)
        if request.preview:
            tags = {"tagsAll": new.get("tags") or {}} if "tagsAll" in kind.fields.computed else {}
            outputs = {name: value for name, value in request.state.items() if name not in kind.fields.inputs}
            return State(id=request.id, outputs=_marked(kind, outputs | new | tags, request))
        aws = self._aws(request, new)
        with explained_errors(f"updating {_label(request)}"):
            kind.update(aws, request.id, old | self._current_inputs(aws, request, new), new)
            return State(id=request.id, outputs=self._outputs(aws, request.id, request))

    def _current_inputs(self, aws: Aws, request: Request, new: Bag) -> Bag:
        """Return the inputs as AWS has them, so that an update completes one that failed."""
        kind = _kind(request.type)
        found = kind.read(aws, request.id, new)
        if found is None:
            message = f"{request.id!r} no longer exists in AWS; 'pulumi refresh' removes it from the state"
            raise PluginError(message)
        ignored = {path[0] for path in request.ignore if path}
        inputs = observed(kind, found, reveal_bag(request.inputs))
        return {name: value for name, value in inputs.items() if name not in ignored}

    def delete(self, request: Request) -> None:
        """Delete the resource."""
        kind = _kind(request.type)
        properties = {**kind.locate(request.id), **reveal_bag(request.state), **reveal_bag(request.inputs)}
        inputs = kind.fields.complete(properties)
        with explained_errors(f"deleting {_label(request)}"):
            kind.delete(self._aws(request, inputs), request.id, inputs)

    def invoke(self, token: str, arguments: Bag) -> Bag:
        """Call a function of the package."""
        if token not in FUNCTIONS:
            message = f"the embedded plugin 'aws' doesn't know {token!r}; it knows {', '.join(sorted(FUNCTIONS))}"
            raise PluginError(message)
        function = FUNCTIONS[token]
        set_arguments = {name: value for name, value in reveal_bag(arguments).items() if value is not None}
        unknown = sorted(set_arguments.keys() - function.arguments - {"region"})
        if unknown:
            message = (
                f"{token} in the embedded plugin takes {', '.join(sorted(function.arguments))}, "
                f"but not {', '.join(unknown)}"
            )
            raise PluginError(message)
        with explained_errors(f"calling {token}"):
            return function.call(Aws(self._configured(), set_arguments.get("region")), set_arguments)

    def _outputs(self, aws: Aws, identity: str, request: Request) -> Bag:
        kind = _kind(request.type)
        inputs = kind.fields.complete(request.inputs)
        found = kind.read(aws, identity, inputs)
        if found is None:
            message = f"AWS has no {identity!r}, although it was just written"
            raise PluginError(message)
        observed_inputs = observed(kind, found, reveal_bag(request.inputs))
        return _marked(kind, _all_outputs(kind, aws, inputs, found, observed_inputs), request)

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


def _all_outputs(kind: Kind, aws: Aws, inputs: Bag, found: Bag, observed_inputs: Bag) -> Bag:
    """Return what AWS reports, plus the inputs that it doesn't; equivalent values stay as the program wrote them."""
    region = {"region": aws.region} if "region" in kind.fields.inputs else {}
    return inputs | {name: value for name, value in found.items() if value is not None} | observed_inputs | region


def _marked(kind: Kind, outputs: Bag, request: Request) -> Bag:
    return {
        name: Secret(reveal(value)) if name in kind.fields.secret and value is not None else value
        for name, value in mark_like(outputs, request.inputs).items()
    }
