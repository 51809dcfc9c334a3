"""The provider `random`. Its values are generated once and stay in the state until an input changes."""

from local.plugins import defaults
from local.plugins.diffs import compare, without
from local.plugins.provider import Diff, InvalidInputsError, PluginError, Provider, Request, State
from local.plugins.random.kinds import KINDS, Kind
from local.plugins.values import UNKNOWN, Bag, mark_like, reveal_bag


class RandomProvider(Provider):
    """A provider of random values from the operating system. Reads and deletes use only the state."""

    name = "random"
    version = "4.19.1"

    def configure(self, config: Bag) -> None:  # noqa: ARG002 - the package has no settings.
        """Configure nothing."""
        self.announce()

    def check(self, request: Request) -> Bag:
        """Check that the required inputs are set."""
        kind = _kind(request.type)
        missing = {name: f"{name} is required" for name in kind.required if request.inputs.get(name) is None}
        if missing:
            raise InvalidInputsError(missing)
        return request.inputs

    def diff(self, request: Request) -> Diff:
        """Replace on any change. Setting an input to its default isn't a change."""
        kind = _kind(request.type)
        before = defaults.set_by_program(request.old_inputs, request.inputs)
        old, new = ({**kind.defaults, **bag} for bag in (before, reveal_bag(request.inputs)))
        changes = without(compare(old, new), request.ignore)
        return Diff(changes=changes, replaces=frozenset(changes))

    def create(self, request: Request) -> State:
        """Generate the value."""
        kind = _kind(request.type)
        inputs = {**kind.defaults, **request.inputs}
        if request.preview:
            return State(id="", outputs=inputs | dict.fromkeys(kind.outputs, UNKNOWN))
        drawn = kind.draw(reveal_bag(inputs))
        return State(id=drawn.id, outputs=mark_like(inputs, request.inputs) | drawn.outputs)

    def read(self, request: Request) -> State | None:
        """Return the state, which is the only place that holds the value."""
        if not request.state:
            message = f"the embedded plugin can't import {request.type}: it doesn't know the value"
            raise PluginError(message)
        return State(id=request.id, outputs=request.state, inputs=request.inputs)

    def update(self, request: Request) -> State:
        """Keep the value. Only changes to ignored inputs get here."""
        return State(id=request.id, outputs=request.state | request.inputs)

    def delete(self, request: Request) -> None:
        """Do nothing: the engine removes the value from the state."""


def _kind(type_token: str) -> Kind:
    try:
        return KINDS[type_token]
    except KeyError:
        message = f"the embedded plugin 'random' doesn't know {type_token!r}; it knows {', '.join(sorted(KINDS))}"
        raise PluginError(message) from None
