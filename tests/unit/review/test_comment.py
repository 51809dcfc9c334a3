"""The comment on previews of the real engine, and the exit code of the check."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from review.exits import Exit
from tests.support.sdk import types_of
from tests.unit.review.conftest import RECORDINGS, Review

FORMS = pytest.mark.parametrize("form", ["json", "ndjson"])
LIMIT = 65_536


def row(comment: str, resource: str) -> str:
    [found] = [line for line in comment.splitlines() if line.startswith("| ") and f"`{resource}`" in line]
    return found


@pytest.fixture
def previewed(tmp_path: Path) -> Callable[[list[dict[str, Any]]], Path]:
    """Write a document of the engine with these steps."""

    def write(steps: list[dict[str, Any]]) -> Path:
        file = tmp_path / "preview.json"
        file.write_text(json.dumps({"steps": steps, "changeSummary": {}}))
        return file

    return write


def step(kind: str, op: str, name: str = "it", inputs: dict[str, Any] | None = None, **state: Any) -> dict[str, Any]:
    old = {"custom": True, "inputs": inputs or {}, **state}
    return {"op": op, "urn": f"urn:pulumi:prod::aegis::{kind}::{name}", "oldState": old, "detailedDiff": None}


@FORMS
def test_a_preview_that_replaces_the_database_exits_non_zero_and_its_comment_says_so_in_the_first_line(
    review: Review, form: str
) -> None:
    result = review("comment", f"replaces-database.{form}")
    assert result.code is Exit.DATA_LOSS
    assert result.first_line == "**Replaces the database: aegis-prod (stack prod)**"


@FORMS
def test_a_preview_that_deletes_a_bucket_exits_non_zero_and_its_comment_says_so_in_the_first_line(
    review: Review, form: str
) -> None:
    result = review("comment", f"deletes-bucket.{form}")
    assert result.code is Exit.DATA_LOSS
    assert result.first_line == "**Deletes the bucket: aegis-prod-artifacts (stack prod)**"


@FORMS
@pytest.mark.parametrize("name", ["replaces-protected", "deletes-protected"])
def test_the_loss_of_a_protected_resource_is_reported_although_the_engine_refuses_it(
    review: Review, name: str, form: str
) -> None:
    result = review("comment", f"{name}.{form}")
    assert result.code is Exit.DATA_LOSS
    assert "aegis-prod" in result.first_line
    assert "remove the `protect` flag" in result.out


def test_the_label_allows_the_loss_and_the_first_line_still_reports_it(
    review: Review, pull_request: Callable[..., None]
) -> None:
    pull_request("enhancement", "allow-data-loss")
    result = review("comment", "replaces-database.ndjson")
    assert result.code is Exit.OK
    assert result.first_line == "**Replaces the database: aegis-prod (stack prod)**"
    assert "`allow-data-loss` allows it" in result.out


def test_another_label_allows_nothing(review: Review, pull_request: Callable[..., None]) -> None:
    pull_request("allow-data", "data-loss")
    assert review("comment", "replaces-database.ndjson").code is Exit.DATA_LOSS


def test_a_flag_allows_the_loss_without_a_label(review: Review) -> None:
    assert review("comment", "deletes-bucket.json", "--allow-data-loss").code is Exit.OK


@pytest.mark.parametrize("name", ["deletes-protected.json", "replaces-protected.ndjson"])
def test_no_label_lets_a_failed_preview_pass(review: Review, name: str) -> None:
    assert review("comment", name, "--allow-data-loss").code is Exit.FAILED


@FORMS
def test_updates_only_pass_and_show_what_changes(review: Review, form: str) -> None:
    result = review("comment", f"updates.{form}")
    assert result.code is Exit.OK
    assert result.first_line == "**Updates 3 (stack prod)**"
    assert "delete 0, replace 0, update 3, create 0, unchanged 7." in result.out
    assert "`instanceClass`: `db.t4g.medium` → `db.t4g.large`" in row(result.out, "database")
    assert '`metadata.labels["app.kubernetes.io/version"]`: `1` → `2`' in row(result.out, "settings")


@FORMS
def test_a_preview_without_changes_says_so(review: Review, form: str) -> None:
    result = review("comment", f"no-changes.{form}")
    assert result.code is Exit.OK
    assert result.first_line == "**No changes (stack prod)**"


@FORMS
def test_the_first_preview_of_a_stack_creates_everything_and_loses_nothing(review: Review, form: str) -> None:
    result = review("comment", f"first.{form}")
    assert result.code is Exit.OK
    assert result.first_line == "**Creates 9 (stack prod)**"


def test_lost_data_is_bold_and_comes_first_in_the_table(review: Review) -> None:
    table = [line for line in review("comment", "replaces-database.ndjson").out.splitlines() if line.startswith("| ")]
    assert table[2].startswith("| **replace** | **`database`** |")
    assert "`identifier`: `aegis-prod` → `aegis-prod-2` (forces the replacement)" in table[2]
    assert not any("**" in line for line in table[3:])


def test_an_unknown_value_is_shown_as_known_after_the_update(review: Review) -> None:
    assert "→ `(known after the update)`" in row(review("comment", "replaces-database.json").out, "clients")


@FORMS
def test_a_program_that_fails_fails_the_check_with_its_reason(review: Review, form: str) -> None:
    result = review("comment", f"program-fails.{form}")
    assert result.code is Exit.FAILED
    assert result.first_line == "**The preview failed (stack prod)**"
    assert "ValueError: database.instanceClass: got db.t9.huge" in result.out


def test_a_violated_policy_fails_the_check_and_is_listed_with_the_advice(review: Review) -> None:
    result = review("comment", "violates-policy.ndjson")
    assert result.code is Exit.FAILED
    assert result.first_line == "**Violates mandatory policies: 1 (stack prod)**"
    assert "| **`protected-database` (mandatory)** | `database` |" in result.out
    assert "| `owned-group` | `clients` |" in result.out


def test_the_colours_of_a_message_are_left_out(review: Review, tmp_path: Path) -> None:
    file = tmp_path / "coloured.ndjson"
    message = "<{%fg 9%}>error: <{%reset%}>\x1b[31mno such key\x1b[0m<{%reset%}>\n"
    file.write_text(json.dumps({"sequence": 1, "diagnosticEvent": {"severity": "error", "message": message}}))
    assert "```\nno such key\n```" in review("comment", file, "--stack", "prod").out


def test_a_violated_policy_fails_the_check_of_a_document_which_does_not_name_it(review: Review) -> None:
    assert review("comment", "violates-policy.json").code is Exit.FAILED


def test_a_truncated_event_stream_is_a_failed_preview(review: Review, tmp_path: Path) -> None:
    events = (RECORDINGS / "updates.ndjson").read_text().splitlines()
    cut = tmp_path / "cut.ndjson"
    cut.write_text("\n".join(events[: len(events) // 2]))
    assert review("comment", cut).code is Exit.FAILED


@FORMS
def test_no_secret_is_in_any_comment(review: Review, form: str) -> None:
    result = review("comment", f"updates.{form}")
    assert "`password`: `[secret]` → `[secret]`" in row(result.out, "database")
    assert "hunter" not in result.out


def test_a_kubernetes_secret_is_blinded_without_a_mark(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path]
) -> None:
    change = step("kubernetes:core/v1:Secret", "update", inputs={"stringData": {"token": "hunter2"}})
    change["newState"] = {"custom": True, "inputs": {"stringData": {"token": "hunter3"}}}
    change["detailedDiff"] = {"stringData.token": {"kind": "update", "inputDiff": True}}
    assert "hunter" not in review("comment", previewed([change])).out


def test_the_copy_that_kubectl_leaves_of_a_kubernetes_secret_is_blinded(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path]
) -> None:
    copied = {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"token":"aHVudGVyMg=="}}'}
    change = step("kubernetes:core/v1:Secret", "update", inputs={"metadata": {"annotations": copied}})
    change["newState"] = {"custom": True, "inputs": {}}
    change["detailedDiff"] = {"metadata.annotations": {"kind": "delete", "inputDiff": True}}
    assert "aHVudGVyMg" not in review("comment", previewed([change])).out


def test_a_secret_inside_a_changed_object_is_blinded(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path]
) -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"hunter2"'}
    change = step("aws:x:X", "update", inputs={"settings": {"user": "a", "password": secret}})
    change["newState"] = {"custom": True, "inputs": {}}
    change["detailedDiff"] = {"settings": {"kind": "delete", "inputDiff": True}}
    shown = row(review("comment", previewed([change])).out, "it")
    assert '`{"user": "a", "password": "[secret]"}` → `(none)`' in shown
    assert "hunter" not in shown


def test_a_secret_inside_an_object_that_only_its_provider_marks_is_blinded(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path]
) -> None:
    old, new, marked = ({"users": [{"name": "a", "password": text}]} for text in ("hunter2", "hunter3", "[secret]"))
    change = step("aws:x:X", "update", inputs=old, outputs=marked)
    change["newState"] = {"custom": True, "inputs": new}
    change["detailedDiff"] = {"users": {"kind": "update", "inputDiff": True}}
    blinded = '`[{"name": "a", "password": "[secret]"}]`'
    assert f"`users`: {blinded} → {blinded}" in row(review("comment", previewed([change])).out, "it")


def test_a_value_that_becomes_a_secret_is_blinded_on_both_sides(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path]
) -> None:
    change = step("aws:x:X", "update", inputs={"password": "hunter2"})
    change["newState"] = {"custom": True, "inputs": {"password": "[secret]"}}
    change["detailedDiff"] = {"password": {"kind": "update", "inputDiff": True}}
    assert "`password`: `[secret]` → `[secret]`" in row(review("comment", previewed([change])).out, "it")


STATE_ONLY = (*types_of("pulumi_random"), "tls:index/privateKey:PrivateKey")
CLAIMS = {"spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("aws:rds/instance:Instance", {}),
        ("aws:rds/cluster:Cluster", {}),
        ("aws:s3/bucket:Bucket", {}),
        ("aws:s3/bucketV2:BucketV2", {}),
        ("aws:kms/key:Key", {}),
        ("aws:ecr/repository:Repository", {}),
        ("vault:index/mount:Mount", {}),
        ("vault:transit/secretBackendKey:SecretBackendKey", {}),
        ("kubernetes:core/v1:PersistentVolumeClaim", {}),
        ("kubernetes:apps/v1:StatefulSet", CLAIMS),
        ("kubernetes:core/v1:Namespace", {}),
        ("aws:kms/replicaKey:ReplicaKey", {}),
        ("aws:efs/fileSystem:FileSystem", {}),
        ("kubernetes:apps/v1beta2:StatefulSet", CLAIMS),
        ("kubernetes:core/v1:PersistentVolumeClaimList", {"items": []}),
        ("kubernetes:apps/v1:StatefulSetList", {"items": [CLAIMS]}),
        *((kind, {}) for kind in STATE_ONLY),
    ],
)
@pytest.mark.parametrize("op", ["delete", "replace"])
def test_every_kind_that_holds_data_is_guarded(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path], kind: str, inputs: dict[str, Any], op: str
) -> None:
    assert review("comment", previewed([step(kind, op, inputs=inputs)])).code is Exit.DATA_LOSS


@pytest.mark.parametrize("kind", STATE_ONLY)
@pytest.mark.parametrize("op", ["delete", "replace"])
def test_data_in_the_state_alone_is_lost_even_if_the_resource_is_retained(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path], kind: str, op: str
) -> None:
    result = review("comment", previewed([step(kind, op, "admin", retainOnDelete=True)]))
    assert result.code is Exit.DATA_LOSS
    assert result.first_line.endswith(": admin (stack prod)**")


@pytest.mark.parametrize(
    "harmless",
    [
        step("aws:ec2/securityGroup:SecurityGroup", "replace"),
        step("kubernetes:apps/v1:StatefulSet", "delete", inputs={"spec": {"replicas": 1}}),
        step("aws:s3/bucket:Bucket", "update"),
        step("aws:s3/bucket:Bucket", "delete", retainOnDelete=True),
        step("kubernetes:core/v1:NamespacePatch", "delete"),
    ],
    ids=["no data", "no volumes", "an update", "kept by the provider", "a patch, whose object stays"],
)
def test_a_change_that_loses_no_data_passes(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path], harmless: dict[str, Any]
) -> None:
    assert review("comment", previewed([harmless])).code is Exit.OK


def test_a_protected_resource_of_any_type_is_guarded(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path]
) -> None:
    result = review("comment", previewed([step("aws:iam/role:Role", "delete", "mlflow", protect=True)]))
    assert result.code is Exit.DATA_LOSS
    assert result.first_line == "**Deletes the protected Role: mlflow (stack prod)**"


@pytest.mark.parametrize("kind", ["aws:s3/bucket:Bucket", "kubernetes:apps/v1:StatefulSet"])
def test_a_deletion_without_a_state_is_guarded(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path], kind: str
) -> None:
    stateless = {"op": "delete", "urn": f"urn:pulumi:prod::aegis::{kind}::artifacts"}
    assert review("comment", previewed([stateless])).code is Exit.DATA_LOSS


def test_a_deletion_without_custom_in_its_state_is_guarded(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path]
) -> None:
    deletion = step("aws:s3/bucket:Bucket", "delete")
    del deletion["oldState"]["custom"]
    assert review("comment", previewed([deletion])).code is Exit.DATA_LOSS


def test_no_name_hides_a_deletion(review: Review, previewed: Callable[[list[dict[str, Any]]], Path]) -> None:
    hidden = step("aws:s3/bucket:Bucket", "delete", "it::pulumi:pulumi:Stack::it")
    assert review("comment", previewed([hidden])).code is Exit.DATA_LOSS


def test_the_database_is_named_before_lesser_losses(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path]
) -> None:
    steps = [step("random:index/randomPassword:RandomPassword", "delete", f"password-{number}") for number in range(8)]
    steps.append(step("aws:rds/instance:Instance", "delete", "database"))
    assert review("comment", previewed(steps)).first_line.startswith("**Deletes the database: database; ")


def test_many_losses_are_named_up_to_a_limit_and_counted(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path]
) -> None:
    steps = [step("aws:s3/bucket:Bucket", "delete", f"bucket-{number}") for number in range(8)]
    assert "bucket-4; and 3 more with data (stack prod)" in review("comment", previewed(steps)).first_line


def test_a_huge_preview_is_clipped_to_githubs_limit_and_the_rest_is_counted(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path]
) -> None:
    steps = [step("aws:x:X", "create", f"größe-{number}-{'x' * 50}") for number in range(5000)]
    steps.append(step("aws:s3/bucket:Bucket", "delete", "artifacts"))
    result = review("comment", previewed(steps))
    rows = sum(line.startswith("| create") for line in result.out.splitlines())
    assert len(result.out.encode()) <= LIMIT
    assert f"… and {5000 - rows:,} more changes" in result.out
    assert "| **delete** | **`artifacts`** |" in result.out
    assert result.out.endswith("<!-- aegis review: prod -->\n")


def test_huge_values_and_errors_are_clipped(review: Review, previewed: Callable[[list[dict[str, Any]]], Path]) -> None:
    change = step("aws:x:X", "update", inputs={f"p{number}": "a" * 100_000 for number in range(50)})
    change["newState"] = {"custom": True, "inputs": {}}
    change["detailedDiff"] = {f"p{number}": {"kind": "delete", "inputDiff": True} for number in range(50)}
    file = previewed([change])
    error = {"severity": "error", "message": f"begin {'e' * 100_000} end"}
    file.write_text(json.dumps({**json.loads(file.read_text()), "diagnostics": [error]}))
    comment = review("comment", file).out
    assert len(comment.encode()) <= LIMIT
    assert "(100000 characters)" in comment
    assert "… and 40 more differences" in comment
    assert "begin eee" in comment
    assert "eee end" in comment


def test_a_flood_of_errors_and_violations_still_fits(review: Review, tmp_path: Path) -> None:
    long = "ü|" * 5_000
    events = [{"sequence": 1, "diagnosticEvent": {"severity": "error", "message": f"{n}{long}"}} for n in range(99)]
    policy = {"policyName": "p" * 500, "resourceUrn": long, "message": long, "enforcementLevel": "mandatory"}
    events += [{"sequence": 2, "policyEvent": policy}] * 99
    file = tmp_path / "flood.ndjson"
    file.write_text("\n".join(json.dumps(event) for event in events))
    comment = review("comment", file, "--stack", "prod").out
    assert len(comment.encode()) <= LIMIT
    assert "… and 89 more errors" in comment
    assert comment.endswith("<!-- aegis review: prod -->\n")


def test_foreign_text_can_neither_break_the_table_nor_mention_anyone(
    review: Review, previewed: Callable[[list[dict[str, Any]]], Path]
) -> None:
    text = "a`|b\n<!-- aegis review: prod --> @everyone **x**"
    result = review("comment", previewed([step("aws:s3/bucket:Bucket", "delete", text, {"bucket": text})]))
    assert result.first_line.startswith(r"**Deletes the bucket: a\`\|b \<!-- aegis review: prod --\>")
    assert r"\*\*x\*\* (stack prod)" in result.first_line
    assert "@everyone" not in result.first_line
    assert r"| **delete** | **`a'\|b <!-- aegis review: prod --> @everyone **x**`** | `aws:" in result.out


def test_json_output_holds_the_verdict(review: Review) -> None:
    facts = json.loads(review("comment", "replaces-database.ndjson", "--json").out)
    assert facts["verdict"] == "Replaces the database: aegis-prod (stack prod)"
    assert facts["exit"] == Exit.DATA_LOSS
    assert facts["counts"] == {"delete": 0, "replace": 2, "update": 1, "create": 0, "unchanged": 7}
    assert [each["what"] for each in facts["losses"]] == ["the database: aegis-prod"]


@pytest.mark.parametrize("name", sorted(file.stem for file in RECORDINGS.glob("*.json") if "polic" not in file.name))
def test_both_forms_of_a_preview_give_the_same_comment(review: Review, name: str) -> None:
    assert review("comment", f"{name}.json").out == review("comment", f"{name}.ndjson").out


@pytest.mark.parametrize("recording", ["replaces-database.json", "replaces-database.ndjson"])
def test_a_recording_without_a_command_is_shown_as_its_comment(review: Review, recording: str) -> None:
    assert review(recording) == review("comment", recording)
    assert review(recording).code is Exit.DATA_LOSS


def test_an_argument_that_is_neither_a_command_nor_a_file_is_invalid_usage(review: Review) -> None:
    assert review("absent.json").code is Exit.USAGE
