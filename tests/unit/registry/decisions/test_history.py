import base64
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aegis.errors import NotVerifiedError
from aegis.strict import to_json
from tests.support.local_signer import LocalSigner
from tests.support.registered import SignedModel
from tests.support.tracking_store import database
from tests.support.verdict import Verdict
from workloads.mlflow_client import Tracking
from workloads.registry.decisions import record
from workloads.registry.decisions.history import History, history
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.moves import Promotion, promote, rollback
from workloads.release.folder import Folder
from workloads.signing import dsse


def decide_four_times(ledger: Ledger) -> Ledger:
    """Write four records: version 1, 2, back to 1, and 2 again."""
    promote(ledger, Promotion(version="1"), Verdict())
    promote(ledger, Promotion(version="2"), Verdict())
    rollback(ledger)
    rollback(ledger)
    return ledger


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[SignedModel, Ledger]:
    """A model with two versions and four records, which is made once because that takes a second."""
    folder = tmp_path_factory.mktemp("shared")
    model = SignedModel(tracking=Tracking(database()), signer=LocalSigner(), folder=folder / "models")
    model.add()
    model.add()
    ledger = Ledger(
        model=model.name,
        tracking=model.tracking,
        store=Folder(root=folder / "releases"),
        signer=model.signer,
        trusted=[model.signer.public_key()],
        by="ada",
    )
    return model, decide_four_times(ledger)


@pytest.fixture
def decided(shared: tuple[SignedModel, Ledger], tmp_path: Path) -> Ledger:
    """The shared model with a copy of its records; a test must not change it in MLflow."""
    _, ledger = shared
    shutil.copytree(Path(ledger.store.uri("", "").removeprefix("file://")), tmp_path / "copy")
    return dataclasses.replace(ledger, store=Folder(root=tmp_path / "copy"))


@pytest.fixture
def model(shared: tuple[SignedModel, Ledger]) -> SignedModel:
    return shared[0]


@pytest.fixture
def records(decided: Ledger, tmp_path: Path) -> Path:
    """The folder of the records."""
    return tmp_path / "copy" / decided.chain.folder


@pytest.fixture
def own(tracking: Tracking, tmp_path: Path) -> SignedModel:
    """A model that the test may change in MLflow."""
    model = SignedModel(tracking=tracking, signer=LocalSigner(), folder=tmp_path / "models")
    model.add()
    model.add()
    return model


@pytest.fixture
def own_ledger(own: SignedModel, tmp_path: Path) -> Ledger:
    return Ledger(
        model=own.name,
        tracking=own.tracking,
        store=Folder(root=tmp_path / "releases"),
        signer=own.signer,
        trusted=[own.signer.public_key()],
        by="ada",
    )


def look(ledger: Ledger) -> History:
    return history(ledger.tracking, ledger.store, ledger.model, ledger.trusted)


def name(number: int) -> str:
    return f"{number:08d}.json"


def altered(records: Path, number: int) -> None:
    """Change the reason in a record, and keep its signature."""
    envelope = json.loads((records / name(number)).read_bytes())
    payload = base64.b64decode(envelope["payload"]).replace(b'"by": "ada"', b'"by": "eve"')
    envelope["payload"] = base64.b64encode(payload).decode()
    (records / name(number)).write_bytes(json.dumps(envelope).encode())


def signed_again(ledger: Ledger, records: Path, number: int, signer: LocalSigner, **changes: Any) -> None:
    """Replace a record with one that `signer` signed."""
    original = ledger.chain.read(number)
    assert original is not None
    decision = dataclasses.replace(original.decision, **changes)
    (records / name(number)).write_bytes(record.seal(decision, signer, signer.key_ring()))


def test_an_intact_chain_verifies(decided: Ledger) -> None:
    found = look(decided)
    assert found.verified
    assert [entry.number for entry in found.records] == [1, 2, 3, 4]
    fields = json.loads(json.dumps(found.to_json()))
    assert [entry["version"] for entry in fields["champions"]] == ["1", "2", "1", "2"]
    assert fields["champions"][0]["until"] == fields["champions"][1]["since"]


def test_a_model_without_decisions_has_an_empty_history(own_ledger: Ledger) -> None:
    found = look(own_ledger)
    assert (found.verified, list(found.records)) == (True, [])


@pytest.mark.parametrize("number", [1, 2, 4])
def test_an_altered_record_is_told(decided: Ledger, records: Path, number: int) -> None:
    altered(records, number)
    assert look(decided).problems[0].startswith(f"record {number} was changed, or signed with a key that isn't trusted")


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_record_of_a_foreign_key_is_told(decided: Ledger, records: Path, number: int) -> None:
    signed_again(decided, records, number, LocalSigner(), reason="forged")
    assert look(decided).problems[0].startswith(f"record {number} was changed, or signed with a key that isn't trusted")


def test_a_record_that_was_replaced_by_another_good_one_is_told(
    decided: Ledger, model: SignedModel, records: Path
) -> None:
    signed_again(decided, records, 2, model.signer, reason="another")
    assert "record 3 doesn't follow the record before it: one of them was replaced" in look(decided).problems


def test_a_last_record_that_was_replaced_by_another_good_one_is_told(
    decided: Ledger, model: SignedModel, records: Path
) -> None:
    signed_again(decided, records, 4, model.signer, reason="another")
    assert look(decided).problems == [
        "the model's tag names another record 4 than the stored one: one of them was replaced",
        "the tag of version 2 names another record 4 than the stored one: one of them was replaced",
    ]


@pytest.mark.parametrize(
    ("removed", "told"),
    [([1], "record 1 is missing"), ([2], "record 2 is missing"), ([2, 3], "records 2 to 3 are missing")],
)
def test_a_gap_is_told(decided: Ledger, records: Path, removed: list[int], told: str) -> None:
    for number in removed:
        (records / name(number)).unlink()
    assert look(decided).problems == [told]


@pytest.mark.parametrize("kept", [3, 1, 0])
def test_a_removed_end_is_told(decided: Ledger, records: Path, kept: int) -> None:
    for number in range(kept + 1, 5):
        (records / name(number)).unlink()
    missing = "record 4 is" if kept == 3 else f"records {kept + 1} to 4 are"
    assert f"{missing} missing at the end: tags in MLflow name record 4" in look(decided).problems


def test_a_removed_end_is_told_by_the_tags_of_the_versions_too(own_ledger: Ledger, own: SignedModel) -> None:
    rollback(own_ledger, to_version="1")
    first = own_ledger.chain.read(1)
    assert first is not None
    rollback(own_ledger, to_version="2")
    Path(own_ledger.chain.uri(2).removeprefix("file://")).unlink()
    own.tracking.client.set_registered_model_tag(own.name, "aegis.decisions.head", f"1 {first.sha256}")
    assert "record 2 is missing at the end: tags in MLflow name record 2" in look(own_ledger).problems


def test_a_copied_record_is_told(decided: Ledger, records: Path) -> None:
    shutil.copy(records / name(4), records / name(5))
    assert "record 5 was signed as record 4: it was moved or copied" in look(decided).problems


def test_swapped_records_are_told(decided: Ledger, records: Path) -> None:
    second, third = ((records / name(number)).read_bytes() for number in (2, 3))
    (records / name(2)).write_bytes(third)
    (records / name(3)).write_bytes(second)
    assert look(decided).problems == [
        "record 2 was signed as record 3: it was moved or copied",
        "record 3 was signed as record 2: it was moved or copied",
    ]


def test_a_record_of_another_model_is_told(decided: Ledger, model: SignedModel, records: Path) -> None:
    signed_again(decided, records, 4, model.signer, model="other")
    assert f"record 4 belongs to the model 'other', not to '{model.name}'" in look(decided).problems


def test_aliases_that_do_not_follow_are_told(decided: Ledger, model: SignedModel, records: Path) -> None:
    last = decided.chain.read(4)
    assert last is not None
    signed_again(decided, records, 4, model.signer, state=last.decision.state.moved("candidate", None, "1"))
    assert "the aliases of record 4 don't follow from those of the record before it" in look(decided).problems


def test_a_file_that_is_no_record_is_told(decided: Ledger, records: Path) -> None:
    (records / "00000005.txt").touch()
    (records / "5.json").touch()
    assert look(decided).problems == [
        f"{(records / other).as_uri()} is not a record" for other in ("00000005.txt", "5.json")
    ]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"payload": "e30=", "signatures": [{"sig": "!"}]}', b"\xff" * 10, bytes(2 << 20)],
)
def test_a_file_that_is_not_an_envelope_is_told(decided: Ledger, records: Path, content: bytes) -> None:
    (records / name(2)).write_bytes(content)
    [problem] = look(decided).problems
    assert "record 2" in problem


@pytest.mark.parametrize(
    "change",
    [
        lambda statement: statement["predicate"].pop("alias"),
        lambda statement: statement["predicate"].update(more=1),
        lambda statement: statement["predicate"].update(action="bless"),
        lambda statement: statement["subject"].append(statement["subject"][0]),
        lambda statement: statement["subject"][0]["digest"].update(sha256="short"),
        lambda statement: statement.update(predicateType="other"),
    ],
)
def test_a_signed_statement_that_is_not_a_decision_is_told(
    decided: Ledger, model: SignedModel, records: Path, change: Callable[[Any], object]
) -> None:
    envelope = json.loads((records / name(2)).read_bytes())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    change(statement)
    payload = json.dumps(statement, indent=2, sort_keys=True).encode() + b"\n"
    [signature] = model.signer.sign([dsse.digest_to_sign(payload)], 1)
    content = to_json(dsse.envelope(payload, signature, model.signer.public_key().fingerprint))
    (records / name(2)).write_bytes(content)
    [problem] = look(decided).problems
    assert problem.startswith("record 2 is not a decision")


def test_an_alias_that_was_moved_outside_is_told_and_set_back_by_the_next_decision(
    own_ledger: Ledger, own: SignedModel, accepts: Verdict, caplog: pytest.LogCaptureFixture
) -> None:
    decided = decide_four_times(own_ledger)
    own.move("champion", "1")
    told = "the alias champion was moved outside of the decisions: it is at version 1, record 4 says version 2"
    assert look(decided).problems == [told]
    assert not promote(decided, Promotion(version="2"), accepts).moved
    assert "is at version 1, and the last decision says 2: it was moved outside of the decisions" in caplog.text
    assert own.alias("champion") == "2"
    assert look(decided).verified


def test_an_alias_without_any_decision_is_told(own_ledger: Ledger, own: SignedModel) -> None:
    own.move("champion", "1")
    assert look(own_ledger).problems == [
        "the alias champion was moved outside of the decisions: it is at version 1, no decision says so: no version"
    ]


def test_a_changed_tag_is_told(own_ledger: Ledger, own: SignedModel) -> None:
    rollback(own_ledger, to_version="1")
    own.tracking.client.set_registered_model_tag(own.name, "aegis.decisions.head", "soon")
    assert look(own_ledger).problems == [
        "the model's tag was changed: 'soon' names no record",
        "record 1 is not applied: the next decision completes it, or `history --repair`",
    ]


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        (
            "99999999 deadbeef",
            r"99999999\.json is missing, and the tag aegis\.decisions\.head of the model .* names it",
        ),
        ("1 deadbeef", r"record 1 of .* is not the one that the model's tag aegis\.decisions\.head names"),
    ],
)
def test_a_tag_that_blocks_decisions_is_told_with_the_remedy(
    own_ledger: Ledger, own: SignedModel, mark: str, told: str
) -> None:
    rollback(own_ledger, to_version="1")
    own.tracking.client.set_registered_model_tag(own.name, "aegis.decisions.head", mark)
    with pytest.raises(NotVerifiedError, match=told) as failure:
        rollback(own_ledger, to_version="2")
    assert f"Look at `python -m workloads.registry history {own.name}`" in str(failure.value)
    assert "If only the tag was changed, delete it with MLflow's client" in str(failure.value)
    own.tracking.client.delete_registered_model_tag(own.name, "aegis.decisions.head")
    assert rollback(own_ledger, to_version="2").moved
    assert look(own_ledger).verified


@pytest.mark.parametrize("spoil", ["altered", "end", "foreign"])
def test_no_decision_follows_a_spoiled_end(
    decided: Ledger, model: SignedModel, accepts: Verdict, records: Path, spoil: str
) -> None:
    if spoil == "altered":
        altered(records, 4)
    elif spoil == "end":
        (records / name(4)).unlink()
    else:
        signed_again(decided, records, 4, LocalSigner())
    before = sorted(path.name for path in records.iterdir())
    for decide in (
        lambda: promote(decided, Promotion(version="1"), accepts),
        lambda: rollback(decided),
    ):
        with pytest.raises(NotVerifiedError):
            decide()
    assert model.alias("champion") == "2"
    assert sorted(path.name for path in records.iterdir()) == before


def test_records_of_earlier_key_versions_stay_good(own_ledger: Ledger, own: SignedModel) -> None:
    rollback(own_ledger, to_version="1")
    own.signer.rotate()
    both = dataclasses.replace(own_ledger, trusted=[own.signer.public_key(1), own.signer.public_key(2)])
    rollback(both, to_version="2")
    assert look(both).verified
    assert not look(own_ledger).verified


def test_a_record_names_the_digest_of_the_signed_files(decided: Ledger, model: SignedModel) -> None:
    listing = "".join(
        f"{hashlib.sha256((model.files('2') / file).read_bytes()).hexdigest()}  {file}\n"
        for file in ("MLmodel", "weights.bin")
    )
    last = look(decided).records[-1]
    assert last.decision.subject.content_sha256 == hashlib.sha256(listing.encode()).hexdigest()
