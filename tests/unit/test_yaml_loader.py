"""YAML files that people write: no key is taken twice."""

import pytest
import yaml

from workloads.yaml_loader import UniqueKeyLoader


def load(text: str) -> object:
    return yaml.load(text, UniqueKeyLoader)  # noqa: S506 - a SafeLoader


@pytest.mark.parametrize("text", ["a: 1\na: 2", "b:\n  - {a: 1, a: 2}", "yes: 1\ntrue: 2", "1: a\n0x1: b"])
def test_a_key_that_occurs_twice_is_refused(text: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError, match="occurs twice"):
        load(text)


def test_mappings_may_share_keys() -> None:
    assert load("a: {a: 1}\nb: {a: 2}\n1: x\n'1': y") == {"a": {"a": 1}, "b": {"a": 2}, 1: "x", "1": "y"}


def test_a_merged_key_may_be_replaced() -> None:
    text = "base: &base {a: 1, b: 1}\ndeep: {one: &one {<<: *base, a: 2}}\ntwo: {<<: *one, b: 3}\n"
    assert load(text) == {
        "base": {"a": 1, "b": 1},
        "deep": {"one": {"a": 2, "b": 1}},
        "two": {"a": 2, "b": 3},
    }


@pytest.mark.parametrize("text", ["? [1]\n: 2", "? {a: 1}\n: 2", "!other a: 1"])
def test_a_key_that_is_no_plain_value_is_yaml_s_own_error(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load(text)
