"""The emulated AWS account of the embedded platform: its process, and the PostgreSQL server in the cluster.

It listens on the node's address, so that pods reach it in the same way as the API server.
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
# An offset in the range of Service addresses, apart from the DNS server's.
_DATABASE_ADDRESS = 20
_DATABASE_USER = "rdsadmin"
_MANIFEST = Path(__file__).parent / "manifests" / "rds.yaml"


def start(stack: Stack, tools: Mapping[str, Path], images: Mapping[str, str]) -> None:
    """Start the account of a stack on a running cluster. Parts that already run stay as they are.

    Raises:
        LocalError: A part doesn't start; names its log.
    """
    emulated = _describe(stack, layout.load())
    pki.ensure_leaves([_certificate(stack)], authorities=[RDS_CA])
    with progress.step("Starting the emulated AWS", about_seconds=15):
        addons.apply_objects(tools["kubectl"], _database(emulated, images["postgres"]))
        addons.wait(tools["kubectl"], "statefulset/postgres", namespace="rds")
        lifecycle.start([_part(emulated)])


def stop() -> list[str]:
    """Stop the process, and return its name if it was running."""
    return processes.stop([NAME])


def forget() -> None:
    """Stop the process and delete the account's description, but keep its data."""
    stop()
    _file().unlink(missing_ok=True)


def health() -> list[Health]:
    """Return the health of the process, or an empty list if the platform has no emulated account."""
    if not _file().exists():
        return []
    part = _part(account.read(_file()))
    state, trouble = lifecycle.health(part)
    running = processes.running(NAME)
    return [
        Health(name=NAME, state=state, pid=running.pid if running else None, addresses=part.listens, trouble=trouble)
    ]


def environment() -> dict[str, str]:
    """Return the environment variables for the engine and AWS tools, or none if there is no account."""
    if not _file().exists():
        return {}
    authorities = {contracts.DATABASE_AUTHORITIES_ENV: str(pki.certificate(RDS_CA))}
    return clients.environment(account.read(_file())) | authorities


def has_lost(stack: Stack) -> bool:
    """Return whether the account was created again since the stack was deployed, because its state was unreadable."""
    recorded = _recorded_identity(stack)
    return not recorded.exists() or recorded.read_text() != clients.identity(account.read(_file()))


def note(stack: Stack) -> None:
    """Record that the stack is deployed in this account."""
    write_whole(_recorded_identity(stack), clients.identity(account.read(_file())))


def _recorded_identity(stack: Stack) -> Path:
    return paths.aws() / f"{stack.name}.identity"


def _file() -> Path:
    return paths.config() / "aws.json"


def _describe(stack: Stack, network: Layout) -> Account:
    keys = _keys()
    return Account(
        account_id=str(stack.account_id),
        region=stack.region,
        host=network.node_ip,
        port=PORT,
        access_key=keys["access_key"],
        secret_key=keys["secret_key"],
        # As with EKS's own network plugin, pods have addresses in the VPC.
        network=str(network.block),
        cluster=Cluster(
            name=str(stack.eks_name),
            endpoint=network.api_url,
            certificate_authority=_encoded(pki.certificate(pki.CLUSTER_CA).read_bytes()),
            issuer=controlplane.ISSUER,
            issuer_key=pki.public_key(pki.SERVICE_ACCOUNT_KEY).read_text(),
        ),
        state=str(paths.aws() / "state"),
        aliases=(stack.secrets_key,) if stack.secrets_key else (),
        logins_port=LOGINS_PORT,
        postgres=Postgres(
            host=str(network.services[_DATABASE_ADDRESS]),
            port=contracts.POSTGRES_PORT,
            user=_DATABASE_USER,
            password=keys["database_password"],
        ),
    )


def _keys() -> dict[str, str]:
    """Return the credentials of the account's administrator and of the PostgreSQL server, generated on first use."""
    file = paths.aws() / "keys.json"
    if not file.exists():
        keys = clients.new_keys() | {"database_password": secrets.token_urlsafe(24)}
        write_whole(file, json.dumps(keys), 0o600)
    return json.loads(file.read_text())


def _certificate(stack: Stack) -> pki.Leaf:
    """Return the database's certificate, for the host names that moto gives the instances in a region."""
    name = f"*.aaaaaaaaaa.{stack.region}.rds.amazonaws.com"
    return pki.Leaf(name=RDS_CERTIFICATE, common_name="rds", authority=RDS_CA, hosts=(name,), client=False)


def _part(emulated: Account) -> Part:
    return Part(
        name=NAME,
        argv=clients.command(_file()),
        env=clients.server_environment(emulated),
        files=lambda: {_file(): emulated.text()},
        # The emulator also restarts if its own code changes.
        reads=tuple(sorted(Path(__file__).parent.glob("*.py"))),
        after=("kube-apiserver",),
        listens=(f"{emulated.host}:{emulated.port}", f"{emulated.host}:{emulated.logins_port}"),
        ready=answers(f"{emulated.url}{clients.READY_PATH}"),
    )


def _database(emulated: Account, image: str) -> list[dict[str, Any]]:
    """Return the Kubernetes objects of the PostgreSQL server."""
    if emulated.postgres is None:
        return []
    values = {
        "certificate": _encoded(pki.certificate(RDS_CERTIFICATE).read_bytes()),
        "key": _encoded(pki.key(RDS_CERTIFICATE).read_bytes()),
        "password": _encoded(emulated.postgres.password.encode()),
        "user": emulated.postgres.user,
        "service_ip": emulated.postgres.host,
        "logins_host": emulated.host,
        "logins_port": str(emulated.logins_port),
        "image": image,
    }
    digest = hashlib.sha256(json.dumps(values).encode() + _MANIFEST.read_bytes()).hexdigest()
    return addons.fill_in(_MANIFEST, values | {"digest": digest})


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
