"""`make env`: print the exports with which pulumi, kubectl, mlflow, vault and S3 clients act on the platform.

`make up` runs the engine with the same variables, so that both see the same platform.
"""

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import contracts
from contracts import Exit
from local import cli, existing, kubeconfig, paths, program, stacks
from local.aws import embedded as emulated_aws

STACK = "local"
DEFAULT_REGION = "us-west-2"
# Environment variables of the clients, and the stack output that each is set to.
FROM_OUTPUTS = {
    contracts.Env.TRACKING_URI: "mlflow_url",
    contracts.GATEWAY_URL_ENV: "gateway_url",
    contracts.Env.VAULT_ADDR: "vault_url",
    contracts.Env.VAULT_TOKEN: "vault_root_token",
    contracts.Env.S3_ENDPOINT: "s3_url",
    contracts.Env.BACKUPS_BUCKET: "backups_bucket",
    contracts.Env.RELEASES_BUCKET: "releases_bucket",
    contracts.Env.VAULT_TRANSIT_MOUNT: "vault_transit_mount",
    contracts.Env.VAULT_TRANSIT_KEY: "vault_signing_key",
    "AWS_ACCESS_KEY_ID": "s3_root_access_key",
    "AWS_SECRET_ACCESS_KEY": "s3_root_secret_key",
}


def engine_environment() -> dict[str, str]:
    """Return the caller's environment variables, and those that the engine and the program need."""
    platform = _platform()
    emulated = contracts.AWS_ENDPOINT_ENV in platform
    # The AWS variables of the caller's shell belong to another account.
    callers = {name: value for name, value in os.environ.items() if not (emulated and name.startswith("AWS_"))}
    return {**callers, **platform}


def _platform() -> dict[str, str]:
    variables = program.environment()
    variables |= emulated_aws.environment()
    variables |= _cluster()
    if paths.images_file().exists():
        variables[contracts.IMAGES_FILE_ENV] = str(paths.images_file())
    variables["VIRTUAL_ENV"] = str(paths.REPOSITORY / ".venv")
    variables["PATH"] = _path()
    return variables


def _cluster() -> dict[str, str]:
    """Return the variables that name the cluster: the embedded one's kubeconfig, or the caller's own and a context."""
    context = os.environ.get(contracts.CONTEXT_ENV)
    if not context:
        return {"KUBECONFIG": str(paths.kubeconfig())}
    variables = {"KUBECONFIG": str(kubeconfig.find(context).file), contracts.CONTEXT_ENV: context}
    storage_class = existing.storage_class()
    return variables | ({contracts.STORAGE_CLASS_ENV: storage_class} if storage_class else {})


def _path() -> str:
    """Return PATH with the platform's folders in front, each only once."""
    own = [str(folder) for folder in program.path_entries()]
    rest = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder not in own]
    return os.pathsep.join([*own, *rest])


def clients(outputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that point clients of MLflow, Vault and S3 to the servers in the stack's outputs."""
    variables = {variable: str(outputs[name]) for variable, name in FROM_OUTPUTS.items() if outputs.get(name)}
    if "AWS_ACCESS_KEY_ID" in variables:
        variables["AWS_DEFAULT_REGION"] = str(outputs.get("s3_region", DEFAULT_REGION))
    if "database_port" in outputs:
        variables |= _database(outputs)
    if outputs.get("signing_keys") and paths.signing_keys_file().exists():
        variables[contracts.Env.TRUSTED_KEYS] = str(paths.signing_keys_file())
    return variables


def _database(outputs: Mapping[str, Any]) -> dict[str, str]:
    """Return libpq's variables for the database in the cluster."""
    return {
        "PGHOST": str(outputs["database_host"]),
        "PGPORT": str(int(outputs["database_port"])),
        "PGUSER": contracts.DATABASE_USER,
        "PGDATABASE": contracts.DATABASE_NAME,
        "PGPASSWORD": str(outputs["database_password"]),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print the exports."""
    parser = cli.parser(
        "local.env",
        "Print the exports with which pulumi, kubectl, mlflow, vault and S3 clients act on the platform. "
        "They contain the administrator's passwords: evaluate them, but don't share them.",
        'example:\n  eval "$(make -s env)"\n  pulumi preview',
    )
    parser.add_argument("--stack", default=STACK, help="the stack whose addresses to print")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of exports")
    arguments = parser.parse_args(argv)
    stacks.read(arguments.stack)
    variables = _platform()
    outputs = program.outputs(arguments.stack, {**os.environ, **variables}, secrets=True)
    variables |= clients(outputs)
    if arguments.json:
        print(json.dumps(variables, indent=2))
        return Exit.OK
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
    if not outputs:
        print(f"the stack {arguments.stack} is not up: no addresses of MLflow, Vault and S3 yet", file=sys.stderr)
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
