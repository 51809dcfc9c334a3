"""Automatic promotions: what they leave alone, and that they don't undo what people decided."""

from dataclasses import replace

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from aegis.errors import NotVerifiedError
from tests.support.registered import SignedModel
from tests.support.verdict import Verdict
from workloads.registry.decisions.automatic import auto_promote
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.moves import Promotion, nominate, promote, rollback


def test_the_candidate_is_judged_against_the_champion(ledger: Ledger, model: SignedModel, accepts: Verdict) -> None:
    nominate(ledger, "1")
    assert auto_promote(ledger, accepts, reason="nightly").record == 2
    nominate(ledger, "2")
    outcome = auto_promote(ledger, accepts)
    assert (outcome.moved, outcome.from_version, outcome.to_version, outcome.reason) == (True, "1", "2", None)
    assert (model.alias("champion"), model.alias("previous")) == ("2", "1")
    assert accepts.compared == [("1", None, ()), ("2", "1", ())]


def test_a_refused_candidate_is_judged_again_at_the_next_run(ledger: Ledger, model: SignedModel) -> None:
    nominate(ledger, "1")
    refused = auto_promote(ledger, Verdict(accepts=False))
    assert (refused.moved, refused.report and refused.report.passed) == (False, False)
    assert auto_promote(ledger, Verdict()).moved
    assert model.alias("champion") == "1"


def test_a_rolled_back_candidate_is_not_promoted_again(ledger: Ledger, model: SignedModel, accepts: Verdict) -> None:
    promote(ledger, Promotion(version="1"), accepts)
    nominate(ledger, "2")
    assert auto_promote(ledger, accepts).moved
    rollback(ledger, reason="slow")
    judged = len(accepts.compared)
    outcome = auto_promote(ledger, accepts)
    assert not outcome.moved
    assert "version 2" in (outcome.reason or "")
    assert "was replaced by record 4, rollback of version 1 by ada: only `promote --version 2`" in (
        outcome.reason or ""
    )
    assert (model.alias("champion"), len(accepts.compared)) == ("1", judged)
    # A person can, and another candidate is new.
    assert promote(ledger, Promotion(version="2"), accepts).moved
    third = model.add()
    nominate(ledger, third)
    assert auto_promote(ledger, accepts).to_version == third


def test_a_candidate_that_a_person_replaced_stays_replaced_until_it_is_nominated_again(
    ledger: Ledger, model: SignedModel, accepts: Verdict
) -> None:
    nominate(ledger, "2")
    auto_promote(ledger, accepts)
    promote(ledger, Promotion(version="1"), accepts)
    assert not auto_promote(ledger, accepts).moved
    nominate(ledger, "1")
    nominate(ledger, "2")
    assert auto_promote(ledger, accepts).moved
    assert model.alias("champion") == "2"


def test_a_promotion_that_mlflow_refused_can_be_tried_again(
    ledger: Ledger, model: SignedModel, accepts: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(ledger, Promotion(version="1"), accepts)
    nominate(ledger, "2")
    original = MlflowClient.set_registered_model_alias

    def gate(client: MlflowClient, name: str, alias: str, version: str) -> None:
        if version == "2":
            raise MlflowException("the key is not published yet", PERMISSION_DENIED)
        original(client, name, alias, version)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_registered_model_alias", gate)
        with pytest.raises(NotVerifiedError, match="not published yet"):
            auto_promote(ledger, accepts)
    assert auto_promote(ledger, accepts).moved
    assert model.alias("champion") == "2"


def test_another_decision_that_wins_is_no_failure(ledger: Ledger, model: SignedModel) -> None:
    nominate(ledger, "1")
    slow = Verdict(meanwhile=lambda: promote(replace(ledger, by="grace"), Promotion(version="2"), Verdict()))
    outcome = auto_promote(ledger, slow)
    assert (outcome.moved, outcome.record) == (False, None)
    assert (outcome.reason or "").startswith("another decision won: nothing moved: while ")
    assert "by grace" in (outcome.reason or "")
    assert model.alias("champion") == "2"


def test_without_a_policy_the_candidate_must_verify(ledger: Ledger, model: SignedModel) -> None:
    nominate(ledger, "1")
    assert auto_promote(ledger, None).moved
    record = ledger.chain.read(2)
    assert record is not None
    assert record.decision.policy is None
    nominate(ledger, "2")
    (model.files("2") / "weights.bin").unlink()
    with pytest.raises(NotVerifiedError, match="is NOT verified"):
        auto_promote(ledger, None)
    assert model.alias("champion") == "1"
