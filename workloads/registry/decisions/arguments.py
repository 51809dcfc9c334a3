"""The options that the commands about decisions share, and what they stand for."""

import argparse
import json
from pathlib import Path
from typing import Final

from aegis.keys import PublicKey
from contracts import Env, Exit
from workloads import cli
from workloads.registry import command, options, policy
from workloads.registry.decisions import identity
from workloads.registry.decisions.display import outcome_text
from workloads.registry.decisions.ledger import Ledger
from workloads.registry.decisions.outcome import Outcome
from workloads.registry.decisions.state import CHAMPION, STAGES
from workloads.release import store
from workloads.signing import keys
from workloads.signing import signer as signers
from workloads.signing.keys import Signer
from workloads.signing.staging import written

_RELEASES: Final = f"""\
{Env.RELEASES_BUCKET} (a bucket, or a folder such as file:./releases), and for a
bucket AWS_DEFAULT_REGION and an IAM role, or {Env.S3_ENDPOINT}, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"""
ENVIRONMENT: Final = f"""\
environment: {Env.TRACKING_URI}, {Env.VAULT_ADDR}, {Env.VAULT_TOKEN} or {Env.VAULT_ROLE}, {Env.TRUSTED_KEYS} \
(default: the keys of the signer), {_RELEASES}"""
# Reading needs no signer, so its keys are no default.
READING_ENVIRONMENT: Final = f"""\
environment: {Env.TRACKING_URI}, {Env.TRUSTED_KEYS} (unless --key is given), {_RELEASES}"""


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model that the decision is about."""
    parser.add_argument("model", metavar="MODEL", type=options.model, help="registered model")


def add_alias(parser: argparse.ArgumentParser) -> None:
    """Add the alias that moves."""
    parser.add_argument("--alias", metavar="ALIAS", type=options.alias, default=CHAMPION, help="alias to move")


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Add the policy of a promotion, where its report goes, and the stage."""
    parser.add_argument(
        "--policy", metavar="FILE", type=cli.file_path, required=True, help="policy that must accept it"
    )
    parser.add_argument("--report", metavar="FILE", type=cli.file_path, help="write the policy's report here, as JSON")
    parser.add_argument("--stage", choices=STAGES, help="move the version to this stage too")


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Add the trusted keys."""
    parser.add_argument(
        "--key",
        metavar="PEM",
        type=cli.file_path,
        action="append",
        help="a file or folder of trusted public keys; may be repeated",
    )


def add_decision(parser: argparse.ArgumentParser) -> None:
    """Add what the record of each decision needs, and the form of the output."""
    parser.add_argument("--reason", metavar="TEXT", type=options.reason, help="reason, for the record")
    parser.add_argument(
        "--by", metavar="WHO", type=options.person, help="who decides (default: GITHUB_ACTOR, else the user)"
    )
    add_keys(parser)
    parser.add_argument("--dry-run", action="store_true", help="change nothing, and say what would happen")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def ledger(model: str, key_files: list[Path] | None = None, by: str | None = None) -> Ledger:
    """Return the decisions about a model, with the services that the environment variables name.

    Raises:
        WorkloadError: An environment variable or a key file is missing or wrong (`Exit.USAGE`), or Vault is dead.
    """
    signer = signers.from_environment()
    return Ledger(
        model=model,
        tracking=command.tracking(),
        store=store.from_environment(),
        signer=signer,
        trusted=trusted(key_files, signer),
        by=by,
    )


def trusted(key_files: list[Path] | None, signer: Signer | None) -> tuple[PublicKey, ...]:
    """Return the keys of the option, else those of the environment variable, else the signer's.

    Raises:
        WorkloadError: A key can't be read, or there is none (`Exit.USAGE`), or Vault is dead.
    """
    if not key_files and signer is not None and not cli.has_env(Env.TRUSTED_KEYS):
        return tuple(signer.key_ring().versions.values())
    return tuple(keys.trusted(key_files or ()))


def judge(file: Path, ledger: Ledger, report: Path | None = None) -> policy.Judge:
    """Return the judge by the policy in a file; with the `report` of another process, it runs no code of a model.

    Raises:
        WorkloadError: It can't be read, or isn't a policy (`Exit.USAGE`).
    """
    return policy.Judge(
        policy=policy.load(file),
        tracking=ledger.tracking,
        promoter=identity.claimed(ledger.by),
        keys=ledger.trusted,
        report=report,
    )


def show(outcome: Outcome, *, as_json: bool = False, dry_run: bool = False, report: Path | None = None) -> int:
    """Print the outcome of a decision, and write the policy's report to a file."""
    if outcome.report is not None and report is not None:
        with written(report):
            report.write_text(json.dumps(outcome.report.to_json(), indent=2) + "\n", encoding="utf-8")
    print(json.dumps(outcome.to_json()) if as_json else outcome_text(outcome, dry_run=dry_run))
    return Exit.OK
