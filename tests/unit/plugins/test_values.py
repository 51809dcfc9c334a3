import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.plugins.values import (
    UNKNOWN,
    Bag,
    Secret,
    decode,
    encode,
    has_secret,
    has_unknown,
    mark_like,
    reveal,
)

leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8) | st.just(UNKNOWN)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | inner.filter(lambda tree: not isinstance(tree, Secret)).map(Secret)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), trees, max_size=4))
def test_encoded_properties_decode_to_the_same_values(bag: Bag) -> None:
    assert decode(encode(bag)) == bag


def test_a_whole_number_stays_an_integer_and_a_fraction_doesnt() -> None:
    assert decode(encode({"replicas": 2, "share": 0.5})) == {"replicas": 2, "share": 0.5}
    assert isinstance(decode(encode({"replicas": 2}))["replicas"], int)


@pytest.mark.parametrize("sentinel", ["04da6b54-80e4-46f7-96ec-b56ff0331ba9", "dd056dcd-154b-4c76-9bd3-c8f88648b5ff"])
def test_the_engines_markers_for_unknown_decode_to_unknown(sentinel: str) -> None:
    assert decode(encode({"name": sentinel}))["name"] is UNKNOWN


def test_an_output_without_a_value_is_unknown_and_a_secret_one_is_secret() -> None:
    signature = "4dabf18193072939515e22adb298388d"
    output = {signature: "d0e6a833031e9bbcd3f4e8bde6ca49a4"}
    assert decode(encode({"a": output}))["a"] is UNKNOWN
    assert decode(encode({"a": output | {"value": 1, "secret": True}}))["a"] == Secret(1)


def test_secrets_and_unknowns_are_found_at_any_depth() -> None:
    assert has_secret({"a": [{"b": Secret("x")}]})
    assert has_unknown({"a": Secret([UNKNOWN])})
    assert not has_secret({"a": ["x"]})
    assert not has_unknown({"a": ["x"]})


def test_reveal_removes_every_secret_mark() -> None:
    assert reveal({"a": Secret([Secret("x"), {"b": Secret(1)}])}) == {"a": ["x", {"b": 1}]}


def test_the_representation_of_a_secret_hides_its_value() -> None:
    assert "hunter2" not in repr({"password": Secret("hunter2")})


def test_outputs_are_marked_like_the_inputs_and_lists_with_secrets_as_a_whole() -> None:
    model = {"data": {"password": Secret("x")}, "env": [{"value": Secret("y")}], "plain": "z"}
    live = {"data": {"password": "x", "user": "u"}, "env": [{"value": "y"}], "plain": "z", "added": 1}
    assert mark_like(live, model) == {
        "data": {"password": Secret("x"), "user": "u"},
        "env": Secret([{"value": "y"}]),
        "plain": "z",
        "added": 1,
    }


def test_a_value_of_an_unsupported_type_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        encode({"raw": b"x"})
