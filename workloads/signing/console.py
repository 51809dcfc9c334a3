"""What the signing commands share on the terminal: the progress bar and the options."""

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from contracts import KUBERNETES_AUTH_MOUNT, TRANSIT_KEY, TRANSIT_MOUNT, Env
from workloads import cli
from workloads.signing.archive import Progress
from workloads.signing.manifest import Manifest

# For the help of the commands that sign.
VAULT_ENVIRONMENT = f"""\
  {Env.VAULT_ADDR}, and {Env.VAULT_TOKEN} or {Env.VAULT_ROLE} (the role that the pod's token logs in to)
  {Env.VAULT_AUTH_MOUNT}     where that role is, if not at {KUBERNETES_AUTH_MOUNT}
  {Env.VAULT_TRANSIT_MOUNT}  the transit engine, if not {TRANSIT_MOUNT}
  {Env.VAULT_TRANSIT_KEY}    its key, if not {TRANSIT_KEY}
  {Env.VAULT_CACERT}, {Env.VAULT_NAMESPACE}  Vault's authority, and the namespace of Vault Enterprise"""


@contextlib.contextmanager
def bar(description: str) -> Iterator[Progress]:
    """Show a progress bar on stderr, if that is a terminal."""
    with tqdm(desc=description, unit="B", unit_scale=True, unit_divisor=1024, disable=None, leave=False) as shown:

        def advance(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield advance


def add_key_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the key in Vault."""
    parser.add_argument(
        "--key-name", help=f"name of the transit key (default: {Env.VAULT_TRANSIT_KEY}, else {TRANSIT_KEY})"
    )
    parser.add_argument(
        "--mount", help=f"path of the transit engine (default: {Env.VAULT_TRANSIT_MOUNT}, else {TRANSIT_MOUNT})"
    )


def add_archive_argument(parser: argparse.ArgumentParser, description: str) -> None:
    """Add the archive, as `out`."""
    parser.add_argument("out", metavar="OUT.tar.gz", type=cli.file_path, help=description)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is packaged, where to, and where the model came from."""
    parser.add_argument("model_dir", metavar="MODEL_DIR", type=cli.file_path, help="directory of the model")
    add_archive_argument(parser, "archive to write; the rest goes beside it")
    parser.add_argument(
        "--run",
        metavar="FILE",
        type=cli.file_path,
        help="JSON of the MLflow run, as `select_best_run --json` prints it, for the manifest "
        "(default: the run that the model's MLmodel file names)",
    )


def report(archive: Path, manifest: Manifest, *, as_json: bool) -> None:
    """Print what was written."""
    result: dict[str, object] = {
        "archive": str(archive),
        "sha256": manifest.archive_sha256,
        "size": manifest.archive_size,
        "files": len(manifest.files),
        "content_sha256": manifest.content_sha256,
    }
    if manifest.key is not None:
        result |= {"key": manifest.key.name, "key_version": manifest.key.version}
    if as_json:
        print(json.dumps(result))
        return
    signed = f"\nsigned by {manifest.key.name} version {manifest.key.version}" if manifest.key else ""
    print(f"{archive}: {len(manifest.files)} files, {manifest.archive_size} bytes")
    print(f"sha256 {manifest.archive_sha256}{signed}")
