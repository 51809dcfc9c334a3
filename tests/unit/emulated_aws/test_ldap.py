"""Parsing of simple binds, and refusal of everything else."""

import io

import pytest

from local.aws import ldap


@pytest.mark.parametrize("length", [1, 127, 128, 1500, 40_000])
def test_a_password_of_any_length_is_read_completely(length: int) -> None:
    password = "p" * length
    assert ldap.read_bind(io.BytesIO(ldap.bind(1, "cn=mlflow", password))) == (1, "cn=mlflow", password)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x30",
        b"GET / HTTP/1.1\r\n\r\n",
        ldap.bind(1, "cn=mlflow", "password")[:-3],
        b"\x30\x84\x7f\xff\xff\xff",
        # A search instead of a bind.
        ldap.bind(1, "cn=mlflow", "password").replace(b"\x60", b"\x63", 1),
    ],
)
def test_anything_else_is_malformed(message: bytes) -> None:
    with pytest.raises(ldap.MalformedError):
        ldap.read_bind(io.BytesIO(message))
