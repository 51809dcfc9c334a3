"""The state of a version's signature, by what is in its tags."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.local_signer import LocalSigner
from tests.support.signed_version import evidence_of
from workloads.gateway import tags
from workloads.gateway.page import signatures
from workloads.gateway.page.tabs import models

MODEL = "digits-classifier"
SIGNER = LocalSigner()
KEYS = [SIGNER.public_key()]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tags of a version that was signed for the run `first`."""
    files = tmp_path_factory.mktemp("release") / MODEL
    files.mkdir()
    (files / "MLmodel").write_text("flavors: {}\n")
    return evidence_of(files, "first", SIGNER)


def version(found: dict[str, str], run: str = "first") -> dict[str, Any]:
    return {"name": MODEL, "version": "1", "run_id": run, "tags": tags.to_list(found)}


def test_a_version_names_the_key_that_signed_it(evidence: dict[str, str]) -> None:
    badge = signatures.state(version(evidence), KEYS)
    assert (badge.text, badge.kind) == ("signed by aegis-cosign v1", "good")


def test_a_version_without_evidence_is_not_signed() -> None:
    assert signatures.state(version({}), KEYS).text == "not signed"


def test_the_signature_of_another_run_or_another_key_is_refused_with_the_reason(evidence: dict[str, str]) -> None:
    other_run = signatures.state(version(evidence, "second"), KEYS)
    other_key = signatures.state(version(evidence), [LocalSigner().public_key()])
    assert (other_run.kind, other_key.kind) == ("bad", "bad")
    assert "signed as run 'first', not 'second'" in other_run.text
    assert "a key that isn't trusted" in other_key.text


def test_without_trusted_keys_a_signature_is_not_called_good(evidence: dict[str, str]) -> None:
    assert signatures.state(version(evidence), None).text == "signed, not checked"


def test_a_message_names_the_file_of_a_key_and_not_its_folder(
    evidence: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "team.pem").write_bytes(LocalSigner().public_key().pem)
    monkeypatch.setenv("AEGIS_TRUSTED_KEYS", str(tmp_path))
    refused = signatures.state(version(evidence), signatures.trusted())
    assert "(trusted: team.pem)" in refused.text


def test_keys_that_cannot_be_read_are_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_TRUSTED_KEYS", str(tmp_path / "missing"))
    assert signatures.trusted() is None


def test_the_versions_show_their_aliases_and_which_one_is_served(evidence: dict[str, str]) -> None:
    model = {"name": MODEL, "aliases": [{"alias": "champion", "version": "1"}, {"alias": "best", "version": "1"}]}
    first, second = version(evidence), version({}) | {"version": "2"}
    table = models.table(model, [second, first], "1", KEYS)
    newest, oldest = table.split("<tr>")[2:]
    assert "best, champion" in oldest
    assert ">served<" in oldest
    assert "champion" not in newest
    assert ">served<" not in newest


def test_the_last_decision_is_named_with_the_command_that_reads_all() -> None:
    told = models.decisions({"name": MODEL, "tags": [{"key": "aegis.decisions.head", "value": "12 abcdef"}]})
    assert "record 12" in told
    assert f"python -m workloads.registry history {MODEL}" in told
