"""`make destroy`: delete all that a stack has made, with its data; the cluster stays up."""

import os
from collections.abc import Sequence

import contracts
from contracts import Exit
from local import cli, env, existing, forwards, lock, paths, program, progress, stacks
from local.aws import embedded as emulated_aws
from local.errors import LocalError

# Vault's and MLflow's pods end within their grace periods.
ABOUT_SECONDS = 60


def main(argv: Sequence[str] | None = None) -> int:
    """Destroy the stack."""
    parser = cli.parser(
        "local.destroy",
        "Delete all that a stack has made, with its data: models, runs, backups, keys. The cluster stays.",
    )
    parser.add_argument("--stack", default=env.STACK, help="the stack to destroy, one of stacks/Pulumi.<stack>.yaml")
    stack = stacks.read(parser.parse_args(argv).stack)
    if stack.in_aws:
        raise LocalError(f"The stack {stack.name} is of the AWS account {stack.account_id}, and was not made here.")
    if not program.is_up(stack.name):
        progress.say(f"The stack {stack.name} is not up: there is nothing to destroy.")
        return Exit.OK
    context = os.environ.get(contracts.CONTEXT_ENV)
    if context:
        existing.get_to_know(context)
    elif not paths.kubeconfig().exists():
        raise LocalError(f"The cluster is not up, and the stack {stack.name} is in it: run `make up` first.")
    engine = env.engine_environment()
    with lock.only_one():
        if context:
            # What is in Vault is deleted by way of it.
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
