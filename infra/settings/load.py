"""Read and check the settings of a stack: each one alone, then all of them together."""

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
    """The settings of the stack are invalid. The engine prints the message without a traceback, and stops."""


def load() -> Settings:
    """Return the settings of the current stack.

    Raises:
        SettingsError: Lists all problems: keys that are unknown or missing, and values that have the wrong type, are
            out of range or conflict with other settings.
    """
    try:
        unchecked = ambient.fill_in(_read(pulumi.get_project()), os.environ, preview=pulumi.runtime.is_dry_run())
    except ambient.ImagesFileError as error:
        raise SettingsError(str(error)) from None
    settings = parse(unchecked, pulumi.get_project(), pulumi.get_stack())
    if settings.aws is not None and settings.aws.endpoint is not None and not settings.aws.emulated:
        # A variable left over in a shell is enough to preview against the wrong API.
        pulumi.log.warn(
            f"Calls go to the emulated AWS API at {settings.aws.endpoint}, not to AWS account "
            f"{settings.aws.account_id}."
        )
    return settings


def parse(unchecked: Mapping[str, Any], namespace: str, stack: str) -> Settings:
    """Check the settings of `stack`; `namespace` is the prefix of the stack file's keys.

    Raises:
        SettingsError: Lists every problem.
    """
    try:
        settings = Settings.model_validate(dict(unchecked))
    except ValidationError as error:
        raise _refusal(stack, describe(Settings, error, namespace)) from None
    if problems := check.problems(settings, namespace):
        raise _refusal(stack, [f"{namespace}:{problem}" for problem in problems])
    return settings


def _refusal(stack: str, problems: list[str]) -> SettingsError:
    heading = f"The settings of stack {stack} have {len(problems)} problem{'s' if len(problems) > 1 else ''}:"
    return SettingsError("\n".join([heading, *(f"  {problem}" for problem in problems)]))


def _read(namespace: str) -> dict[str, Any]:
    # pulumi.Config only looks up known keys. Unknown ones show only in the whole map.
    config = pulumi.Config(namespace)
    keys = [key.removeprefix(f"{namespace}:") for key in CONFIG.get() if key.startswith(f"{namespace}:")]
    return {key: decode(config.require(key)) for key in keys}


def decode(text: str) -> Any:  # noqa: ANN401 - a setting can be anything until it is checked
    """Decode the text of a section in the engine's configuration: JSON, otherwise plain text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
