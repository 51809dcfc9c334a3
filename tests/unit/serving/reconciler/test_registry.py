"""What MLflow is asked, and how its answers depend on one another."""

import threading

import pytest

from tests.support.registered import SignedModel
from workloads.serving.reconciler.registry import Question, Registry
from workloads.serving.rollout.situation import Verdict


def test_a_model_that_is_looked_up_slowly_holds_up_no_other(
    model: SignedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(model.tracking, lambda: [model.signer.public_key()])
    together = threading.Barrier(2)

    def slow(*_: object) -> Verdict:
        together.wait(timeout=5)
        return Verdict(finding="unknown")

    monkeypatch.setattr(registry, "_verdict", slow)
    question = Question(alias=None, version="1")
    found = registry.look({"a": question, "b": question})
    assert {name: answer.wanted.finding for name, answer in found.answers.items()} == {"a": "unknown", "b": "unknown"}


@pytest.mark.parametrize("kind", ["dbfs", "s3", "unknown"])
def test_files_that_no_delivery_can_read_are_refused(
    model: SignedModel, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(model.tracking, lambda: [model.signer.public_key()])
    monkeypatch.setattr(model.tracking.client, "get_model_version_download_uri", lambda *_: f"{kind}:/models/1")
    verdict = registry.look({model.name: Question(alias="champion", version=None)}).answers[model.name].wanted
    assert verdict.finding == "refused"
    assert verdict.reason.endswith(f"has its files at {kind}:, where no delivery can read them")
