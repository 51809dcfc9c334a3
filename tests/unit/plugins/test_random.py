import base64
import string
import uuid

import bcrypt
import pytest

from local.plugins.provider import InvalidInputsError, PluginError
from local.plugins.random.provider import RandomProvider
from local.plugins.values import UNKNOWN, Bag, Secret
from tests.unit.plugins.support import RecordingHost, RequestFor

PASSWORD = "random:index/randomPassword:RandomPassword"
STRING = "random:index/randomString:RandomString"


@pytest.fixture
def provider(host: RecordingHost) -> RandomProvider:
    return RandomProvider(host)


def test_a_password_is_secret_with_a_hash_that_fits(provider: RandomProvider, request_for: RequestFor) -> None:
    state = provider.create(request_for(PASSWORD, inputs={"length": 24}))
    result, hashed = state.outputs["result"], state.outputs["bcryptHash"]
    assert isinstance(result, Secret)
    assert isinstance(hashed, Secret)
    assert len(result.value) == 24
    assert bcrypt.checkpw(result.value.encode(), hashed.value.encode())
    assert result.value not in state.id


def test_a_password_longer_than_bcrypt_takes_still_gets_a_hash(
    provider: RandomProvider, request_for: RequestFor
) -> None:
    state = provider.create(request_for(PASSWORD, inputs={"length": 100}))
    assert len(state.outputs["result"].value) == 100


def test_a_string_keeps_to_its_character_classes_and_their_minimums(
    provider: RandomProvider, request_for: RequestFor
) -> None:
    inputs = {"length": 12, "upper": False, "special": False, "minNumeric": 5}
    result = provider.create(request_for(STRING, inputs=inputs)).outputs["result"]
    assert set(result) <= set(string.ascii_lowercase + string.digits)
    assert sum(character.isdigit() for character in result) >= 5


def test_special_characters_of_the_programs_own_are_the_only_ones(
    provider: RandomProvider, request_for: RequestFor
) -> None:
    inputs = {"length": 40, "overrideSpecial": "_-", "minSpecial": 3}
    result = provider.create(request_for(STRING, inputs=inputs)).outputs["result"]
    assert set(result) <= set(string.ascii_letters + string.digits + "_-")
    assert sum(character in "_-" for character in result) >= 3


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"length": 2, "minLower": 3}, "length is 2"),
        ({"length": 8, "lower": False, "upper": False, "numeric": False, "special": False}, "must be true"),
        ({"length": 0}, "at least 1"),
        ({"length": 8, "minUpper": -1}, "minUpper is -1"),
    ],
)
def test_rules_that_cant_be_kept_are_refused_by_name(
    provider: RandomProvider, request_for: RequestFor, inputs: Bag, told: str
) -> None:
    with pytest.raises(InvalidInputsError, match=told):
        provider.create(request_for(STRING, inputs=inputs))


def test_a_missing_length_is_named(provider: RandomProvider, request_for: RequestFor) -> None:
    with pytest.raises(InvalidInputsError) as caught:
        provider.check(request_for(PASSWORD, inputs={}))
    assert caught.value.failures == {"length": "length is required"}


def test_an_id_is_the_same_bytes_in_each_form(provider: RandomProvider, request_for: RequestFor) -> None:
    state = provider.create(request_for("random:index/randomId:RandomId", inputs={"byteLength": 8, "prefix": "p-"}))
    raw = bytes.fromhex(state.outputs["hex"].removeprefix("p-"))
    assert len(raw) == 8
    assert state.outputs["dec"] == f"p-{int.from_bytes(raw)}"
    assert base64.b64decode(state.outputs["b64Std"].removeprefix("p-")) == raw
    assert state.outputs["b64Url"] == f"p-{state.id}"


def test_bytes_are_secret_in_both_forms_and_not_in_the_id(provider: RandomProvider, request_for: RequestFor) -> None:
    state = provider.create(request_for("random:index/randomBytes:RandomBytes", inputs={"length": 16}))
    assert base64.b64decode(state.outputs["base64"].value).hex() == state.outputs["hex"].value
    assert state.outputs["base64"].value != state.id


def test_a_uuid_is_one_and_an_integer_lies_in_its_range(provider: RandomProvider, request_for: RequestFor) -> None:
    made = provider.create(request_for("random:index/randomUuid:RandomUuid", inputs={}))
    assert str(uuid.UUID(made.outputs["result"])) == made.id
    number = provider.create(request_for("random:index/randomInteger:RandomInteger", inputs={"min": 3, "max": 4}))
    assert number.outputs["result"] in (3, 4)


def test_a_preview_makes_nothing_up(provider: RandomProvider, request_for: RequestFor) -> None:
    state = provider.create(request_for(PASSWORD, inputs={"length": 8}, preview=True))
    assert state.outputs["result"] is UNKNOWN
    assert state.id == ""


def test_a_changed_keeper_replaces_and_a_spelled_out_default_doesnt(
    provider: RandomProvider, request_for: RequestFor
) -> None:
    old = {"length": 8, "keepers": {"key": "1"}}
    changed = provider.diff(request_for(PASSWORD, old_inputs=old, inputs={"length": 8, "keepers": {"key": "2"}}))
    assert changed.replaces == {("keepers", "key")}
    spelled = provider.diff(request_for(PASSWORD, old_inputs=old, inputs=old | {"special": True}))
    assert not spelled.changes


def test_a_value_outlives_a_refresh(provider: RandomProvider, request_for: RequestFor) -> None:
    made = provider.create(request_for(STRING, inputs={"length": 8}))
    seen = provider.read(request_for(STRING, id=made.id, state=made.outputs, inputs={"length": 8}))
    assert seen is not None
    assert seen.outputs == made.outputs


def test_an_unknown_type_is_refused_with_the_known_ones(provider: RandomProvider, request_for: RequestFor) -> None:
    with pytest.raises(PluginError, match=r"RandomPet.*RandomPassword"):
        provider.check(request_for("random:index/randomPet:RandomPet", inputs={}))
