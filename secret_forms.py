"""What a secret looks like where nobody marked it: by its name, or by its form.

Only Python's own library is imported, as the review uses this, too.
"""

import re
from typing import Final

# The last word tells: PGPASSWORD, aws.secret_access_key, apiKey, but not PASSWORD_FILE or TOKEN_PATH, nor MONKEY.
_NAME: Final = re.compile(
    r"((?i:password|passwd|passphrase)"
    r"|(^|[^A-Za-z]|(?<=[a-z])(?=[A-Z]))(?i:pass|pwd|secret|token|(api|access|secret)?key|credential))(?i:s?)$"
)
# Where only a part of what is found is the secret, that part is the group `secret`.
_FORMS: Final = {
    "a URI with a password": re.compile(
        # Not within a longer word, or a long text would be read again from each of its letters.
        r"(?<![a-z0-9+.-])[a-z0-9+.-]+://[^\s/:@]*:(?P<secret>(?!\$\(\w+\)@)[^\s/@]+)@",
        re.IGNORECASE,
    ),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    "an AWS access key ID": re.compile(r"\b(?P<secret>(AKIA|ASIA)[A-Z0-9]{16})\b"),
    "a private key": re.compile(
        r"(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----"
        r"(.*?-----END [A-Z ]*PRIVATE KEY( BLOCK)?-----|.*))",
        re.DOTALL,
    ),
    # https://developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes
    "a token of Vault": re.compile(r"\b(?P<secret>hv[sb]\.[\w-]{20,})"),
    # A line of INI or YAML, a member of JSON, an option, a parameter of a URI; a `$` begins what a shell fills in.
    "a password": re.compile(
        r"""(password|passwd|passphrase|secret_?access_?key)["']?[ \t]*[:=][ \t]*["']?"""
        r"""(?P<secret>(?!/|(null|none|true|false)\b)[^\s"'(){}<>$,;&]+)(?=["'\s,;&}]|$)""",
        re.IGNORECASE,
    ),
}


def is_named_like_a_secret(name: str) -> bool:
    """Tell whether a variable of this name holds a secret."""
    return bool(_NAME.search(name))


def forms_in(text: str) -> list[str]:
    """Return what a text holds that has the form of a secret, in words."""
    return [what for what, form in _FORMS.items() if form.search(text)]


def without_forms(text: str, instead: str) -> str:
    """Return a text with `instead` in the place of whatever has the form of a secret."""
    for form in _FORMS.values():
        text = form.sub(lambda found: _replaced(found, instead), text)
    return text


def _replaced(found: re.Match[str], instead: str) -> str:
    start, end = (position - found.start() for position in found.span("secret"))
    return f"{found[0][:start]}{instead}{found[0][end:]}"
