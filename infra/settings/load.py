"""Reads a stack's settings and checks them: each by itself, and then all of them together."""

import json
import os
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import ValidationError

from infra.settings import ambient, check
from infra.settings.model import Settings
from infra.settings.problems import describe


class SettingsError(pulumi.RunError):
    """The settings of the stack are wrong: the engine prints the message, without a traceback, and stops."""


def load() -> Settings:
    """Return the settings of the current stack.

    Raises:
        SettingsError: Something is unknown, missing, of a wrong type, out of range or at odds with the rest; it lists
            every problem at once.
    """
    try:
        given = ambient.fill_in(_given(pulumi.get_project()), os.environ, preview=pulumi.runtime.is_dry_run())
    except ambient.ImagesFileError as error:
        raise SettingsError(str(error)) from None
    wanted = parse(given, pulumi.get_project(), pulumi.get_stack())
    if wanted.aws is not None and wanted.aws.endpoint is not None and not wanted.aws.emulated:
        # A variable left over in a shell is enough for a preview of what is nowhere.
        pulumi.log.warn(f"Sent to the emulated AWS at {wanted.aws.endpoint}, and not to {wanted.aws.account_id}.")
    return wanted


def parse(given: Mapping[str, Any], namespace: str, stack: str) -> Settings:
    """Check the settings `given` for `stack`; `namespace` is how the stack file's keys begin."""
    try:
        wanted = Settings.model_validate(dict(given))
    except ValidationError as error:
        raise _refusal(stack, describe(Settings, error, namespace)) from None
    if problems := check.problems(wanted, namespace):
        raise _refusal(stack, [f"{namespace}:{problem}" for problem in problems])
    return wanted


def _refusal(stack: str, problems: list[str]) -> SettingsError:
    heading = f"The settings of stack {stack} have {len(problems)} problem{'s' if len(problems) > 1 else ''}:"
    return SettingsError("\n".join([heading, *(f"  {problem}" for problem in problems)]))


def _given(namespace: str) -> dict[str, Any]:
    # pulumi.Config reads keys that one knows; an unknown one shows only in the whole map.
    config = pulumi.Config(namespace)
    keys = [key.removeprefix(f"{namespace}:") for key in CONFIG.get() if key.startswith(f"{namespace}:")]
    return {key: decode(config.require(key)) for key in keys}


def decode(text: str) -> Any:  # noqa: ANN401 - a setting can be anything until it is checked
    """Return a section as the engine or a stack file has it: JSON, or else plain text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
