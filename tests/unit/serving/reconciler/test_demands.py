"""Which models are wanted, also while a demand can't be read."""

from typing import Any

from workloads.serving.reconciler.demands import collect
from workloads.serving.rollout.memory import Memory
from workloads.serving.wanted import Wanted

DIGITS = Wanted(model="digits", alias="champion")
REMEMBERED = {
    "digits": Memory(model="digits", wanted=DIGITS.to_json(), source="stack"),
    "faces": Memory(model="faces", wanted=Wanted(model="faces", version="1").to_json(), source="cli"),
}


def demand(text: str, source: str = "stack") -> dict[str, Any]:
    labels = {"aegis.serving/wanted": "true", "aegis.serving/source": source}
    return {"metadata": {"name": "x", "labels": labels}, "data": {"wanted.json": text}}


def test_a_demand_that_names_no_model_and_cannot_be_read_removes_none_of_its_source() -> None:
    found = collect([demand("{")], {}, REMEMBERED)
    assert {model: each.source for model, each in found.of.items()} == {"digits": "stack"}
    assert "it is not JSON" in found.problems["digits"]


def test_a_demand_that_can_be_read_counts_beside_one_that_cannot() -> None:
    changed = demand(Wanted(model="digits", alias="champion", replicas=5).to_text())
    for demands in ([changed, demand("{")], [demand("{"), changed]):
        found = collect(demands, {}, REMEMBERED)
        assert found.of["digits"].wanted.replicas == 5
        assert found.problems == {}
