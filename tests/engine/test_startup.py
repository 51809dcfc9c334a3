"""The quick start of a program under the real engine."""

import pytest

from infra.startup import DEBUG_ENV, lazy_packages
from tests.engine.stack import EngineError, Stack
from tests.support.engine import ROOT

PROGRAM = f"""
    import sys

    sys.path.insert(0, {str(ROOT)!r})

    from infra.startup import quick_start

    with quick_start():
        import pulumi_random as random

    random.RandomId("id", byte_length=4)
"""
# A debug message of the SDK.
REGISTERING = "debug: registering resource: ty=random:index/randomId:RandomId, name=id"


@pytest.mark.parametrize(("variables", "shown"), [({}, False), ({DEBUG_ENV: "true"}, True), ({DEBUG_ENV: "1"}, True)])
def test_the_sdk_s_debug_messages_appear_when_the_variable_asks_for_them(
    stack: Stack, variables: dict[str, str], shown: bool
) -> None:
    stack.program(PROGRAM)
    stack.variables.update(variables)
    assert (REGISTERING in stack.preview().text) is shown


@pytest.mark.parametrize("value", ["false", "0"])
def test_the_sdk_s_debug_messages_are_dropped_when_the_variable_refuses_them(stack: Stack, value: str) -> None:
    stack.program(PROGRAM)
    stack.variables[DEBUG_ENV] = value
    assert REGISTERING not in stack.run("preview", "--non-interactive", "--debug")


def test_a_switch_that_is_neither_on_nor_off_ends_a_preview_without_a_traceback(stack: Stack) -> None:
    stack.program(PROGRAM)
    stack.variables[lazy_packages.SWITCH_ENV] = "yes"
    with pytest.raises(EngineError) as refused:
        stack.preview()
    assert "error: AEGIS_LAZY_IMPORTS must be 0 (import whole packages) or 1, got 'yes'" in str(refused.value)
    assert "Traceback" not in str(refused.value)
