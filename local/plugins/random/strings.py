"""Generation of random strings and passwords from rules on their characters."""

import secrets
import string
from dataclasses import dataclass
from typing import Final

from local.plugins.provider import InvalidInputsError

# The default of the official provider.
SPECIAL: Final = "!@#$%&*()-_=+[]{}<>:?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alphabet:
    """A class of characters, and the minimum number of them in a string."""

    characters: str
    least: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """The length and the alphabets of a string. Each alphabet contributes at least `least` characters."""

    length: int
    alphabets: tuple[Alphabet, ...]

    def __post_init__(self) -> None:
        if self.length < 1:
            raise InvalidInputsError({"length": f"length must be at least 1, got {self.length}"})
        if not any(alphabet.characters for alphabet in self.alphabets):
            raise InvalidInputsError({"": "one of lower, upper, numeric and special must be true"})
        least = sum(alphabet.least for alphabet in self.alphabets)
        if least > self.length:
            raise InvalidInputsError(
                {"length": f"length must be at least {least}, the sum of the minimums, got {self.length}"}
            )


def rules(inputs: dict[str, object]) -> Rules:
    """Read the rules from the inputs of a `RandomString` or `RandomPassword`."""

    def alphabet(name: str, characters: str, minimum: str) -> Alphabet:
        enabled = inputs.get(name, True)
        return Alphabet(characters=characters if enabled else "", least=_whole(inputs, minimum, 0))

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
        raise InvalidInputsError({name: f"{name} must be a whole number of at least 0, got {value!r}"})
    return value


def draw(string_rules: Rules) -> str:
    """Generate a string with the operating system's random source."""
    characters: list[str] = []
    for alphabet in string_rules.alphabets:
        characters += [secrets.choice(alphabet.characters) for _ in range(alphabet.least)]
    everything = "".join(alphabet.characters for alphabet in string_rules.alphabets)
    characters += [secrets.choice(everything) for _ in range(string_rules.length - len(characters))]
    secrets.SystemRandom().shuffle(characters)
    return "".join(characters)
