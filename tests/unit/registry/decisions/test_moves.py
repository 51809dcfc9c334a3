import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from aegis.errors import NotVerifiedError
from contracts import Exit
from tests.support.local_signer import LocalSigner
from tests.support.registered import SignedModel
from tests.support.verdict import Verdict
from workloads.cli import WorkloadError
from workloads.registry.decisions import history as histories
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.moves import Promotion, nominate, promote, repair, rollback
from workloads.registry.decisions.outcome import PolicyRefusedError


def history(ledger: Ledger) -> histories.History:
    return histories.history(ledger.tracking, ledger.store, ledger.model, ledger.trusted)


def stage_of(model: SignedModel, number: str) -> str | None:
    return model.tracking.client.get_model_version(model.name, number).current_stage


def refuse_alias(monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    """Make MLflow refuse a version for every alias, as the gate does."""
    original = MlflowClient.set_registered_model_alias

    def gate(client: MlflowClient, name: str, alias: str, version: str) -> None:
        if version == refused:
            raise MlflowException(f"version {version} is not signed", PERMISSION_DENIED)
        original(client, name, alias, version)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", gate)


def test_the_candidate_becomes_the_champion_with_a_signed_record(
    ledger: Ledger, model: SignedModel, accepts: Verdict
) -> None:
    nominate(ledger, "1")
    outcome = promote(ledger, Promotion(reason="better", approvals=("grace",)), accepts)
    assert (outcome.moved, outcome.from_version, outcome.to_version, outcome.record) == (True, None, "1", 2)
    assert (model.alias("champion"), model.alias("previous"), model.alias("candidate")) == ("1", None, "1")
    [nominated, promoted] = history(ledger).records
    made = promoted.decision
    assert (nominated.decision.action, made.action, made.by, made.reason) == ("nominate", "promote", "ada", "better")
    assert made.policy == {"name": "always", "digest": "ab" * 32}
    assert list(made.approvals) == ["grace"]
    assert accepts.compared == [("1", None, ("grace",))]
    assert made.evidence is not None
    assert made.evidence["report"]["passed"] is True
    version = model.tracking.client.get_model_version(model.name, "1")
    assert version.tags["aegis.decision"] == f"2 {promoted.sha256}"
    assert version.tags["aegis.decision.uri"] == outcome.record_uri
    assert history(ledger).verified


def test_the_old_champion_becomes_previous(ledger: Ledger, model: SignedModel, accepts: Verdict) -> None:
    promote(ledger, Promotion(version="1"), accepts)
    promote(ledger, Promotion(version="2"), accepts)
    assert (model.alias("champion"), model.alias("previous")) == ("2", "1")
    assert accepts.compared[-1] == ("2", "1", ())


def test_promoting_the_champion_again_changes_nothing(
    ledger: Ledger, model: SignedModel, accepts: Verdict, records: Path
) -> None:
    promote(ledger, Promotion(version="1"), accepts)
    outcome = promote(ledger, Promotion(version="1"), accepts)
    assert not outcome.moved
    assert len(list(records.iterdir())) == 1


def test_a_champion_from_before_the_first_decision_becomes_previous(
    ledger: Ledger, model: SignedModel, accepts: Verdict
) -> None:
    model.move("champion", "1")
    promote(ledger, Promotion(version="2"), accepts)
    assert (model.alias("champion"), model.alias("previous")) == ("2", "1")
    assert history(ledger).verified


def test_a_rollback_returns_to_previous_and_a_second_one_undoes_it(
    ledger: Ledger, model: SignedModel, accepts: Verdict
) -> None:
    promote(ledger, Promotion(version="1"), accepts)
    promote(ledger, Promotion(version="2"), accepts)
    rollback(ledger, reason="slow")
    assert (model.alias("champion"), model.alias("previous")) == ("1", "2")
    rollback(ledger)
    assert (model.alias("champion"), model.alias("previous")) == ("2", "1")
    found = history(ledger)
    assert found.verified
    assert [(reign.version, reign.record) for reign in found.reigns()] == [("1", 1), ("2", 2), ("1", 3), ("2", 4)]
    assert found.reigns()[2].reason == "slow"


def test_a_rollback_without_an_earlier_version_is_refused(ledger: Ledger, model: SignedModel, accepts: Verdict) -> None:
    promote(ledger, Promotion(version="1"), accepts)
    # Any client can set MLflow's alias.
    model.move("previous", "2")
    with pytest.raises(WorkloadError, match="no version to go back to, as no decision has replaced a champ") as failure:
        rollback(ledger)
    assert failure.value.code is Exit.NO_RUN
    assert model.alias("champion") == "1"
    with pytest.raises(WorkloadError, match="the default is only for champion: give its number"):
        rollback(ledger, alias="shadow")


def test_stages_move_with_the_alias_and_back(ledger: Ledger, model: SignedModel, accepts: Verdict) -> None:
    promote(ledger, Promotion(version="1", stage="Production"), accepts)
    promote(ledger, Promotion(version="2", stage="Production"), accepts)
    assert (stage_of(model, "1"), stage_of(model, "2")) == ("Archived", "Production")
    rollback(ledger)
    assert (stage_of(model, "1"), stage_of(model, "2")) == ("Production", "Archived")
    assert history(ledger).verified


def test_a_refusal_by_the_policy_moves_nothing(ledger: Ledger, model: SignedModel, records: Path) -> None:
    with pytest.raises(PolicyRefusedError, match=r"the policy always refuses .* version 1: accuracy") as failure:
        promote(ledger, Promotion(version="1"), Verdict(accepts=False))
    assert failure.value.code is Exit.REFUSED
    assert failure.value.outcome.to_json()["report"]["passed"] is False
    assert model.alias("champion") is None
    assert not records.exists()


def test_a_dry_run_writes_nothing(ledger: Ledger, model: SignedModel, accepts: Verdict, records: Path) -> None:
    outcome = promote(ledger, Promotion(version="1"), accepts, dry_run=True)
    nominate(ledger, "1", dry_run=True)
    rollback(ledger, to_version="1", dry_run=True)
    assert (outcome.moved, outcome.to_version, outcome.report is not None) == (False, "1", True)
    assert (model.alias("champion"), model.alias("candidate"), records.exists()) == (None, None, False)


def unsigned(model: SignedModel) -> str:
    return model.add(signed=False)


def changed(model: SignedModel) -> str:
    (model.files("1") / "weights.bin").write_bytes(b"longer or shorter")
    return "1"


def added(model: SignedModel) -> str:
    (model.files("1") / "more.bin").touch()
    return "1"


def foreign(model: SignedModel) -> str:
    return model.add(signer=LocalSigner())


def removed(model: SignedModel) -> str:
    shutil.rmtree(model.files("1"))
    return "1"


@pytest.mark.parametrize("spoil", [unsigned, changed, added, removed, foreign])
def test_a_version_that_does_not_verify_is_refused_before_anything_is_written(
    ledger: Ledger, model: SignedModel, accepts: Verdict, records: Path, spoil: Callable[[SignedModel], str]
) -> None:
    number = spoil(model)
    for decide in (
        lambda: promote(ledger, Promotion(version=number), accepts),
        lambda: rollback(ledger, to_version=number),
        lambda: nominate(ledger, number),
    ):
        with pytest.raises(NotVerifiedError, match="is NOT verified"):
            decide()
    assert (model.alias("champion"), model.alias("candidate"), records.exists()) == (None, None, False)
    assert accepts.compared == []


def test_a_rollback_to_a_revoked_version_is_refused(ledger: Ledger, model: SignedModel, accepts: Verdict) -> None:
    promote(ledger, Promotion(version="1"), accepts)
    model.signer.rotate()
    both = [model.signer.public_key(1), model.signer.public_key(2)]
    number = model.add()
    promote(dataclasses.replace(ledger, trusted=both), Promotion(version=number), accepts)
    with pytest.raises(NotVerifiedError, match="a key that isn't trusted"):
        rollback(dataclasses.replace(ledger, trusted=both[1:]))
    assert model.alias("champion") == number


def test_a_refusal_by_the_gate_is_recorded_and_the_champion_stays(
    ledger: Ledger, model: SignedModel, accepts: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(ledger, Promotion(version="1"), accepts)
    refuse_alias(monkeypatch, "2")
    with pytest.raises(NotVerifiedError, match=r"MLflow refuses .* version 2, and nothing moved: .*is not signed"):
        promote(ledger, Promotion(version="2"), accepts)
    assert (model.alias("champion"), model.alias("previous")) == ("1", None)
    found = history(ledger)
    assert found.verified
    assert [record.decision.action for record in found.records] == ["promote", "promote", "correct"]
    assert [reign.version for reign in found.reigns()] == ["1"]


def test_a_first_decision_that_the_gate_refuses_is_taken_back(
    ledger: Ledger, model: SignedModel, accepts: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_alias(monkeypatch, "1")
    with pytest.raises(NotVerifiedError):
        promote(ledger, Promotion(version="1"), accepts)
    assert history(ledger).verified
    promote(ledger, Promotion(version="2"), accepts)
    assert (model.alias("champion"), model.alias("previous")) == ("2", None)
    assert history(ledger).verified


@pytest.mark.parametrize("refused_twice", [True, False])
def test_a_decision_that_another_process_corrected_is_a_failure(
    ledger: Ledger, model: SignedModel, accepts: Verdict, monkeypatch: pytest.MonkeyPatch, refused_twice: bool
) -> None:
    promote(ledger, Promotion(version="1"), accepts)
    original = MlflowClient.set_registered_model_alias
    calls: list[str] = []

    def gate(client: MlflowClient, name: str, alias: str, version: str) -> None:
        if version == "2":
            calls.append(version)
            if len(calls) == 1:
                with pytest.raises(NotVerifiedError):
                    repair(ledger)
            if len(calls) == 2 or refused_twice:
                raise MlflowException("version 2 is not signed", PERMISSION_DENIED)
        original(client, name, alias, version)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", gate)
    with pytest.raises(NotVerifiedError, match=r"MLflow refuses .* version 2, and nothing moved: .*is not signed"):
        promote(ledger, Promotion(version="2"), accepts)
    assert model.alias("champion") == "1"
    found = history(ledger)
    assert found.verified
    assert [record.decision.action for record in found.records] == ["promote", "promote", "correct"]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    ("last_call", "finish"),
    [
        ("set_registered_model_alias", "repair"),
        ("transition_model_version_stage", "promote"),
        ("set_model_version_tag", "rollback"),
        ("set_registered_model_tag", "nominate"),
    ],
)
def test_a_killed_decision_is_completed_by_the_next_command(
    ledger: Ledger, model: SignedModel, accepts: Verdict, last_call: str, finish: str
) -> None:
    promote(ledger, Promotion(version="1"), accepts)

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MlflowClient, last_call, kill)
        with pytest.raises(Killed):
            promote(ledger, Promotion(version="2", stage="Staging"), accepts)
    found = history(ledger)
    assert found.unapplied == 2
    assert found.problems == ["record 2 is not applied: the next decision completes it, or `history --repair`"]
    if finish == "repair":
        repair(ledger)
    elif finish == "promote":
        assert not promote(ledger, Promotion(version="2"), accepts).moved
    elif finish == "rollback":
        assert rollback(ledger).from_version == "2"
    else:
        nominate(ledger, "1")
    assert history(ledger).verified
    assert model.alias("champion") == ("1" if finish == "rollback" else "2")
    assert stage_of(model, "1" if finish == "rollback" else "2") == "Staging"


def test_nothing_moves_while_vault_is_dead(
    ledger: Ledger, model: SignedModel, accepts: Verdict, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(*_: Any) -> Any:
        raise WorkloadError("Vault does not answer", Exit.VAULT)

    for call in ("key_ring", "sign"):
        with monkeypatch.context() as patch:
            patch.setattr(LocalSigner, call, dead)
            with pytest.raises(WorkloadError) as failure:
                promote(ledger, Promotion(version="1"), accepts)
            assert failure.value.code is Exit.VAULT
    assert (model.alias("champion"), records.exists()) == (None, False)


def test_a_key_that_is_not_trusted_signs_no_record(ledger: Ledger, model: SignedModel, accepts: Verdict) -> None:
    model.signer.rotate()
    with pytest.raises(WorkloadError, match="is not among the trusted keys") as failure:
        promote(ledger, Promotion(version="1"), accepts)
    assert failure.value.code is Exit.NOT_VERIFIED


def test_a_candidate_is_needed(ledger: Ledger, accepts: Verdict) -> None:
    with pytest.raises(WorkloadError, match="has no version with the alias candidate"):
        promote(ledger, Promotion(), accepts)
