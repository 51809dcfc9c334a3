import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.serving.rollout import names

DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")


def test_a_name_that_is_a_label_stays_as_it_is() -> None:
    assert names.label("digits-2") == "digits-2"


@pytest.mark.parametrize(
    "model",
    [
        "Digits",
        "digits_2",
        "2digits",
        "größe",
        "-",
        "a" * 200,
        "serving-reconciler",
        "digits-v1",
        "digits-v1-predictor",
    ],
)
def test_any_other_name_gets_a_hash(model: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]+-[0-9a-f]{16}", names.label(model))


def test_a_name_that_looks_like_anothers_label_gets_a_hash_too() -> None:
    taken = names.label("Digits")
    assert names.label(taken) not in (taken, names.label("Digits"))


def test_names_that_were_made_to_share_a_short_hash_have_different_labels() -> None:
    assert names.label("Atk_V") != names.label("atk!>=-]&v")


@given(st.text(min_size=1, max_size=256))
def test_every_name_of_an_object_fits(model: str) -> None:
    label = names.label(model)
    assert DNS_LABEL.fullmatch(label)
    assert len(f"{names.delivery(model, '123456789')}-abcde") <= 63


@given(st.lists(st.text(alphabet="aA-_.1", min_size=1, max_size=8), min_size=2, max_size=2, unique=True))
def test_two_models_never_share_a_label(models: list[str]) -> None:
    assert names.label(models[0]) != names.label(models[1])
