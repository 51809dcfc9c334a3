"""`make destroy`: delete all resources of a stack and their data; the cluster stays up."""

import os
from collections.abc import Sequence

import contracts
from contracts import Exit
from local import cli, env, existing, forwards, lock, paths, program, progress, stacks
from local.aws import embedded as emulated_aws
from local.errors import LocalError

# Most of it are the grace periods of Vault's and MLflow's pods.
ABOUT_SECONDS = 60


def main(argv: Sequence[str] | None = None) -> int:
    """Destroy the stack."""
    parser = cli.parser(
        "local.destroy",
        "Delete all resources of a stack and their data: models, runs, backups, keys. The cluster stays up.",
    )
    parser.add_argument("--stack", default=env.STACK, help="the stack to destroy, one of stacks/Pulumi.<stack>.yaml")
    stack = stacks.read(parser.parse_args(argv).stack)
    if stack.in_aws:
        raise LocalError(f"The stack {stack.name} belongs to the AWS account {stack.account_id}, not to this machine.")
    if not program.is_up(stack.name):
        progress.say(f"The stack {stack.name} is not up: nothing to destroy.")
        return Exit.OK
    context = os.environ.get(contracts.CONTEXT_ENV)
    if context:
        existing.get_to_know(context)
    elif not paths.kubeconfig().exists():
        raise LocalError(f"The stack {stack.name} runs in the cluster, which is not up: run `make up` first.")
    engine = env.engine_environment()
    with lock.only_one():
        if context:
            # The engine deletes Vault's objects through the forwarded port.
            forwards.start(stack, context, engine)
        with progress.step(f"Destroying the stack {stack.name}", about_seconds=ABOUT_SECONDS) as step:
            change = program.destroy(stack.name, engine, step)
        if context:
            forwards.stop()
        if stack.emulated:
            emulated_aws.forget()
    progress.say(f"Destroyed the stack {stack.name}: {change.resources} resources.")
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
