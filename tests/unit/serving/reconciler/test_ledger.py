"""The records of rollouts: a chain that verifies, whatever happened to its writers and keys."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aegis.errors import NotVerifiedError
from tests.support.local_signer import LocalSigner
from workloads.cli import WorkloadError
from workloads.registry.decisions.chain import Mark
from workloads.release.folder import Folder
from workloads.serving.reconciler.ledger import RolloutLedger, history
from workloads.serving.rollout.memory import Draft

START = Draft(action="start", time=1_700_000_000.25, to_version="1", alias="champion", content_sha256="c" * 64)
PROMOTE = replace(START, action="promote", time=1_700_000_001.0)


@pytest.fixture
def signer() -> LocalSigner:
    return LocalSigner()


@pytest.fixture
def ledger(signer: LocalSigner, tmp_path: Path) -> RolloutLedger:
    return RolloutLedger(store=Folder(root=tmp_path), signer=signer, trusted=lambda: [signer.public_key()])


@pytest.fixture
def read(ledger: RolloutLedger) -> Callable[[], list[str]]:
    return lambda: [each.decision.action for each in history(ledger.store, "digits", ledger.trusted())]


def test_records_follow_one_another(ledger: RolloutLedger, read: Callable[[], list[str]]) -> None:
    mark = ledger.write("digits", START, None)
    assert ledger.write("digits", PROMOTE, mark).number == 2
    assert read() == ["start", "promote"]


def test_a_record_says_what_was_served_and_why(ledger: RolloutLedger) -> None:
    ledger.write("digits", replace(START, reason="because", from_version="0", source="cli"), None)
    [found] = history(ledger.store, "digits", ledger.trusted())
    step = found.decision
    assert (step.from_version, step.to_version, step.alias, step.reason) == ("0", "1", "champion", "because")
    assert (step.source, step.content_sha256) == ("cli", "c" * 64)
    assert step.time == "2023-11-14T22:13:20.250000+00:00"


def test_a_version_that_is_not_signed_has_no_digest(ledger: RolloutLedger) -> None:
    ledger.write("digits", replace(START, action="refuse", content_sha256=None), None)
    [found] = history(ledger.store, "digits", ledger.trusted())
    assert found.decision.content_sha256 is None


def test_the_same_step_is_written_once(ledger: RolloutLedger, read: Callable[[], list[str]]) -> None:
    assert ledger.write("digits", START, None) == ledger.write("digits", START, None)
    assert read() == ["start"]


def test_a_step_that_another_process_wrote_is_not_written_again_after_the_next_one(
    ledger: RolloutLedger, read: Callable[[], list[str]]
) -> None:
    mark = ledger.write("digits", START, None)
    ledger.write("digits", PROMOTE, mark)
    ledger.write("digits", replace(START, time=1_700_000_002.0, to_version="2"), mark)
    assert ledger.write("digits", PROMOTE, mark).number == 3
    assert read() == ["start", "promote", "start"]


def test_a_changed_record_is_found(ledger: RolloutLedger, tmp_path: Path) -> None:
    ledger.write("digits", START, None)
    file = tmp_path / "digits" / "rollouts" / "00000001.json"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(b"payload", b"Payload"))
    with pytest.raises(NotVerifiedError):
        history(ledger.store, "digits", ledger.trusted())


def test_a_removed_record_stops_the_chain(ledger: RolloutLedger, tmp_path: Path) -> None:
    mark = ledger.write("digits", START, None)
    (tmp_path / "digits" / "rollouts" / "00000001.json").unlink()
    with pytest.raises(NotVerifiedError, match="is missing"):
        ledger.write("digits", PROMOTE, mark)


def test_a_replaced_record_stops_the_chain(ledger: RolloutLedger) -> None:
    ledger.write("digits", START, None)
    with pytest.raises(NotVerifiedError, match="was replaced"):
        ledger.write("digits", PROMOTE, Mark(number=1, sha256="0" * 64))


def test_a_record_of_a_revoked_key_counts_if_this_reconciler_wrote_it(
    ledger: RolloutLedger, signer: LocalSigner
) -> None:
    mark = ledger.write("digits", START, None)
    signer.rotate()
    renewed = replace(ledger, trusted=lambda: [signer.public_key(2)])
    with pytest.raises(NotVerifiedError):
        renewed.write("digits", PROMOTE, None)
    renewed.write("digits", PROMOTE, mark)
    assert [each.key is not None for each in history(ledger.store, "digits", renewed.trusted())] == [False, True]


def test_nothing_is_signed_with_a_key_that_nobody_trusts_yet(ledger: RolloutLedger, signer: LocalSigner) -> None:
    signer.rotate()
    with pytest.raises(WorkloadError, match="the newest signing key, version 2, is not trusted yet"):
        ledger.write("digits", START, None)


def test_a_record_of_a_decision_is_no_step(ledger: RolloutLedger, tmp_path: Path) -> None:
    ledger.write("digits", START, None)
    folder = tmp_path / "other" / "rollouts"
    folder.mkdir(parents=True)
    (folder / "00000001.json").write_bytes((tmp_path / "digits" / "rollouts" / "00000001.json").read_bytes())
    with pytest.raises(NotVerifiedError, match="belongs to the model 'digits', not to 'other'"):
        history(ledger.store, "other", ledger.trusted())
