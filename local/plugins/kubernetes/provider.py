"""The provider `kubernetes`. It applies objects of any kind server-side and waits until they are ready."""

import threading
from typing import Final

from local.plugins.kubernetes import apply, checkpoint, inputs, metadata, objects, settings
from local.plugins.kubernetes.changes import compare
from local.plugins.kubernetes.client import ApiError, Object
from local.plugins.kubernetes.cluster import Cluster
from local.plugins.kubernetes.discovery import NoSuchKindError
from local.plugins.kubernetes.readiness import wait
from local.plugins.kubernetes.readiness.wait import NeverReadyError, Patience
from local.plugins.naming import unique
from local.plugins.provider import Diff, Host, NotReadyError, PluginError, Provider, Request, State
from local.plugins.values import Bag, has_unknown, mark_like, reveal_bag

# Retries in case the namespace or the CustomResourceDefinition is being created in parallel.
_CREATE_ATTEMPTS: Final = 6
_CREATE_PAUSE_SECONDS: Final = 0.5


class KubernetesProvider(Provider):
    """A provider for the cluster in its configuration."""

    name = "kubernetes"
    version = "4.28.0"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._configured: Cluster | None = None
        self._interrupted = threading.Event()

    def diff_config(self, old: Bag, new: Bag) -> Diff:
        """Replace the provider, and thereby all its objects, if it points to another cluster."""
        changes = super().diff_config(old, new).changes
        return Diff(changes=changes, replaces=frozenset(changes) if settings.moved(old, new) else frozenset())

    def configure(self, config: Bag) -> None:
        """Read the kubeconfig. Nothing is called until a resource needs it."""
        self._configured = Cluster(settings.read(config), self.host)
        self.announce()
        if not self._configured.settings.server_side_apply:
            self.host.warn("the embedded plugin 'kubernetes' always applies server-side")

    def check(self, request: Request) -> Bag:
        """Complete the inputs with apiVersion, kind, name and namespace."""
        api_version, kind = objects.kind_of(request.type)
        plain = inputs.cleaned({"apiVersion": api_version, "kind": kind} | reveal_bag(request.inputs))
        plain["metadata"] = metadata.complete(plain, reveal_bag(request.old_inputs), request, self._cluster)
        return checkpoint.secured(mark_like(plain, request.inputs))

    def diff(self, request: Request) -> Diff:
        """Compare the inputs. After a refresh, the old ones contain any drift."""
        old = reveal_bag(request.old_inputs) or checkpoint.inputs(request.state)
        new = reveal_bag(request.inputs)
        unready = objects.annotated(new, objects.REPLACE_UNREADY) and self._unready_job(new, request)
        return compare(old, new, request.ignore, self._cluster.settings, replace_anyway=unready)

    def _unready_job(self, new: Object, request: Request) -> bool:
        check = wait.check_for({"apiVersion": new["apiVersion"], "kind": new["kind"]})
        if new["kind"] != "Job" or check is None or self._cluster.unreachable:
            return False
        try:
            live = self._cluster.client.get(self._path(checkpoint.live(request.state)))
        except ApiError:
            return False
        return not check(live, self._cluster.client).ready

    def create(self, request: Request) -> State:
        """Apply the object and wait until it's ready."""
        body = inputs.to_api(reveal_bag(request.inputs))
        manager = _manager(body, request)
        if request.preview:
            return State(id="", outputs=self._preview(request, body, manager, creating=True))
        self._require_reachable()
        applied = self._create(body, manager, request.urn)
        return self._awaited(request, applied, manager)

    def _create(self, body: Object, manager: str, urn: str) -> Object:
        pause = _CREATE_PAUSE_SECONDS
        for attempt in range(1, _CREATE_ATTEMPTS + 1):
            try:
                return self._send(body, None, manager, preview=False)
            except (ApiError, NoSuchKindError) as error:
                missing = isinstance(error, NoSuchKindError) or error.not_found
                if not missing or attempt == _CREATE_ATTEMPTS or self._interrupted.wait(pause):
                    raise
                self.host.status(f"retrying, attempt {attempt} of {_CREATE_ATTEMPTS} failed: {error}", urn)
                pause *= 2
        raise AssertionError

    def update(self, request: Request) -> State:
        """Apply the changed object and wait until it's ready."""
        body = inputs.to_api(reveal_bag(request.inputs))
        manager = _manager(body, request)
        if request.preview:
            return State(id=request.id, outputs=self._preview(request, body, manager, creating=False))
        self._require_reachable()
        applied = self._apply(request, body, manager)
        return self._awaited(request, applied, manager)

    def _apply(self, request: Request, body: Object, manager: str) -> Object:
        client, path = self._cluster.client, self._path(body)
        try:
            live = client.get(path)
        except ApiError as error:
            if not error.not_found:
                raise
            live = None
        if live is not None:
            if not request.preview and body["kind"] != "CustomResourceDefinition":
                live = apply.take_over(client, path, live, manager)
            body = apply.leave_ignored(body, live, request.ignore, manager)
            if body["kind"] == "CustomResourceDefinition":
                return apply.replace(client, path, body, live, manager=manager, preview=request.preview)
        return self._send(body, live, manager, preview=request.preview)

    def _send(self, body: Object, live: Object | None, manager: str, *, preview: bool) -> Object:
        force = apply.forced(body, live, preview=preview, always=self._cluster.settings.patch_force)
        return apply.send(self._cluster.client, self._path(body), body, manager=manager, preview=preview, force=force)

    def _preview(self, request: Request, body: Object, manager: str, *, creating: bool) -> Bag:
        """Return the result of a dry run, or the inputs if a dry run isn't possible."""
        if has_unknown(body) or not self._cluster.serves(body["apiVersion"], body["kind"]):
            return request.inputs
        try:
            live = self._send(body, None, manager, preview=True) if creating else self._apply(request, body, manager)
        except ApiError as error:
            if _only_in_preview(error, creating=creating):
                return request.inputs
            raise
        live.pop("status", None)
        return checkpoint.write(live, request.inputs, manager)

    def _awaited(self, request: Request, applied: Object, manager: str) -> State:
        plain = reveal_bag(request.inputs)
        check = wait.check_for(plain)
        live = applied
        if check is not None:
            try:
                live = wait.until_ready(
                    self._cluster.client, self._path(applied), applied, check, self._patience(request, plain)
                )
            except NeverReadyError as error:
                state = self._state(error.live or applied, request.inputs, manager)
                message = f"{applied['kind']} {state.id} was applied but didn't become ready: {error}"
                raise NotReadyError(message, state) from error
            # Otherwise the last status would stay beside the finished resource.
            self.host.status("", request.urn)
        return self._state(live, request.inputs, manager)

    def _patience(self, request: Request, plain: Object) -> Patience:
        return Patience(
            seconds=wait.seconds(plain, request.timeout),
            interrupted=self._interrupted,
            report=lambda message: self.host.status(message, request.urn),
        )

    @staticmethod
    def _state(live: Object, program_inputs: Bag, manager: str) -> State:
        return State(id=objects.identity(live), outputs=checkpoint.write(live, program_inputs, manager))

    def read(self, request: Request) -> State | None:
        """Read the object. Its inputs are the last ones, with the live values."""
        if self._cluster.unreachable:
            return self._read_unreachable(request)
        api_version, kind = objects.kind_of(request.type)
        namespace, name = objects.split_identity(request.id)
        last_inputs = reveal_bag(request.inputs)
        try:
            live_kind = self._cluster.kind(last_inputs.get("apiVersion", api_version), last_inputs.get("kind", kind))
            path = live_kind.item(name, namespace or self._cluster.default_namespace)
            live = inputs.from_api(self._cluster.client.get(path))
        except NoSuchKindError:
            return None
        except ApiError as error:
            if error.not_found:
                return None
            raise
        live_inputs = inputs.observed(live, last_inputs) if last_inputs else inputs.imported(live)
        marked = checkpoint.secured(mark_like(live_inputs, request.inputs))
        return State(
            id=request.id, outputs=checkpoint.write(live, marked, _manager(last_inputs, request)), inputs=marked
        )

    def _read_unreachable(self, request: Request) -> State | None:
        if self._cluster.settings.delete_unreachable:
            self.host.info(
                f"{self._cluster.unreachable}; deleteUnreachable removes the object from the state", request.urn
            )
            return None
        if self._cluster.settings.skip_update_unreachable:
            self.host.info(f"{self._cluster.unreachable}; skipUpdateUnreachable keeps the state", request.urn)
            return State(id=request.id, outputs=request.state, inputs=request.inputs)
        message = (
            f"{self._cluster.unreachable}. If the cluster is gone for good, PULUMI_K8S_DELETE_UNREACHABLE=true removes "
            "its objects from the state."
        )
        raise PluginError(message)

    def delete(self, request: Request) -> None:
        """Delete the object and its dependents, and wait until it's gone."""
        if self._cluster.unreachable:
            self._read_unreachable(request)
            return
        live = checkpoint.live(request.state)
        client = self._cluster.client
        try:
            path = self._path(live)
            client.delete(path, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": _propagation(live)})
        except NoSuchKindError:
            return
        except ApiError as error:
            if error.not_found:
                return
            raise
        wait.until_gone(client, path, live, self._patience(request, live))

    def cancel(self) -> None:
        """Stop waiting for objects."""
        self._interrupted.set()

    @property
    def _cluster(self) -> Cluster:
        if self._configured is None:
            message = "the provider isn't configured yet: its kubeconfig isn't known"
            raise PluginError(message)
        return self._configured

    def _require_reachable(self) -> None:
        if self._cluster.unreachable:
            raise PluginError(self._cluster.unreachable)

    def _path(self, thing: Object) -> str:
        kind = self._cluster.kind(thing["apiVersion"], thing["kind"])
        return kind.item(objects.name(thing), objects.namespace(thing) or self._cluster.default_namespace)


def _manager(thing: Object, request: Request) -> str:
    """Return the field manager from the annotation or the state, else a new one that is unique to the object."""
    named = objects.annotation(thing, objects.PATCH_FIELD_MANAGER) or checkpoint.manager(request.state)
    return named or unique("pulumi-kubernetes-", b"")


def _propagation(live: Object) -> str:
    policy = objects.annotation(live, objects.DELETION_PROPAGATION).capitalize()
    return policy if policy in ("Orphan", "Background") else "Foreground"


def _only_in_preview(error: ApiError, *, creating: bool) -> bool:
    """Return whether the error may only affect the dry run, because of permissions or because objects are missing."""
    replaced = creating and any("immutable" in cause.get("message", "") for cause in error.causes)
    return error.forbidden or error.not_found or replaced or "does not support dry run" in str(error)
