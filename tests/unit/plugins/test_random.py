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


def test_a_password_is_secret_and_has_a_matching_hash(provider: RandomProvider, request_for: RequestFor) -> None:
    state = provider.create(request_for(PASSWORD, inputs={"length": 24}))
    result, hashed = state.outputs["result"], state.outputs["bcryptHash"]
    assert isinstance(result, Secret)
    assert isinstance(hashed, Secret)
    assert len(result.value) == 24
    assert bcrypt.checkpw(result.value.encode(), hashed.value.encode())
    assert result.value not in state.id


def test_a_password_longer_than_bcrypts_limit_still_gets_a_hash(
    provider: RandomProvider, request_for: RequestFor
) -> None:
    state = provider.create(request_for(PASSWORD, inputs={"length": 100}))
    assert len(state.outputs["result"].value) == 100


def test_a_string_respects_its_character_classes_and_their_minimums(
    provider: RandomProvider, request_for: RequestFor
) -> None:
    inputs = {"length": 12, "upper": False, "special": False, "minNumeric": 5}
    result = provider.create(request_for(STRING, inputs=inputs)).outputs["result"]
    assert set(result) <= set(string.ascii_lowercase + string.digits)
    assert sum(character.isdigit() for character in result) >= 5


def test_override_special_replaces_the_special_characters(provider: RandomProvider, request_for: RequestFor) -> None:
    inputs = {"length": 40, "overrideSpecial": "_-", "minSpecial": 3}
    result = provider.create(request_for(STRING, inputs=inputs)).outputs["result"]
    assert set(result) <= set(string.ascii_letters + string.digits + "_-")
    assert sum(character in "_-" for character in result) >= 3


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"length": 2, "minLower": 3}, "length must be at least 3, the sum of the minimums, got 2"),
        ({"length": 8, "lower": False, "upper": False, "numeric": False, "special": False}, "must be true"),
        ({"length": 0}, "at least 1"),
        ({"length": 8, "minUpper": -1}, "minUpper must be a whole number of at least 0, got -1"),
    ],
)
def test_impossible_rules_are_refused_by_name(
    provider: RandomProvider, request_for: RequestFor, inputs: Bag, message: str
) -> None:
    with pytest.raises(InvalidInputsError, match=message):
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


def test_a_uuid_is_valid_and_an_integer_is_in_range(provider: RandomProvider, request_for: RequestFor) -> None:
    state = provider.create(request_for("random:index/randomUuid:RandomUuid", inputs={}))
    assert str(uuid.UUID(state.outputs["result"])) == state.id
    number = provider.create(request_for("random:index/randomInteger:RandomInteger", inputs={"min": 3, "max": 4}))
    assert number.outputs["result"] in (3, 4)


def test_a_preview_generates_no_value(provider: RandomProvider, request_for: RequestFor) -> None:
    state = provider.create(request_for(PASSWORD, inputs={"length": 8}, preview=True))
    assert state.outputs["result"] is UNKNOWN
    assert state.id == ""


def test_a_changed_keeper_is_a_replacement_and_an_explicit_default_isnt(
    provider: RandomProvider, request_for: RequestFor
) -> None:
    old = {"length": 8, "keepers": {"key": "1"}}
    changed = provider.diff(request_for(PASSWORD, old_inputs=old, inputs={"length": 8, "keepers": {"key": "2"}}))
    assert changed.replaces == {("keepers", "key")}
    explicit = provider.diff(request_for(PASSWORD, old_inputs=old, inputs=old | {"special": True}))
    assert not explicit.changes


def test_a_refresh_keeps_the_value(provider: RandomProvider, request_for: RequestFor) -> None:
    created = provider.create(request_for(STRING, inputs={"length": 8}))
    refreshed = provider.read(request_for(STRING, id=created.id, state=created.outputs, inputs={"length": 8}))
    assert refreshed is not None
    assert refreshed.outputs == created.outputs


def test_an_unknown_type_is_refused_with_the_known_ones(provider: RandomProvider, request_for: RequestFor) -> None:
    with pytest.raises(PluginError, match=r"RandomPet.*RandomPassword"):
        provider.check(request_for("random:index/randomPet:RandomPet", inputs={}))
