"""Random strings and passwords under rules on their characters."""

import secrets
import string
from dataclasses import dataclass
from typing import Final

from local.plugins.provider import InvalidInputsError

# The default of the official provider.
SPECIAL: Final = "!@#$%&*()-_=+[]{}<>:?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alphabet:
    """The characters of one class, and how many of them there must be."""

    characters: str
    least: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What a string is made of; every alphabet in use contributes at least its `least` characters."""

    length: int
    alphabets: tuple[Alphabet, ...]

    def __post_init__(self) -> None:
        if self.length < 1:
            raise InvalidInputsError({"length": f"length is {self.length}, it must be at least 1"})
        if not any(alphabet.characters for alphabet in self.alphabets):
            raise InvalidInputsError({"": "one of lower, upper, numeric and special must be true"})
        least = sum(alphabet.least for alphabet in self.alphabets)
        if least > self.length:
            raise InvalidInputsError(
                {"length": f"length is {self.length}, but the minimums of the character classes add up to {least}"}
            )


def rules(inputs: dict[str, object]) -> Rules:
    """Read the rules from the inputs of a `RandomString` or `RandomPassword`."""

    def alphabet(name: str, characters: str, minimum: str) -> Alphabet:
        wanted = inputs.get(name, True)
        return Alphabet(characters=characters if wanted else "", least=_whole(inputs, minimum, 0))

    numeric = "numeric" if "numeric" in inputs else "number"
    return Rules(
        length=_whole(inputs, "length", 0),
        alphabets=(
            alphabet("lower", string.ascii_lowercase, "minLower"),
            alphabet("upper", string.ascii_uppercase, "minUpper"),
            alphabet(numeric, string.digits, "minNumeric"),
            alphabet("special", str(inputs.get("overrideSpecial") or SPECIAL), "minSpecial"),
        ),
    )


def _whole(inputs: dict[str, object], name: str, default: int) -> int:
    value = inputs.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInputsError({name: f"{name} is {value!r}, it must be a whole number of at least 0"})
    return value


def draw(given: Rules) -> str:
    """Draw a string from the operating system's randomness."""
    characters: list[str] = []
    for alphabet in given.alphabets:
        characters += [secrets.choice(alphabet.characters) for _ in range(alphabet.least)]
    everything = "".join(alphabet.characters for alphabet in given.alphabets)
    characters += [secrets.choice(everything) for _ in range(given.length - len(characters))]
    secrets.SystemRandom().shuffle(characters)
    return "".join(characters)
