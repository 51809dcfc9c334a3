"""Recognition of secrets that nothing marks as secret: by their name or by their form.

The policy pack refuses them in plain sight, and the review and the doctor hide them. Only the standard library is
imported, because the review runs where nothing else is installed.
"""

import re
from typing import Final

# The last word decides: PGPASSWORD, aws.secret_access_key, apiKey, but not PASSWORD_FILE or TOKEN_PATH, nor MONKEY.
_NAME: Final = re.compile(
    r"((?i:password|passwd|passphrase)"
    r"|(^|[^A-Za-z]|(?<=[a-z])(?=[A-Z]))(?i:pass|pwd|secret|token|(api|access|secret)?key|credential))(?i:s?)$"
)
# The group `secret` is the part of a match that is secret.
_FORMS: Final = {
    "a URI with a password": re.compile(
        # Never starts inside a longer word: a long text would be scanned again from each of its letters.
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
    # A line of INI or YAML, a member of JSON, an option, or a parameter of a URI. A shell expands what follows a `$`.
    "a password": re.compile(
        r"""(password|passwd|passphrase|secret_?access_?key)["']?[ \t]*[:=][ \t]*["']?"""
        r"""(?P<secret>(?!/|(null|none|true|false)\b)[^\s"'(){}<>$,;&]+)(?=["'\s,;&}]|$)""",
        re.IGNORECASE,
    ),
}


def is_named_like_a_secret(name: str) -> bool:
    """Tell whether the name of a variable says that it holds a secret."""
    return bool(_NAME.search(name))


def forms_in(text: str) -> list[str]:
    """Return descriptions of the secrets in a text, such as "a private key"."""
    return [description for description, form in _FORMS.items() if form.search(text)]


def without_forms(text: str, instead: str) -> str:
    """Return a text with each secret replaced by `instead`."""
    for form in _FORMS.values():
        text = form.sub(lambda found: _replaced(found, instead), text)
    return text


def _replaced(found: re.Match[str], instead: str) -> str:
    start, end = (position - found.start() for position in found.span("secret"))
    return f"{found[0][:start]}{instead}{found[0][end:]}"
