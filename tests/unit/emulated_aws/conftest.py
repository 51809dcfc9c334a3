"""Fixtures: a cluster's token issuer, and an emulator process on loopback that knows its key."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local import paths
from local.aws import clients
from local.aws.account import Account, Cluster
from local.servers import free_port

ISSUER = "https://kubernetes.default.svc.cluster.local"
ACCOUNT = "000000000001"
REGION = "us-west-2"


@dataclass(frozen=True)
class Issuer:
    """The issuer of service account tokens."""

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @property
    def public_key(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def token(self, subject: str = "system:serviceaccount:mlflow:mlflow", **claims: Any) -> str:
        defaults = {
            "iss": ISSUER,
            "sub": subject,
            "aud": ["sts.amazonaws.com"],
            "exp": datetime.now(UTC) + timedelta(hours=1),
        }
        return jwt.encode(defaults | claims, self.key, algorithm="RS256")


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@dataclass
class Emulator:
    """An emulator process and its clients."""

    account: Account
    file: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.file.write_text(self.account.text())
        environment = os.environ | clients.server_environment(self.account)
        self.process = subprocess.Popen(clients.command(self.file), env=environment, cwd=paths.REPOSITORY)
        end = time.monotonic() + 60
        while True:
            try:
                clients.identity(self.account)
            except OSError:
                assert self.process.poll() is None, "the emulator has ended"
                assert time.monotonic() < end, "the emulator isn't up after 60 s"
                time.sleep(0.1)
            else:
                return

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def client(self, service: str, credentials: dict[str, str] | None = None) -> Any:
        """Return a client with the administrator's credentials, or with those of a session."""
        keys = credentials or {"AccessKeyId": self.account.access_key, "SecretAccessKey": self.account.secret_key}
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=REGION,
            endpoint_url=self.account.url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
        )


@pytest.fixture(scope="session")
def make_emulator(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Emulator]]:
    emulators: list[Emulator] = []

    def make() -> Emulator:
        folder, keys = tmp_path_factory.mktemp("aws"), clients.new_keys()
        account = Account(
            account_id=ACCOUNT,
            region=REGION,
            host="127.0.0.1",
            port=free_port(),
            access_key=keys["access_key"],
            secret_key=keys["secret_key"],
            network="10.213.0.0/16",
            cluster=Cluster(
                name="aegis-ci",
                endpoint="https://10.213.255.1:6443",
                certificate_authority="Y2E=",
                issuer=ISSUER,
                issuer_key=issuer.public_key,
            ),
            state=str(folder / "state"),
            aliases=("alias/aegis-ci",),
            logins_port=free_port(),
        )
        emulator = Emulator(account, folder / "account.json")
        emulators.append(emulator)
        emulator.start()
        return emulator

    yield make
    for emulator in emulators:
        emulator.kill()


@pytest.fixture(scope="session")
def emulator(make_emulator: Callable[[], Emulator]) -> Emulator:
    return make_emulator()
