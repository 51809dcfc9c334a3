"""The embedded plugin `random` with the real engine."""

import json

import pytest

from tests.engine.stack import EngineError, Stack

PROGRAM = """
    import pulumi
    import pulumi_random as random

    config = pulumi.Config()
    password = random.RandomPassword("password", length=20, keepers={"key": config.get("key") or "1"})
    short = random.RandomString("string", length=8, special=False)
    random.RandomId("id", byte_length=4)
    random.RandomBytes("bytes", length=16)
    random.RandomUuid("uuid")
    pulumi.export("password", password.result)
    pulumi.export("hash", password.bcrypt_hash)
    pulumi.export("string", short.result)
"""


def test_values_are_generated_once_kept_and_regenerated_for_a_new_keeper(stack: Stack) -> None:
    stack.program(PROGRAM)
    assert stack.up().counts == {"create": 5}
    first = stack.outputs()
    assert len(first["password"]) == 20

    assert stack.preview().counts == {"same": 5}
    assert stack.refresh().counts == {"same": 5}
    assert stack.up().counts == {"same": 5}
    assert stack.outputs() == first

    stack.config(key="2")
    assert stack.preview().differences == {"password": {"keepers.key"}}
    changed = stack.up()
    assert changed.steps["password"] == "replace"
    second = stack.outputs()
    assert second["password"] != first["password"]
    assert second["string"] == first["string"]

    stack.destroy()
    assert set(stack.state()) <= {"test-test"}


def test_the_state_doesnt_contain_a_password_in_plain_text(stack: Stack) -> None:
    stack.program(PROGRAM)
    stack.up()
    stored = json.dumps(stack.state())
    outputs = stack.outputs()
    assert outputs["password"] not in stored
    assert outputs["hash"] not in stored
    assert outputs["string"] in stored, "this proves that the search covers the values"


def test_a_type_that_the_plugin_doesnt_know_is_a_clear_error(stack: Stack) -> None:
    stack.program('import pulumi_random as random\nrandom.RandomPet("pet")\n')
    with pytest.raises(EngineError, match=r"doesn't know 'random:index/randomPet:RandomPet'"):
        stack.preview()
