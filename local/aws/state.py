"""Persistence of the account's state, which is saved after each change and restored at the next start.

It survives a killed process and a reboot, like data in AWS. moto keeps everything in Python objects, which can be
pickled except for locks and private keys. The bodies of S3 objects are stored in separate files, so that their
number doesn't slow down a save. State from another version of moto isn't restored.
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

# The services that a stack and the account's initial resources use. Restoring S3 also updates moto's global index.
SERVICES = ("s3", "iam", "sts", "kms", "ec2", "eks", "rds", "secretsmanager", "ecr", "logs", "cloudwatch", "sns")
POLL_SECONDS = 0.2
# Long enough that one update isn't saved after each call. A crash loses at most this much time.
QUIET_SECONDS = 0.5
_PRIVATE_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)


class Store:
    """The saved state of an account. `identity` is generated for an empty account and saved with it."""

    def __init__(self, account: Account) -> None:
        self._file = Path(account.state) / "state.pickle"
        self._bodies = Path(account.state) / "bodies"
        self._account_id = account.account_id
        self._changed_at: float | None = None
        self.identity = uuid.uuid4().hex

    def restore(self) -> None:
        """Restore the saved state, if there is any."""
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            saved = pickle.load(file)  # noqa: S301 - written by this class, in a folder that only root can write
            if saved != _version():
                print(f"the saved state is from {saved}, but this is {_version()}: starting with an empty account")
                return
            self.identity, services = _Unpickler(file, self._bodies).load()
        for service, regions in services.items():
            account = _backends(service)[self._account_id]
            for region, backend in regions.items():
                account[region] = backend
        for partition, backend in services["s3"].items():
            for bucket in backend.buckets:
                s3_backends.bucket_accounts[bucket] = (partition, self._account_id)

    def changed(self) -> None:
        """Note that a call may have changed the state."""
        self._changed_at = time.monotonic()

    def keep_saving(self) -> None:
        """Save in the background, soon after each change."""
        threading.Thread(target=self._watch, daemon=True).start()

    def save(self) -> None:
        """Write the whole state atomically."""
        self._bodies.mkdir(parents=True, exist_ok=True, mode=0o700)
        buffer = io.BytesIO()
        pickle.dump(_version(), buffer)
        pickler = _Pickler(buffer, self._bodies)
        services = {service: dict(_backends(service)[self._account_id]) for service in SERVICES}
        pickler.dump((self.identity, services))
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
                # A call changed the state during the save, so try again in the next round.
                continue
            if self._changed_at == changed_at:
                self._changed_at = None


def _backends(service: str) -> BackendDict[Any]:
    return backends.get_backend(service)  # type: ignore[call-overload]


def _version() -> str:
    return f"moto {importlib.metadata.version('moto')}"


class _Body:
    """A placeholder for the body of an object, which is stored in the file with this name."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Pickler(pickle.Pickler):
    """A pickler that also supports locks and private keys, and writes the bodies of objects to separate files."""

    def __init__(self, file: io.BytesIO, bodies: Path) -> None:
        super().__init__(file, protocol=5)
        self._bodies = bodies
        self.used: set[str] = set()

    def reducer_override(self, obj: object) -> Any:  # noqa: ANN401 - pickle's own signature
        """Return how to recreate `obj`, or leave it to pickle."""
        if isinstance(obj, FakeKey):
            return copyreg.__newobj__, (FakeKey,), self._object(obj)  # type: ignore[attr-defined]
        if isinstance(obj, _VersionedKeyStore):
            # As a dictionary, it contains only the last version of each object.
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
        """Return the file name of a body."""
        return obj.name if isinstance(obj, _Body) else None

    def _object(self, key: FakeKey) -> dict[str, Any]:
        """Return the state of an S3 object, and write its body to a file if it isn't there yet."""
        name = key.etag.strip('"')
        body = self._bodies / name
        if not body.exists():
            temporary = body.with_suffix(".new")
            temporary.write_bytes(key.value)
            temporary.replace(body)
        self.used.add(name)
        # moto's own pickling omits these, too.
        omitted = ("_value_buffer", "lock")
        return {field: value for field, value in vars(key).items() if field not in omitted} | {"value": _Body(name)}


def _versions(versions_by_key: dict[str, list[object]]) -> _VersionedKeyStore:
    store = _VersionedKeyStore()
    for key, versions in versions_by_key.items():
        store.setlist(key, versions)
    return store


def _private_key(pem: bytes) -> PrivateKeyTypes:
    return serialization.load_pem_private_key(pem, None)


class _Unpickler(pickle.Unpickler):
    """The counterpart of `_Pickler`."""

    def __init__(self, file: BinaryIO, bodies: Path) -> None:
        super().__init__(file)
        self._bodies = bodies

    def persistent_load(self, pid: str) -> bytes:
        """Return the body of an object."""
        return (self._bodies / pid).read_bytes()
