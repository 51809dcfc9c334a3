"""Conflicts about fields that another manager owns, resolved as in the official plugin."""

from typing import Any

import pytest

from local.plugins.kubernetes import apply
from local.plugins.kubernetes.client import ApiError, Client, Object
from local.plugins.kubernetes.kubeconfig import Access
from local.plugins.provider import PluginError

MANAGER = "pulumi-kubernetes-0a1b2c3d"
PATH = "/api/v1/namespaces/shop/configmaps/web"


def owned(*managers: tuple[str, str], subresource: str = "") -> Object:
    entries = [
        {"manager": name, "operation": operation, "fieldsV1": {"f:data": {f"f:{name}": {}}}}
        | ({"subresource": subresource} if subresource else {})
        for name, operation in managers
    ]
    return {"metadata": {"name": "web", "managedFields": entries}}


class RecordingClient(Client):
    """Reports a conflict unless the apply is forced, and records patches."""

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
    return apply.send(RecordingClient(), PATH, {"data": {"a": "1"}}, manager=MANAGER, preview=True, force=force)


def test_a_conflict_names_both_managers_and_the_remedies() -> None:
    with pytest.raises(PluginError) as caught:
        send(force=False)
    message = str(caught.value)
    assert message.startswith("server-side apply field conflict detected, see https://www.pulumi.com/registry/")
    assert (
        f'The resource managed by field manager "{MANAGER}" had an apply conflict: Apply failed with 1 conflict'
        in message
    )
    assert "kubectl-patch" in message
    assert "pulumi.com/patchForce" in message
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
def test_only_a_legacy_manager_is_overridden_and_only_in_a_preview(
    manager: tuple[str, str], preview: bool, forces: bool
) -> None:
    live = owned((MANAGER, "Apply"), manager)
    assert apply.forced({}, live, preview=preview, always=None) is forces


def test_an_annotation_or_the_plugins_setting_takes_over_every_field() -> None:
    live = owned((MANAGER, "Apply"), ("operator", "Update"))
    annotated = {"metadata": {"annotations": {"pulumi.com/patchForce": "true"}}}
    for preview in (True, False):
        assert apply.forced(annotated, live, preview=preview, always=None)
        assert apply.forced(annotated, live, preview=preview, always=False), "the annotation has priority"
        assert apply.forced({}, live, preview=preview, always=True)


def test_a_preview_of_a_new_object_and_an_object_without_managers_never_conflict() -> None:
    assert apply.forced({}, None, preview=True, always=None)
    assert not apply.forced({}, None, preview=False, always=None)
    assert apply.forced({}, {"metadata": {}}, preview=False, always=None)


def test_an_update_takes_over_only_the_fields_of_kubectl() -> None:
    client = RecordingClient()
    live = owned((MANAGER, "Apply"), ("kubectl-patch", "Update"), ("kubectl-edit", "Update"), ("operator", "Update"))
    entries: list[Any] = apply.take_over(client, PATH, live, MANAGER)["metadata"]["managedFields"]
    assert [(each["manager"], each["operation"]) for each in entries] == [("operator", "Update"), (MANAGER, "Apply")]
    assert set(entries[1]["fieldsV1"]["f:data"]) == {f"f:{MANAGER}", "f:kubectl-patch", "f:kubectl-edit"}
    assert client.patched[0]["path"] == "/metadata/managedFields"


def test_an_update_doesnt_take_over_subresources_or_fields_of_another_pulumi_stack() -> None:
    client = RecordingClient()
    scaled = owned(("kubectl", "Update"), subresource="scale")
    assert apply.take_over(client, PATH, scaled, MANAGER) is scaled
    other = owned((MANAGER, "Apply"), ("pulumi-kubernetes-99999999", "Apply"))
    assert apply.take_over(client, PATH, other, MANAGER) is other
    assert not client.patched
