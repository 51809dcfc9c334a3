"""Conversion of values between Pulumi's names and AWS's, and comparison of JSON texts by meaning.

Pulumi's `noncurrentDays` is AWS's `NoncurrentDays`. Each caller passes a table of the few names that differ by more
than the first letter. Tags are a map in Pulumi and a list of keys and values in AWS.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from local.plugins.values import UNKNOWN, Secret, Tree, has_secret, has_unknown, reveal

# AWS's names by Pulumi's, where they differ by more than a capital first letter.
Names = Mapping[str, str]


def to_aws(tree: Tree, names: Names) -> Tree:
    """Return a tree with AWS's names, without the values that are None."""
    if isinstance(tree, list):
        return [to_aws(each, names) for each in tree]
    if not isinstance(tree, Mapping):
        return tree
    return {
        names.get(key, key[:1].upper() + key[1:]): tag_list(value) if key == "tags" else to_aws(value, names)
        for key, value in tree.items()
        if value is not None
    }


def from_aws(tree: Tree, names: Names) -> Tree:
    """Return a tree from AWS with Pulumi's names."""
    if isinstance(tree, list):
        return [from_aws(each, names) for each in tree]
    if isinstance(tree, datetime):
        return tree.strftime("%Y-%m-%dT%H:%M:%SZ")
    if not isinstance(tree, Mapping):
        return tree
    back = {aws: pulumi for pulumi, aws in names.items()}
    return {
        back.get(key, key[:1].lower() + key[1:]): tag_map(value) if key == "Tags" else from_aws(value, names)
        for key, value in tree.items()
    }


def tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Return tags in the form that most AWS services accept."""
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]


def tag_map(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Return tags in Pulumi's form, without AWS's own `aws:` tags."""
    return {each["Key"]: each["Value"] for each in tags or () if not each["Key"].startswith("aws:")}


def equivalent(one: str, other: str) -> bool:
    """Return whether two JSON texts mean the same to AWS.

    AWS ignores order, and doesn't distinguish a single value from a list of one.
    """
    try:
        return _meaning(json.loads(one)) == _meaning(json.loads(other))
    except ValueError:
        return one == other


def _meaning(tree: Any) -> Any:  # noqa: ANN401 - any JSON value.
    if isinstance(tree, Mapping):
        return {key: _meaning(value) for key, value in tree.items()}
    if not isinstance(tree, list):
        return tree
    parts = [_meaning(each) for each in tree]
    return parts[0] if len(parts) == 1 else sorted(parts, key=lambda part: json.dumps(part, sort_keys=True))


def text(document: Tree) -> Tree:
    """Return a document as JSON text. Like the official plugin, accept an object too."""
    plain = reveal(document)
    if not isinstance(plain, Mapping):
        return document
    serialized = UNKNOWN if has_unknown(plain) else json.dumps(plain, separators=(",", ":"))
    return Secret(serialized) if has_secret(document) else serialized
