"""Trees of values between Pulumi's names and AWS's, and texts of JSON by what they mean.

Pulumi's `noncurrentDays` is AWS's `NoncurrentDays`; the few names that differ by more than that are in a table. Pulumi
has tags as a map, AWS as a list of keys and values.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from local.plugins.values import UNKNOWN, Secret, Tree, has_secret, has_unknown, reveal

# Names of Pulumi with AWS's, where these aren't the same in capitals.
Names = Mapping[str, str]


def to_aws(tree: Tree, names: Names) -> Tree:
    """Return a tree in AWS's names; what isn't given is left out."""
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
    """Return a tree of AWS's in Pulumi's names."""
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
    """Return tags as most of AWS takes them."""
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]


def tag_map(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Return tags as Pulumi has them; AWS's own ones are nobody's business."""
    return {each["Key"]: each["Value"] for each in tags or () if not each["Key"].startswith("aws:")}


def equivalent(one: str, other: str) -> bool:
    """Whether two texts of JSON mean the same to AWS: neither order counts, nor whether a single value is in a list."""
    try:
        return _meaning(json.loads(one)) == _meaning(json.loads(other))
    except ValueError:
        return one == other


def _meaning(tree: Any) -> Any:  # noqa: ANN401 - whatever the JSON holds.
    if isinstance(tree, Mapping):
        return {key: _meaning(value) for key, value in tree.items()}
    if not isinstance(tree, list):
        return tree
    parts = [_meaning(each) for each in tree]
    return parts[0] if len(parts) == 1 else sorted(parts, key=lambda part: json.dumps(part, sort_keys=True))


def text(document: Tree) -> Tree:
    """Return a document as text; the official plugin takes it as an object too."""
    plain = reveal(document)
    if not isinstance(plain, Mapping):
        return document
    written = UNKNOWN if has_unknown(plain) else json.dumps(plain, separators=(",", ":"))
    return Secret(written) if has_secret(document) else written
