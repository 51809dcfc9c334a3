"""The account's state beside the process that holds it in memory: saved after each change, read at the next start.

So it outlives a killed process and a reboot, as data in AWS would. moto keeps everything in Python objects, which can
be pickled but for locks and private keys. The bodies of S3 objects lie in files of their own, so that a save takes as
long with many of them as with none. A file of another moto version isn't read.
"""

import copyreg
import importlib.metadata
import io
import pickle
import threading
import time
import uuid
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from moto import backends
from moto.core.base_backend import BackendDict
from moto.s3.models import FakeKey, s3_backends
from moto.s3.utils import _VersionedKeyStore

from local.aws.account import Account

# What a stack has in AWS, and what the account has before it. The first names the buckets' account in a register.
SERVICES = ("s3", "iam", "sts", "kms", "ec2", "eks", "rds", "secretsmanager", "ecr", "logs")
POLL_SECONDS = 0.2
# Long enough that the calls of one update don't each write; a crash loses no more than this.
QUIET_SECONDS = 0.5
_PRIVATE_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)


class Store:
    """The saved state of an account; `identity` is made with an empty account and kept with its state."""

    def __init__(self, account: Account) -> None:
        self._file = Path(account.state) / "state.pickle"
        self._bodies = Path(account.state) / "bodies"
        self._account_id = account.account_id
        self._changed_at: float | None = None
        self.identity = uuid.uuid4().hex

    def restore(self) -> None:
        """Give the account what was saved, if there is anything."""
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            saved = pickle.load(file)  # noqa: S301 - written by this very code, where only root writes
            if saved != _version():
                print(f"the saved state is of {saved}, and this is {_version()}: beginning with an empty account")
                return
            self.identity, kept = _Unpickler(file, self._bodies).load()
        for service, regions in kept.items():
            account = _backends(service)[self._account_id]
            for region, backend in regions.items():
                account[region] = backend
        for partition, backend in kept["s3"].items():
            for bucket in backend.buckets:
                s3_backends.bucket_accounts[bucket] = (partition, self._account_id)

    def changed(self) -> None:
        """Tell that a call may have changed something."""
        self._changed_at = time.monotonic()

    def keep_saving(self) -> None:
        """Save in the background, soon after each change."""
        threading.Thread(target=self._watch, daemon=True).start()

    def save(self) -> None:
        """Write the whole state, so that a reader finds the old one or the new one."""
        self._bodies.mkdir(parents=True, exist_ok=True, mode=0o700)
        buffer = io.BytesIO()
        pickle.dump(_version(), buffer)
        pickler = _Pickler(buffer, self._bodies)
        kept = {service: dict(_backends(service)[self._account_id]) for service in SERVICES}
        pickler.dump((self.identity, kept))
        temporary = self._file.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(self._file)
        for body in self._bodies.iterdir():
            if body.name not in pickler.used:
                body.unlink()

    def _watch(self) -> None:
        while True:
            time.sleep(POLL_SECONDS)
            changed_at = self._changed_at
            if changed_at is None or time.monotonic() - changed_at < QUIET_SECONDS:
                continue
            try:
                self.save()
            except RuntimeError:
                # A call has changed what was just being read: the next round finds it whole.
                continue
            if self._changed_at == changed_at:
                self._changed_at = None


def _backends(service: str) -> BackendDict[Any]:
    return backends.get_backend(service)  # type: ignore[call-overload]


def _version() -> str:
    return f"moto {importlib.metadata.version('moto')}"


class _Body:
    """Stands for the body of an object, in the file of that name."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Pickler(pickle.Pickler):
    """Writes what pickle alone can't: locks, private keys, and the bodies of objects, each in a file of its own."""

    def __init__(self, file: io.BytesIO, bodies: Path) -> None:
        super().__init__(file, protocol=5)
        self._bodies = bodies
        self.used: set[str] = set()

    def reducer_override(self, obj: object) -> Any:  # noqa: ANN401 - pickle's own signature
        """Return how to make `obj` again, or leave it to pickle."""
        if isinstance(obj, FakeKey):
            return copyreg.__newobj__, (FakeKey,), self._object(obj)  # type: ignore[attr-defined]
        if isinstance(obj, _VersionedKeyStore):
            # As a dictionary it shows the last version of each object only.
            return _versions, ({key: obj.getlist(key) for key in obj},)
        if isinstance(obj, type(threading.RLock())):
            return threading.RLock, ()
        if isinstance(obj, type(threading.Lock())):
            return threading.Lock, ()
        if isinstance(obj, _PRIVATE_KEYS):
            pem = obj.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            return _private_key, (pem,)
        return NotImplemented

    def persistent_id(self, obj: object) -> str | None:
        """Return the name of a body's file."""
        return obj.name if isinstance(obj, _Body) else None

    def _object(self, key: FakeKey) -> dict[str, Any]:
        """Return the state of an S3 object, whose body is written to a file unless it is there."""
        name = key.etag.strip('"')
        body = self._bodies / name
        if not body.exists():
            temporary = body.with_suffix(".new")
            temporary.write_bytes(key.value)
            temporary.replace(body)
        self.used.add(name)
        # What moto's own way to pickle an object leaves out, too.
        left_out = ("_value_buffer", "lock")
        return {field: value for field, value in vars(key).items() if field not in left_out} | {"value": _Body(name)}


def _versions(given: dict[str, list[object]]) -> _VersionedKeyStore:
    store = _VersionedKeyStore()
    for key, versions in given.items():
        store.setlist(key, versions)
    return store


def _private_key(pem: bytes) -> PrivateKeyTypes:
    return serialization.load_pem_private_key(pem, None)


class _Unpickler(pickle.Unpickler):
    """Reads what `_Pickler` wrote."""

    def __init__(self, file: BinaryIO, bodies: Path) -> None:
        super().__init__(file)
        self._bodies = bodies

    def persistent_load(self, pid: str) -> bytes:
        """Return the body of an object."""
        return (self._bodies / pid).read_bytes()
