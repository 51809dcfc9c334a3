"""A real PostgreSQL server and a real S3 server on loopback, for tests: started in seconds, removed at the end."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import requests
from psycopg.conninfo import make_conninfo

from local import toolchain

PASSWORD = "a password that no log may show"
ACCESS_KEY = "backup-tests"
WAIT_SECONDS = 60


@contextmanager
def postgres(superuser: str = "mlflow") -> Iterator[dict[str, str]]:
    """Run PostgreSQL 15 and return libpq's variables for its superuser; its log is beside its data directory."""
    binaries = Path("/usr/lib/postgresql/15/bin")
    assert binaries.is_dir(), "install the Debian package postgresql-15"
    with _folder() as folder:
        user = _unprivileged(folder)
        password = folder / "password"
        password.write_text(PASSWORD)
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", superuser, "-A", "scram-sha-256", f"--pwfile={password}",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        port = _free_port()
        settings = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}",
                    "-c", "fsync=off"]  # fmt: skip
        variables = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": superuser, "PGPASSWORD": PASSWORD}
        with _process([binaries / "postgres", "-D", data, *settings], folder, user=user):
            _wait(
                lambda: psycopg.connect(dsn(variables | {"PGDATABASE": "postgres"})).close(), psycopg.OperationalError
            )
            yield variables


@contextmanager
def object_store() -> Iterator[dict[str, str]]:
    """Run the platform's S3 server and return the environment variables for its clients."""
    server = toolchain.ensure("versitygw")["versitygw"]
    with _folder() as folder:
        data, metadata = folder / "data", folder / "metadata"
        data.mkdir()
        metadata.mkdir()
        port = _free_port()
        keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": PASSWORD}
        with _process(
            [server, "--port", f"127.0.0.1:{port}", "posix", "--sidecar", metadata, data], folder, env=os.environ | keys
        ):
            endpoint = f"http://127.0.0.1:{port}"
            _wait(lambda: requests.get(endpoint, timeout=1), requests.ConnectionError)
            yield {
                "AWS_ENDPOINT_URL_S3": endpoint,
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": PASSWORD,
                "AWS_DEFAULT_REGION": "us-east-1",
            }


def dsn(variables: dict[str, str]) -> str:
    """Return libpq's connection string of `variables`."""
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    return make_conninfo(**{names[key]: value for key, value in variables.items() if key in names})


def _unprivileged(folder: Path) -> int | None:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user.pw_uid


@contextmanager
def _folder() -> Iterator[Path]:
    # Not a folder of pytest's, which is closed to other users: PostgreSQL runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="aegis-backup-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _process(
    argv: Sequence[str | Path], folder: Path, *, user: int | None = None, env: dict[str, str] | None = None
) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log, user=user, env=env)
        try:
            yield
        finally:
            # PostgreSQL's fast shutdown: SIGTERM would wait for its clients to disconnect.
            process.send_signal(signal.SIGINT)
            process.wait(timeout=WAIT_SECONDS)


def _wait(probe, error: type[Exception]) -> None:  # noqa: ANN001 - any callable
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            probe()
        except error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
