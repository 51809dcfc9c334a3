"""A version that was replaced under its number, with good evidence of another content, is not the one decided about."""

from collections.abc import Callable

import pytest

from aegis.errors import NotVerifiedError
from tests.support.registered import SignedModel
from tests.support.verdict import Verdict
from workloads.registry.decisions import history as histories
from workloads.registry.decisions.automatic import auto_promote
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.moves import Promotion, nominate, promote, rollback


def problems(ledger: Ledger) -> list[str]:
    return list(histories.history(ledger.tracking, ledger.store, ledger.model, ledger.trusted).problems)


def swap(model: SignedModel) -> None:
    """Make the model again with versions 1 and 2 swapped, and everything else the same."""
    client = model.tracking.client
    registered = client.get_registered_model(model.name)
    first, second = (client.get_model_version(model.name, number) for number in ("1", "2"))
    client.delete_registered_model(model.name)
    client.create_registered_model(model.name, tags=registered.tags)
    for content, place in ((second, first), (first, second)):
        evidence = {key: value for key, value in content.tags.items() if not key.startswith("aegis.decision")}
        decisions = {key: value for key, value in place.tags.items() if key.startswith("aegis.decision")}
        assert content.source is not None
        client.create_model_version(model.name, content.source, content.run_id, tags=evidence | decisions)
    for alias, number in registered.aliases.items():
        client.set_registered_model_alias(model.name, alias, number)


@pytest.fixture
def swapped(ledger: Ledger, model: SignedModel, accepts: Verdict) -> Ledger:
    """Version 2 is the champion and the candidate, version 1 `previous`, and each has the other's content."""
    promote(ledger, Promotion(version="1"), accepts)
    nominate(ledger, "2")
    promote(ledger, Promotion(), accepts)
    assert problems(ledger) == []
    swap(model)
    return ledger


def test_versions_that_were_replaced_are_told(swapped: Ledger) -> None:
    first, second = (swapped.chain.read(number) for number in (1, 3))
    assert first is not None
    assert second is not None
    contents = [record.decision.subject.content_sha256 for record in (first, second)]
    assert sorted(problems(swapped)) == [
        f"version 1 was replaced: its signed files have the SHA-256 {contents[1]}, record 1 chose {contents[0]}",
        f"version 2 was replaced: its signed files have the SHA-256 {contents[0]}, record 3 chose {contents[1]}",
    ]


@pytest.mark.parametrize(
    ("decide", "replaced"),
    [
        (lambda ledger: promote(ledger, Promotion(), Verdict()), "2"),
        (lambda ledger: promote(ledger, Promotion(version="1"), None), "1"),
        (lambda ledger: promote(ledger, Promotion(version="3"), Verdict()), "2"),
        (lambda ledger: promote(ledger, Promotion(version="3"), None, dry_run=True), "2"),
        (lambda ledger: auto_promote(ledger, Verdict()), "2"),
        (rollback, "1"),
        (lambda ledger: rollback(ledger, to_version="2"), "2"),
        (lambda ledger: rollback(ledger, dry_run=True), "1"),
    ],
)
def test_no_decision_acts_on_a_version_that_was_replaced(
    swapped: Ledger, model: SignedModel, decide: Callable[[Ledger], object], replaced: str
) -> None:
    model.add()
    told = f"version {replaced} was replaced: .* `python -m workloads.registry nominate {model.name} {replaced}`"
    with pytest.raises(NotVerifiedError, match=told):
        decide(swapped)
    assert (model.alias("champion"), swapped.chain.numbers()) == ("2", [1, 2, 3])


def test_a_nomination_decides_about_the_new_content(swapped: Ledger, model: SignedModel, accepts: Verdict) -> None:
    # Version 2 is the candidate already, with another content.
    assert nominate(swapped, "2").record == 4
    assert not nominate(swapped, "2").moved
    third = model.add()
    assert promote(swapped, Promotion(version=third), accepts).record == 5
    assert problems(swapped) == []
    with pytest.raises(NotVerifiedError, match="version 1 was replaced"):
        rollback(swapped, to_version="1")
    assert rollback(swapped).to_version == "2"


def test_a_rollback_reads_all_bytes_even_of_the_present_champion(
    ledger: Ledger, model: SignedModel, accepts: Verdict
) -> None:
    promote(ledger, Promotion(version="1"), accepts)
    promote(ledger, Promotion(version="2"), accepts)
    for number in ("1", "2"):
        weights = model.files(number) / "weights.bin"
        weights.write_bytes(b"x" * weights.stat().st_size)
        with pytest.raises(NotVerifiedError, match=rf"version {number} is NOT verified: its file weights\.bin was ch"):
            rollback(ledger, to_version=number)
    assert model.alias("champion") == "2"


def test_evidence_that_was_removed_is_told(ledger: Ledger, model: SignedModel, accepts: Verdict) -> None:
    promote(ledger, Promotion(version="1"), accepts)
    model.tracking.client.set_model_version_tag(model.name, "1", "aegis.manifest.signature", "AAAA")
    [problem] = problems(ledger)
    assert problem.startswith("version 1 is NOT verified: its manifest was changed, or signed with a key that isn't")
    model.tracking.client.delete_model_version_tag(model.name, "1", "aegis.manifest.signature")
    assert problems(ledger) == ["version 1 is NOT verified: it is not signed"]


@pytest.mark.parametrize(
    "alias", ["production", "Production", "CHAMPION", "Champion", "Candidate", "PREVIOUS", "Shadow"]
)
def test_guarded_aliases_in_any_case_that_no_decision_moved_are_told(
    ledger: Ledger, model: SignedModel, alias: str
) -> None:
    rollback(ledger, to_version="1", alias="shadow")
    model.move("unguarded", "2")
    assert problems(ledger) == []
    model.move(alias, "1")
    assert problems(ledger) == [
        f"the alias {alias} was moved outside of the decisions: it is at version 1, record 1 says no version"
    ]


@pytest.mark.parametrize("stage", ["Staging", "Production"])
def test_stages_that_no_decision_names_are_told(
    ledger: Ledger, model: SignedModel, accepts: Verdict, stage: str
) -> None:
    move = model.tracking.client.transition_model_version_stage
    told = f"version 2 was moved outside of the decisions: its stage is {stage}, "
    move(model.name, "2", stage)
    assert problems(ledger) == [told + "no decision says so: no stage"]
    promote(ledger, Promotion(version="1", stage="Production"), accepts)
    move(model.name, "2", "Archived")
    assert problems(ledger) == []
    move(model.name, "2", stage)
    assert problems(ledger) == [told + "record 1 says no stage"]
