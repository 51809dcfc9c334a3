"""Values that the program computes: sizes, keys, ports, URIs and policies."""

import asyncio
import base64

import pytest
from cryptography.fernet import Fernet

from infra.capabilities.tracking.server import fernet_key
from infra.limits.flows import Place, Server
from infra.limits.quantities import gibibytes, mebibytes
from infra.links import DatabaseAddress
from infra.vault.login import signer_policy


@pytest.mark.parametrize(("quantity", "expected"), [("512Mi", 512), ("1Gi", 1024), ("2Ti", 2 * 1024 * 1024)])
def test_a_size_is_read_in_mebibytes(quantity: str, expected: int) -> None:
    assert mebibytes(quantity) == expected
    assert gibibytes(quantity) == expected / 1024


@pytest.mark.parametrize("quantity", ["", "1", "1G", "1.5Gi", "-1Gi", "0Gi", "Gi", " 1Gi", "1Gi\n"])
def test_an_invalid_size_is_refused_with_the_rule(quantity: str) -> None:
    with pytest.raises(ValueError, match="must be a whole number of Mi, Gi or Ti"):
        mebibytes(quantity)


def test_random_bytes_become_a_valid_fernet_key() -> None:
    raw = bytes(range(224, 256))
    key = fernet_key(base64.b64encode(raw).decode())
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"webhook")) == b"webhook"
    assert base64.urlsafe_b64decode(key) == raw


def test_a_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 32 bytes, got 16"):
        fernet_key(base64.b64encode(bytes(16)).decode())


def test_a_signer_may_only_sign_and_read_the_public_key_and_its_own_token() -> None:
    assert signer_policy("transit", "aegis-cosign") == (
        'path "transit/sign/aegis-cosign" {\n  capabilities = ["update"]\n}\n'
        'path "transit/sign/aegis-cosign/sha2-256" {\n  capabilities = ["update"]\n}\n'
        'path "transit/keys/aegis-cosign" {\n  capabilities = ["read"]\n}\n'
        'path "auth/token/lookup-self" {\n  capabilities = ["read"]\n}'
    )


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match=f"port must be 1 to 65535, got {port}"):
        Server(at=Place.ANYWHERE, port=port)


def test_a_password_with_reserved_characters_is_escaped_in_the_uri() -> None:
    database = DatabaseAddress(host="db", port=5432, name="mlflow", user="mlflow", password="p@ss/word")

    async def resolved() -> tuple[str | None, bool]:
        uri = database.uri()
        return await uri.future(), await uri.is_secret()

    assert asyncio.new_event_loop().run_until_complete(resolved()) == (
        "postgresql+aegis://mlflow:p%40ss%2Fword@db:5432/mlflow",
        True,
    )
