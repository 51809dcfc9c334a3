"""`make preview`: show what `pulumi up` would change; for a stack in AWS, what it would create in an empty account.

A stack in AWS is previewed without an account or a cluster: an emulated AWS and a bare API server run on loopback for
the length of the preview. The engine works on a new state and a copy of the stack's file.
"""

import base64
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import contracts
from local import cli, env, paths, program, progress, stacks, toolchain
from local.aws import clients
from local.aws.account import Account, Cluster
from local.errors import LocalError
from local.servers import Kubernetes, Processes, ServerError, free_port
from local.stacks import Stack

SERVERS = ("etcd", "kube-apiserver")
# Example values for a platform team's account and cluster.
NETWORK = "10.0.0.0/16"
ISSUER = "https://oidc.eks.{region}.amazonaws.com/id/00000000000000000000000000000000"

EPILOG = """Other options are passed on to `pulumi preview`; the exit code is the one of `pulumi preview`.

examples:
  python -m local.preview --stack prod --json
  python -m local.preview --stack dev --policy-pack policy"""


def main(argv: Sequence[str] | None = None) -> int:
    """Preview the stack."""
    parser = cli.parser("local.preview", "Show what `pulumi up` would change.", EPILOG)
    parser.add_argument("--stack", default=env.STACK, help="the stack to preview, one of stacks/Pulumi.<stack>.yaml")
    arguments, options = parser.parse_known_args(argv)
    stack = stacks.read(arguments.stack)
    if not stack.in_aws:
        toolchain.ensure(*program.TOOLS)
        program.prepare()
        return _pulumi(env.engine_environment(), "preview", "--stack", stack.name, *options)
    tools = toolchain.ensure(*program.TOOLS, *SERVERS)
    with tempfile.TemporaryDirectory(prefix="aegis-preview-") as folder:
        return _preview(stack, Path(folder), tools, options)


def _preview(stack: Stack, folder: Path, tools: Mapping[str, Path], options: Sequence[str]) -> int:
    with stand_ins(stack, folder, tools) as environment:
        progress.say(f"The preview is of an empty account; the account {stack.account_id} is not read.")
        copy = _make_empty(stack, folder / "project", environment)
        return _pulumi(environment, "preview", "--stack", stack.name, "--config-file", str(copy), *options)


def _make_empty(stack: Stack, project: Path, environment: Mapping[str, str]) -> Path:
    """Create the stack with a copy of its file, because the engine writes a key into the file; return the copy."""
    project.mkdir()
    (project / "Pulumi.yaml").write_text(f"name: {contracts.PROJECT}\nruntime: python\n")
    copy = project / stack.file.name
    shutil.copy(stack.file, copy)
    provider = stack.secrets_provider or "passphrase"
    result = subprocess.run(
        ["pulumi", "stack", "init", stack.name, "--secrets-provider", provider, "--non-interactive"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise LocalError(f"The engine could not create an empty stack {stack.name}: {result.stderr.strip()}")
    return copy


def _pulumi(environment: Mapping[str, str], *arguments: str) -> int:
    return subprocess.run(["pulumi", *arguments], cwd=paths.REPOSITORY, env=environment, check=False).returncode


@contextmanager
def stand_ins(stack: Stack, folder: Path, tools: Mapping[str, Path]) -> Iterator[dict[str, str]]:
    """Run an emulated AWS account and an API server, and yield the environment variables for the engine."""
    kubernetes = Kubernetes(folder, dict(tools))
    processes = Processes(folder=folder)
    try:
        with progress.step("Starting an emulated AWS and a bare API server", about_seconds=10):
            account = _start(stack, folder, kubernetes, processes)
        yield _environment(account, folder, kubernetes)
    except ServerError as error:
        raise LocalError(str(error)) from error
    finally:
        processes.stop()
        kubernetes.stop()


def _start(stack: Stack, folder: Path, kubernetes: Kubernetes, processes: Processes) -> Account:
    keys = clients.new_keys()
    kubernetes.start_api()
    account = Account(
        account_id=str(stack.account_id),
        region=stack.region,
        host="127.0.0.1",
        port=free_port(),
        access_key=keys["access_key"],
        secret_key=keys["secret_key"],
        network=NETWORK,
        cluster=Cluster(
            name=stack.eks_name or contracts.PROJECT,
            endpoint=kubernetes.address,
            certificate_authority=base64.b64encode(kubernetes.certificate).decode(),
            issuer=ISSUER.format(region=stack.region),
        ),
        state=str(folder / "aws"),
        aliases=(stack.secrets_key,) if stack.secrets_key else (),
    )
    file = folder / "account.json"
    file.write_text(account.text())
    processes.start("aws", clients.command(file), **clients.server_environment(account))
    processes.until(lambda: bool(clients.identity(account)), "the emulated AWS")
    return account


def _environment(account: Account, folder: Path, kubernetes: Kubernetes) -> dict[str, str]:
    state = folder / "state"
    state.mkdir()
    program.prepare()
    variables = env.engine_environment() | clients.environment(account)
    # They belong to the platform on this machine, which this preview must not use.
    for name in (contracts.CONTEXT_ENV, contracts.DATABASE_AUTHORITIES_ENV):
        variables.pop(name, None)
    return variables | {
        "PULUMI_BACKEND_URL": f"file://{state}",
        "KUBECONFIG": str(kubernetes.kubeconfig),
        # A preview sends nothing to Vault, but the provider requires a token.
        "VAULT_TOKEN": variables.get("VAULT_TOKEN", "none"),
    }


if __name__ == "__main__":
    cli.run(main)
