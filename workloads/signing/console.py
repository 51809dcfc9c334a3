"""What the signing commands share on the terminal: the progress bar and the options."""

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from contracts import TRANSIT_KEY, TRANSIT_MOUNT
from workloads.signing.archive import Progress
from workloads.signing.manifest import Manifest


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
    parser.add_argument("--key-name", default=TRANSIT_KEY, help="name of the transit key")
    parser.add_argument("--mount", default=TRANSIT_MOUNT, help="path of the transit engine")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is packaged, where to, and where the model came from."""
    parser.add_argument("model_dir", metavar="MODEL_DIR", type=Path, help="directory of the model")
    parser.add_argument("out", metavar="OUT.tar.gz", type=Path, help="archive to write; the rest goes beside it")
    parser.add_argument(
        "--run",
        metavar="FILE",
        type=Path,
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
