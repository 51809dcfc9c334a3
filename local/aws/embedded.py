"""The emulated AWS account of the embedded platform: its process, and the database server in the cluster.

It listens on the node's address, so that pods reach it as they reach the API server.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import contracts
from local import paths, processes, progress
from local.aws import account, clients
from local.aws.account import Account, Cluster, Postgres
from local.cluster import Health, addons, controlplane, layout, lifecycle, pki
from local.cluster.layout import Layout
from local.cluster.part import Part, answers
from local.processes import write_whole
from local.stacks import Stack

NAME = "aws"
PORT = 4566
LOGINS_PORT = 4389
RDS_CA = "rds-ca"
RDS_CERTIFICATE = "rds"
# Among the Services' addresses, away from the name server's.
_DATABASE_ADDRESS = 20
_DATABASE_USER = "rdsadmin"
_MANIFEST = Path(__file__).parent / "manifests" / "rds.yaml"


def start(stack: Stack, tools: Mapping[str, Path], images: Mapping[str, str]) -> None:
    """Bring the account of a stack up on a cluster that runs; what runs already is left alone.

    Raises:
        LocalError: A part of it doesn't come up; names its log.
    """
    described = _describe(stack, layout.load())
    pki.ensure_leaves([_certificate(stack)], authorities=[RDS_CA])
    with progress.step("Starting the emulated AWS", about_seconds=15):
        addons.apply_objects(tools["kubectl"], _database(described, images["postgres"]))
        addons.wait(tools["kubectl"], "statefulset/postgres", namespace="rds")
        lifecycle.start([_part(described)])


def stop() -> list[str]:
    """End the process, and return its name if it ran."""
    return processes.stop([NAME])


def forget() -> None:
    """End the process, and let no client find the account any more; its data stays."""
    stop()
    _file().unlink(missing_ok=True)


def health() -> list[Health]:
    """Return what the process is doing; none on a platform without an emulated account."""
    if not _file().exists():
        return []
    part = _part(account.read(_file()))
    state, trouble = lifecycle.health(part)
    running = processes.running(NAME)
    return [
        Health(name=NAME, state=state, pid=running.pid if running else None, addresses=part.listens, trouble=trouble)
    ]


def environment() -> dict[str, str]:
    """Return the variables with which the engine and AWS's tools act on the account; none if there is no account."""
    if not _file().exists():
        return {}
    authorities = {contracts.DATABASE_AUTHORITIES_ENV: str(pki.certificate(RDS_CA))}
    return clients.environment(account.read(_file())) | authorities


def has_lost(stack: Stack) -> bool:
    """Tell whether the account is not the one that the stack was brought up in, as its state could not be read."""
    noted = _noted_identity(stack)
    return not noted.exists() or noted.read_text() != clients.identity(account.read(_file()))


def note(stack: Stack) -> None:
    """Note that the stack is brought up in this account."""
    write_whole(_noted_identity(stack), clients.identity(account.read(_file())))


def _noted_identity(stack: Stack) -> Path:
    return paths.aws() / f"{stack.name}.identity"


def _file() -> Path:
    return paths.config() / "aws.json"


def _describe(stack: Stack, where: Layout) -> Account:
    keys = _keys()
    return Account(
        account_id=str(stack.account_id),
        region=stack.region,
        host=where.node_ip,
        port=PORT,
        access_key=keys["access_key"],
        secret_key=keys["secret_key"],
        # Pods have addresses of the VPC, as with EKS's own network plugin.
        network=str(where.block),
        cluster=Cluster(
            name=str(stack.eks_name),
            endpoint=where.api_url,
            certificate_authority=_encoded(pki.certificate(pki.CLUSTER_CA).read_bytes()),
            issuer=controlplane.ISSUER,
            issuer_key=pki.public_key(pki.SERVICE_ACCOUNT_KEY).read_text(),
        ),
        state=str(paths.aws() / "state"),
        aliases=(stack.secrets_key,) if stack.secrets_key else (),
        logins_port=LOGINS_PORT,
        postgres=Postgres(
            host=str(where.services[_DATABASE_ADDRESS]),
            port=contracts.POSTGRES_PORT,
            user=_DATABASE_USER,
            password=keys["database_password"],
        ),
    )


def _keys() -> dict[str, str]:
    """Return the keys of the account's administrator and the database server's, made once."""
    file = paths.aws() / "keys.json"
    if not file.exists():
        keys = clients.new_keys() | {"database_password": secrets.token_urlsafe(24)}
        write_whole(file, json.dumps(keys), 0o600)
    return json.loads(file.read_text())


def _certificate(stack: Stack) -> pki.Leaf:
    """Return the certificate of the database, for the name that moto gives every instance of a region."""
    name = f"*.aaaaaaaaaa.{stack.region}.rds.amazonaws.com"
    return pki.Leaf(name=RDS_CERTIFICATE, common_name="rds", authority=RDS_CA, hosts=(name,), client=False)


def _part(described: Account) -> Part:
    return Part(
        name=NAME,
        argv=clients.command(_file()),
        env=clients.server_environment(described),
        files=lambda: {_file(): described.text()},
        # A change of the emulator itself starts it anew, too.
        reads=tuple(sorted(Path(__file__).parent.glob("*.py"))),
        after=("kube-apiserver",),
        listens=(f"{described.host}:{described.port}", f"{described.host}:{described.logins_port}"),
        ready=answers(f"{described.url}{clients.READY_PATH}"),
    )


def _database(described: Account, image: str) -> list[dict[str, Any]]:
    """Return the objects of the database server."""
    if described.postgres is None:
        return []
    values = {
        "certificate": _encoded(pki.certificate(RDS_CERTIFICATE).read_bytes()),
        "key": _encoded(pki.key(RDS_CERTIFICATE).read_bytes()),
        "password": _encoded(described.postgres.password.encode()),
        "user": described.postgres.user,
        "service_ip": described.postgres.host,
        "logins_host": described.host,
        "logins_port": str(described.logins_port),
        "image": image,
    }
    digest = hashlib.sha256(json.dumps(values).encode() + _MANIFEST.read_bytes()).hexdigest()
    return addons.fill_in(_MANIFEST, values | {"digest": digest})


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
