"""The resource types of the package `random`: their inputs, and how their values are generated."""

import base64
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import bcrypt

from local.plugins.provider import InvalidInputsError
from local.plugins.random.strings import draw, rules
from local.plugins.values import Bag, Secret

# bcrypt's limit. Like the official provider, hash only the beginning of a longer password.
_BCRYPT_BYTES: Final = 72


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """The id of a new value, and its outputs besides the inputs."""

    id: str
    outputs: Bag


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One resource type. Changing any input, including `keepers`, generates a new value."""

    draw: Callable[[Bag], Drawn]
    # Outputs that are unknown in a preview.
    outputs: tuple[str, ...]
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)


def _string(inputs: Bag) -> Drawn:
    result = draw(rules(inputs))
    return Drawn(id=result, outputs={"result": result})


def _password(inputs: Bag) -> Drawn:
    result = draw(rules(inputs))
    hashed = bcrypt.hashpw(result.encode()[:_BCRYPT_BYTES], bcrypt.gensalt(rounds=10)).decode()
    return Drawn(id="none", outputs={"result": Secret(result), "bcryptHash": Secret(hashed)})


def _id(inputs: Bag) -> Drawn:
    raw = secrets.token_bytes(_positive(inputs, "byteLength"))
    prefix = inputs.get("prefix", "")
    url = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    outputs = {
        "b64Std": prefix + base64.b64encode(raw).decode(),
        "b64Url": prefix + url,
        "hex": prefix + raw.hex(),
        "dec": prefix + str(int.from_bytes(raw)),
    }
    return Drawn(id=url, outputs=outputs)


def _bytes(inputs: Bag) -> Drawn:
    raw = secrets.token_bytes(_positive(inputs, "length"))
    outputs = {"base64": Secret(base64.b64encode(raw).decode()), "hex": Secret(raw.hex())}
    # The official provider uses the secret itself as the id, in plain text. Nothing depends on that, so don't.
    return Drawn(id="none", outputs=outputs)


def _uuid(_inputs: Bag) -> Drawn:
    result = str(uuid.uuid4())
    return Drawn(id=result, outputs={"result": result})


def _integer(inputs: Bag) -> Drawn:
    low, high = inputs["min"], inputs["max"]
    if "seed" in inputs:
        raise InvalidInputsError({"seed": "the embedded plugin can't generate the official one's value for a seed"})
    if low > high:
        raise InvalidInputsError({"min": f"min must be at most max ({high}), got {low}"})
    result = low + secrets.randbelow(high - low + 1)
    return Drawn(id=str(result), outputs={"result": result})


def _positive(inputs: Bag, name: str) -> int:
    value = inputs[name]
    if not isinstance(value, int) or value < 1:
        raise InvalidInputsError({name: f"{name} must be a whole number of at least 1, got {value!r}"})
    return value


_CHARACTERS: Final = {
    "lower": True,
    "upper": True,
    "numeric": True,
    "number": True,
    "special": True,
    "minLower": 0,
    "minUpper": 0,
    "minNumeric": 0,
    "minSpecial": 0,
}

KINDS: Final[Mapping[str, Kind]] = {
    "random:index/randomPassword:RandomPassword": Kind(
        draw=_password, outputs=("result", "bcryptHash"), required=("length",), defaults=_CHARACTERS
    ),
    "random:index/randomString:RandomString": Kind(
        draw=_string, outputs=("result",), required=("length",), defaults=_CHARACTERS
    ),
    "random:index/randomId:RandomId": Kind(
        draw=_id, outputs=("b64Std", "b64Url", "hex", "dec"), required=("byteLength",)
    ),
    "random:index/randomBytes:RandomBytes": Kind(draw=_bytes, outputs=("base64", "hex"), required=("length",)),
    "random:index/randomUuid:RandomUuid": Kind(draw=_uuid, outputs=("result",)),
    "random:index/randomInteger:RandomInteger": Kind(draw=_integer, outputs=("result",), required=("min", "max")),
}
