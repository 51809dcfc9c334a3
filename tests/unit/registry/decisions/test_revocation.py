"""Records outlive their keys: a revoked key stops neither the history nor the next decision."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from aegis.errors import NotVerifiedError
from contracts import Exit
from tests.support.fake_vault import FakeVault
from tests.support.registered import SignedModel
from tests.support.verdict import Verdict
from workloads import cli
from workloads.cli import WorkloadError
from workloads.registry.__main__ import main
from workloads.registry.decisions import history as histories
from workloads.registry.decisions import record
from workloads.registry.decisions.automatic import auto_promote
from workloads.registry.decisions.display import history_text
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.moves import Promotion, accept, nominate, promote, repair, rollback


def history(ledger: Ledger) -> histories.History:
    return histories.history(ledger.tracking, ledger.store, ledger.model, ledger.trusted)


def rotated(ledger: Ledger, model: SignedModel) -> tuple[Ledger, Ledger]:
    """Rotate the key; return the decisions with both versions trusted, and with the first one revoked."""
    model.signer.rotate()
    both = [model.signer.public_key(1), model.signer.public_key(2)]
    return replace(ledger, trusted=both), replace(ledger, trusted=both[1:])


def digest(ledger: Ledger, number: int) -> str:
    found = ledger.chain.read(number)
    assert found is not None
    return found.sha256


@pytest.fixture
def accepts() -> Verdict:
    return Verdict()


@pytest.fixture
def decided(ledger: Ledger, accepts: Verdict) -> Ledger:
    """Two records by the first key."""
    nominate(ledger, "1")
    promote(ledger, Promotion(version="1"), accepts)
    return ledger


def test_records_of_a_revoked_key_are_vouched_for_by_later_ones(
    decided: Ledger, model: SignedModel, accepts: Verdict
) -> None:
    both, newest = rotated(decided, model)
    model.add()
    promote(both, Promotion(version="3"), accepts)
    model.add()
    found = history(newest)
    assert found.problems == []
    assert found.vouchers() == {1: 3, 2: 3}
    shown = history_text(found)
    assert "record 2: signed with a retired key, aegis-cosign version 1, vouched for by record 3" in shown
    fields = [(entry["key"], entry["vouched_for_by"]) for entry in found.to_json()["records"]]
    assert fields == [(None, 3), (None, 3), ("version 2", None)]
    nominate(newest, "4")
    promote(newest, Promotion(), accepts)
    rollback(newest)
    repair(newest)
    assert model.alias("champion") == "3"
    # As if the tag was lost.
    model.tracking.client.delete_registered_model_tag(model.name, "aegis.decisions.head")
    repair(newest)
    assert history(newest).verified
    assert not auto_promote(newest, accepts).moved
    # The versions that the revoked key signed stay refused.
    with pytest.raises(NotVerifiedError, match="a key that isn't trusted"):
        rollback(newest, to_version="1")


def test_a_tag_may_name_a_record_of_a_revoked_key_if_a_later_one_vouches_for_it(
    decided: Ledger, model: SignedModel, accepts: Verdict
) -> None:
    """The process that wrote the last record was killed before it set the tag."""
    both, newest = rotated(decided, model)
    model.add()
    promote(both, Promotion(version="3"), accepts)
    mark = f"2 {digest(both, 2)}"
    model.tracking.client.set_registered_model_tag(model.name, "aegis.decisions.head", mark)
    last = repair(newest)
    assert last is not None
    assert last.number == 3
    assert history(newest).problems == []


def test_a_changed_record_of_a_revoked_key_is_told(
    decided: Ledger, model: SignedModel, accepts: Verdict, records: Path
) -> None:
    both, newest = rotated(decided, model)
    model.add()
    promote(both, Promotion(version="3"), accepts)
    second = both.chain.read(2)
    assert second is not None
    forged = replace(second.decision, reason="forged")
    first_key = replace(model.signer.key_ring(), latest=1)
    (records / "00000002.json").write_bytes(record.seal(forged, model.signer, first_key))
    assert history(newest).problems == [
        f"record {number} was changed, or signed with a key that isn't trusted (trusted: version 2)"
        for number in (1, 2)
    ]


@pytest.mark.parametrize(
    "decide",
    [
        lambda ledger: nominate(ledger, "3"),
        lambda ledger: promote(ledger, Promotion(version="3"), Verdict()),
        lambda ledger: rollback(ledger, to_version="3"),
        repair,
    ],
)
def test_nothing_follows_a_last_record_of_a_revoked_key_until_it_is_accepted(
    decided: Ledger, model: SignedModel, records: Path, decide: Callable[[Ledger], object]
) -> None:
    _, newest = rotated(decided, model)
    model.add()
    sha256 = digest(decided, 2)
    told = rf"record 2 was .*00000002\.json, .*`.* history {model.name} --accept-head {sha256}`"
    with pytest.raises(NotVerifiedError, match=told):
        decide(newest)
    assert len(list(records.iterdir())) == 2
    assert re.search(told, history(newest).problems[-1])
    accepted = accept(newest, sha256)
    assert (accepted.number, accepted.decision.action, accepted.decision.by) == (3, "accept", "ada")
    assert accepted.decision.reason == "vouches for record 2, of the key aegis-cosign version 1"
    assert (model.alias("champion"), model.alias("candidate")) == ("1", "1")
    assert history(newest).problems == []
    decide(newest)
    assert history(newest).problems == []


def test_only_the_last_record_is_accepted_and_only_once(decided: Ledger, model: SignedModel, records: Path) -> None:
    _, newest = rotated(decided, model)
    with pytest.raises(NotVerifiedError):
        accept(newest, digest(decided, 1))
    with pytest.raises(NotVerifiedError):
        accept(newest, "0" * 64)
    last = accept(newest, digest(decided, 2))
    with pytest.raises(WorkloadError, match=f"its last record is 3 with the SHA-256 {last.sha256}") as failure:
        accept(newest, digest(decided, 2))
    assert failure.value.code is Exit.USAGE
    assert accept(newest, last.sha256) == last
    assert len(list(records.iterdir())) == 3


def test_a_record_of_an_older_key_after_one_of_a_newer_key_is_never_accepted(
    decided: Ledger, model: SignedModel, accepts: Verdict, records: Path
) -> None:
    """The thief of a revoked key can write into the bucket."""
    both, newest = rotated(decided, model)
    model.add()
    promote(both, Promotion(version="3"), accepts)
    last = newest.chain.read(3)
    assert last is not None
    forged = replace(last.decision, number=4, previous=last.sha256, reason="forged")
    content = record.seal(forged, model.signer, replace(model.signer.key_ring(), latest=1))
    (records / "00000004.json").write_bytes(content)
    with pytest.raises(NotVerifiedError) as failure:
        accept(newest, digest(both, 4))
    assert str(failure.value).endswith("isn't trusted (trusted: version 2)")


def test_the_gate_may_refuse_what_an_accepted_record_says(
    ledger: Ledger, model: SignedModel, accepts: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record was not applied before its key was revoked."""

    def refuse(_: MlflowClient, name: str, alias: str, version: str) -> None:
        if version == "1":
            raise MlflowException(f"{name} version {version} is not verified: {alias}", PERMISSION_DENIED)
        original(ledger.tracking.client, name, alias, version)

    original = MlflowClient.set_registered_model_alias
    promote(ledger, Promotion(version="1"), accepts)
    model.tracking.client.delete_registered_model_alias(model.name, "champion")
    _, newest = rotated(ledger, model)
    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", refuse)
    accept(newest, digest(ledger, 1))
    assert model.alias("champion") is None
    number = model.add()
    promote(newest, Promotion(version=number), accepts)
    assert model.alias("champion") == number


def test_a_correction_goes_back_to_a_record_of_a_revoked_key(
    decided: Ledger, model: SignedModel, accepts: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, newest = rotated(decided, model)
    model.add()
    promote(both, Promotion(version="3"), accepts)
    model.move("champion", "1")
    model.tracking.client.delete_registered_model_alias(model.name, "previous")
    original = MlflowClient.set_registered_model_alias

    def gate(client: MlflowClient, name: str, alias: str, version: str) -> None:
        if version == "3":
            raise MlflowException("version 3 is not signed", PERMISSION_DENIED)
        original(client, name, alias, version)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", gate)
    with pytest.raises(NotVerifiedError, match="MLflow refuses record 3"):
        repair(newest)
    assert model.alias("champion") == "1"
    assert history(newest).problems == []


def test_a_repeated_nomination_lets_the_newest_key_accept_the_last_record(decided: Ledger, model: SignedModel) -> None:
    """Nothing needs to be accepted by hand if the models are released again before the key is revoked."""
    both, newest = rotated(decided, model)
    assert nominate(both, "1", dry_run=True).record is None
    assert len(history(both).records) == 2
    for _ in range(2):
        assert not nominate(both, "1").moved
    found = history(newest)
    assert found.problems == []
    assert [entry.decision.action for entry in found.records] == ["nominate", "promote", "accept"]
    assert [reign.record for reign in found.reigns()] == [2]


def test_an_acceptance_is_no_conflict(decided: Ledger, model: SignedModel) -> None:
    both, _ = rotated(decided, model)
    slow = Verdict(meanwhile=lambda: nominate(both, "1"))
    assert promote(both, Promotion(version="2"), slow).record == 4
    assert history(both).verified


def test_the_command_accepts_the_last_record(
    decided: Ledger, model: SignedModel, vault: FakeVault, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rotated(decided, model)
    key = tmp_path / "cosign-v2.pub"
    key.write_bytes(model.signer.public_key(2).pem)

    def run(*argv: object) -> int:
        with pytest.raises(SystemExit) as exit_:
            cli.run(main, [str(argument) for argument in argv])
        return int(exit_.value.code or 0)

    assert run("history", model.name, "--key", key) == Exit.NOT_VERIFIED
    command = re.search(r"`python -m workloads.registry (history .*)`", capsys.readouterr().err)
    assert command is not None
    assert run(*command[1].split(), "--key", key) == Exit.OK
    assert "record 1: signed with a retired key, aegis-cosign version 1, vouched for by record 3" in (
        capsys.readouterr().out
    )
