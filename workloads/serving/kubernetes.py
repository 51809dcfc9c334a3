"""The command line's access to the cluster: what is wanted, taken back by hand, and told by the reconciler."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import httpx2
from lightkube import ApiError, Client, codecs
from lightkube.core.exceptions import ConfigError
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import ConfigMap

import contracts
from aegis.strict import load_json
from contracts import Exit
from workloads import messages
from workloads.cli import WorkloadError
from workloads.serving import wanted as wants
from workloads.serving.rollout import names, objects
from workloads.serving.wanted import Wanted

T = TypeVar("T")

FIELD_MANAGER: Final = "aegis-serving-cli"
# Seconds. The reconciler renews its Lease every 2 s.
_LEASE_LASTS: Final = 30
_NOT_FOUND: Final = 404
# What is read of a status.
_TOLD: Final = frozenset(
    (
        *("model", "wanted", "wanted_version", "served_version", "state", "reason"),
        *("ready", "replicas", "request", "service", "verified"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Serving:
    """The namespace of the served models; every method raises `WorkloadError` if the cluster can't be used."""

    client: Client
    namespace: str

    def stack_wants(self, model: str) -> bool:
        """Return whether the stack declares the model, which then wins over the command line."""
        found = _asked(
            lambda: list(
                self.client.list(
                    ConfigMap,
                    namespace=self.namespace,
                    labels={contracts.WANTED_LABEL: "true", contracts.SOURCE_LABEL: contracts.STACK_SOURCE},
                )
            )
        )
        texts = [(each.data or {}).get(contracts.WANTED_KEY, "") for each in found]
        return any(_model(text) == model for text in texts)

    def want(self, wanted: Wanted, *, dry_run: bool = False) -> str:
        """Ask to serve a model, again if it was asked before, and return the mark of this request."""
        asked = datetime.now(UTC).isoformat(timespec="milliseconds")
        labels = {contracts.WANTED_LABEL: "true", contracts.SOURCE_LABEL: contracts.CLI_SOURCE}
        data = {contracts.WANTED_KEY: wanted.to_text()}
        annotations = {names.MODEL_NAME: wanted.model, names.ASKED: asked}
        self._apply(names.wanted(wanted.model), labels, data, annotations, dry_run=dry_run)
        if not dry_run:
            self._forget(names.hold(wanted.model))
        return f"{wanted.digest} {asked}"

    def hold(self, model: str, from_version: str, to_version: str) -> None:
        """Serve `to_version` for as long as `from_version` is wanted."""
        data = {"model": model, "from": from_version, "to": to_version}
        self._apply(names.hold(model), {names.HOLD: "true"}, data, {names.MODEL_NAME: model})

    def unwant(self, model: str) -> bool:
        """Withdraw the command line's request; return whether there was one."""
        self._forget(names.hold(model))
        return self._forget(names.wanted(model))

    def statuses(self) -> list[dict[str, Any]]:
        """Return what the reconciler told last of every model."""
        found = _asked(
            lambda: list(self.client.list(ConfigMap, namespace=self.namespace, labels={names.STATE: "true"}))
        )
        told = []
        for each in found:
            try:
                told += [status] if (status := _status(each)) else []
            except UnreadableError as error:
                print(f"warning: {error}", file=sys.stderr)
        return sorted(told, key=lambda status: status["model"])

    def status(self, model: str) -> dict[str, Any] | None:
        """Return what the reconciler told last of a model, or None.

        Raises:
            UnreadableError: It can't be read. The reconciler tells it anew at its next turn.
        """
        found = self._found(names.state(model))
        return _status(found) if found else None

    def memory(self, model: str) -> Mapping[str, Any]:
        """Return what the reconciler remembers of a model, or nothing.

        Raises:
            UnreadableError: It can't be read.
        """
        found = self._found(names.state(model))
        return _json(found, names.MEMORY_KEY, "{}") if found else {}

    def leader(self) -> str | None:
        """Return the process that leads, or None if none does."""
        try:
            lease = _asked(lambda: self.client.get(Lease, contracts.RECONCILER, namespace=self.namespace))
        except _MissingError:
            return None
        spec = lease.spec
        if spec is None or not spec.holderIdentity or spec.renewTime is None:
            return None
        return spec.holderIdentity if (datetime.now(UTC) - spec.renewTime).total_seconds() < _LEASE_LASTS else None

    def _apply(
        self,
        name: str,
        labels: dict[str, str],
        data: dict[str, str],
        annotations: dict[str, str],
        *,
        dry_run: bool = False,
    ) -> None:
        found = objects.config_map(self.namespace, name, labels, data)
        found["metadata"]["annotations"] = annotations
        wanted = codecs.from_dict(found)
        _asked(lambda: self.client.apply(wanted, field_manager=FIELD_MANAGER, force=True, dry_run=dry_run))

    def _found(self, name: str) -> ConfigMap | None:
        try:
            return _asked(lambda: self.client.get(ConfigMap, name, namespace=self.namespace))
        except _MissingError:
            return None

    def _forget(self, name: str) -> bool:
        try:
            _asked(lambda: self.client.delete(ConfigMap, name, namespace=self.namespace))
        except _MissingError:
            return False
        return True


class _MissingError(WorkloadError):
    """There is no such object."""


class UnreadableError(WorkloadError):
    """What the reconciler wrote was changed by somebody else."""


def connect(namespace: str) -> Serving:
    """Return the cluster of the user's kubeconfig.

    Raises:
        WorkloadError: There is none (`Exit.USAGE`).
    """
    try:
        return Serving(client=Client(namespace=namespace, field_manager=FIELD_MANAGER), namespace=namespace)
    except ConfigError as error:
        raise WorkloadError(f"KUBECONFIG names no cluster that can be used: {error}", Exit.USAGE) from error


def _asked(action: Callable[[], T]) -> T:
    try:
        return action()
    except ApiError as error:
        if error.status.code == _NOT_FOUND:
            raise _MissingError(f"the cluster has no such object: {error}") from error
        raise WorkloadError(f"the cluster refuses: {messages.plain(str(error))}") from error
    except httpx2.HTTPError as error:
        raise WorkloadError(f"the cluster does not answer: {messages.plain(str(error))}") from error


def _status(found: ConfigMap) -> dict[str, Any] | None:
    status = _json(found, names.STATUS_KEY, "null")
    if status is not None and not set(status) >= _TOLD:
        raise UnreadableError(
            f"the ConfigMap {_name(found)} can't be read: {names.STATUS_KEY} lacks {min(_TOLD - set(status))}"
        )
    return status


def _json(found: ConfigMap, key: str, default: str) -> Any:  # noqa: ANN401 - a JSON object or the default
    try:
        value = load_json((found.data or {}).get(key, default))
    except ValueError as error:
        raise UnreadableError(f"the ConfigMap {_name(found)} can't be read: {key} is not JSON: {error}") from error
    if not isinstance(value, dict) and value is not None:
        raise UnreadableError(f"the ConfigMap {_name(found)} can't be read: {key} is no JSON object")
    return value


def _name(found: ConfigMap) -> str:
    return (found.metadata and found.metadata.name) or ""


def _model(text: str) -> str | None:
    try:
        return wants.parse(text).model
    except WorkloadError:
        return None
