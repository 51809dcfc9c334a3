from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.plugins.diffs import compare, without
from local.plugins.naming import unique
from local.plugins.paths import covers, parse, render, touches
from local.plugins.provider import Change
from local.plugins.values import UNKNOWN

steps = st.text(alphabet="abc./-", min_size=1, max_size=6) | st.integers(0, 20)


@given(st.lists(steps, min_size=1, max_size=5))
def test_a_rendered_path_parses_back(path: Any) -> None:
    # The first step of a property path is always a name.
    path = ["root", *path]
    assert parse(render(path)) == tuple(path)


def test_paths_are_rendered_in_the_engines_form() -> None:
    path = ("metadata", "annotations", "pulumi.com/skipAwait")
    assert render(path) == 'metadata.annotations["pulumi.com/skipAwait"]'
    assert render(("spec", "containers", 0, "env")) == "spec.containers[0].env"


def test_an_invalid_path_is_refused_with_the_position() -> None:
    with pytest.raises(ValueError, match=r"spec\[x"):
        parse("spec[x")


def test_a_star_matches_any_one_step() -> None:
    pattern = parse("spec.containers[*].image")
    assert covers(pattern, ("spec", "containers", 3, "image"))
    assert not covers(pattern, ("spec", "containers", 3, "name"))
    assert touches(pattern, ("spec",))


def test_only_the_innermost_differing_paths_are_reported() -> None:
    old = {"spec": {"replicas": 1, "paused": True, "names": ["a", "b"]}}
    new = {"spec": {"replicas": 2, "names": ["a", "c", "d"], "extra": {"x": 1}}}
    assert compare(old, new) == {
        ("spec", "replicas"): Change.UPDATE,
        ("spec", "paused"): Change.DELETE,
        ("spec", "names", 1): Change.UPDATE,
        ("spec", "names", 2): Change.ADD,
        ("spec", "extra"): Change.ADD,
    }


def test_none_equals_absent_and_true_doesnt_equal_one() -> None:
    assert compare({"a": None}, {}) == {}
    assert compare({"a": 1}, {"a": True}) == {("a",): Change.UPDATE}


def test_an_unknown_value_counts_as_a_change() -> None:
    assert compare({"a": "x"}, {"a": UNKNOWN}) == {("a",): Change.UPDATE}


def test_ignored_paths_and_everything_below_them_are_left_out() -> None:
    changes = compare({"spec": {"replicas": 1, "x": {"y": 1}}}, {"spec": {"replicas": 2, "x": {"y": 2}}})
    assert without(changes, [parse("spec.replicas"), parse("spec.x")]) == {}
    assert set(without(changes, [parse("spec.replicas")])) == {("spec", "x", "y")}


def test_a_generated_name_depends_only_on_the_seed() -> None:
    assert unique("web-", b"seed") == unique("web-", b"seed")
    assert unique("web-", b"seed") != unique("web-", b"other")
    assert len(unique("web-", b"")) == len("web-") + 8
