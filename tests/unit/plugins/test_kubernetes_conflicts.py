"""Who gives way when a field of an object has another owner: as the official plugin decides it."""

from typing import Any

import pytest

from local.plugins.kubernetes import apply
from local.plugins.kubernetes.client import ApiError, Client, Object
from local.plugins.kubernetes.kubeconfig import Access
from local.plugins.provider import PluginError

US = "pulumi-kubernetes-0a1b2c3d"
PATH = "/api/v1/namespaces/shop/configmaps/web"


def owned(*managers: tuple[str, str], subresource: str = "") -> Object:
    entries = [
        {"manager": name, "operation": operation, "fieldsV1": {"f:data": {f"f:{name}": {}}}}
        | ({"subresource": subresource} if subresource else {})
        for name, operation in managers
    ]
    return {"metadata": {"name": "web", "managedFields": entries}}


class RecordingClient(Client):
    """Refuses to apply what isn't forced, and keeps what is patched."""

    def __init__(self) -> None:
        super().__init__(Access(server="http://127.0.0.1:1"))
        self.patched: list[Object] = []

    def apply(self, path: str, body: Object, **query: str) -> Object:
        if query["force"] == "true":
            return body
        cause = {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-patch" using v1',
            "field": ".data.a",
        }
        message = 'Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: .data.a'
        raise ApiError(409, {"message": message, "reason": "Conflict", "details": {"causes": [cause]}})

    def patch(self, path: str, steps: list[Object]) -> Object:
        self.patched += steps
        return {"metadata": {"managedFields": steps[0]["value"]}}


def send(*, force: bool) -> Object:
    return apply.send(RecordingClient(), PATH, {"data": {"a": "1"}}, manager=US, preview=True, force=force)


def test_a_conflict_names_both_managers_and_what_can_be_done() -> None:
    with pytest.raises(PluginError) as caught:
        send(force=False)
    told = str(caught.value)
    assert told.startswith("server-side apply field conflict detected, see https://www.pulumi.com/registry/")
    assert f'The resource managed by field manager "{US}" had an apply conflict: Apply failed with 1 conflict' in told
    assert "kubectl-patch" in told
    assert "pulumi.com/patchForce" in told
    assert send(force=True) == {"data": {"a": "1"}}


@pytest.mark.parametrize(
    ("manager", "preview", "forces"),
    [
        (("kubectl-patch", "Update"), True, False),
        (("kubectl-patch", "Update"), False, False),
        (("operator", "Update"), True, False),
        (("pulumi-kubernetes", "Update"), True, True),
        (("pulumi-kubernetes", "Update"), False, False),
        (("pulumi-kubernetes-99999999", "Apply"), True, False),
    ],
)
def test_only_a_former_self_is_overridden_and_only_in_a_preview(
    manager: tuple[str, str], preview: bool, forces: bool
) -> None:
    live = owned((US, "Apply"), manager)
    assert apply.forced({}, live, preview=preview, always=None) is forces


def test_an_annotation_or_the_plugins_environment_takes_every_field() -> None:
    live = owned((US, "Apply"), ("operator", "Update"))
    annotated = {"metadata": {"annotations": {"pulumi.com/patchForce": "true"}}}
    for preview in (True, False):
        assert apply.forced(annotated, live, preview=preview, always=None)
        assert apply.forced(annotated, live, preview=preview, always=False), "the object's own word counts first"
        assert apply.forced({}, live, preview=preview, always=True)


def test_a_preview_of_a_new_object_never_conflicts_and_an_object_without_owners_is_taken() -> None:
    assert apply.forced({}, None, preview=True, always=None)
    assert not apply.forced({}, None, preview=False, always=None)
    assert apply.forced({}, {"metadata": {}}, preview=False, always=None)


def test_an_update_takes_over_what_kubectl_owns_and_nothing_else() -> None:
    client = RecordingClient()
    live = owned((US, "Apply"), ("kubectl-patch", "Update"), ("kubectl-edit", "Update"), ("operator", "Update"))
    entries: list[Any] = apply.take_over(client, PATH, live, US)["metadata"]["managedFields"]
    assert [(each["manager"], each["operation"]) for each in entries] == [("operator", "Update"), (US, "Apply")]
    assert set(entries[1]["fieldsV1"]["f:data"]) == {f"f:{US}", "f:kubectl-patch", "f:kubectl-edit"}
    assert client.patched[0]["path"] == "/metadata/managedFields"


def test_an_update_leaves_what_kubectl_scaled_and_what_another_pulumi_applied() -> None:
    client = RecordingClient()
    scaled = owned(("kubectl", "Update"), subresource="scale")
    assert apply.take_over(client, PATH, scaled, US) is scaled
    other = owned((US, "Apply"), ("pulumi-kubernetes-99999999", "Apply"))
    assert apply.take_over(client, PATH, other, US) is other
    assert not client.patched
